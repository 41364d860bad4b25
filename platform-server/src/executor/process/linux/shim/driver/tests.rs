//! The operator and the keeper are sockets of the test's own.

use lantern_fastio::ElementType;
use lantern_fastio::wire::{decode_reply, encode_request};

use super::super::super::crowd::while_crowded;
use super::*;

struct Bench {
    driver: Driver,
    operator: OwnedFd,
    log: LogWriter,
}

fn bench() -> Bench {
    let rules = FastIo { job: "j".into(), operator: "o".into(), ..FastIo::default() };
    let (driver, operator) = Driver::new(rules, "run", None).unwrap();
    Bench { driver, operator, log: LogWriter::new(tempfile::tempfile().unwrap(), 1 << 20) }
}

#[test]
fn a_flood_is_read_in_portions_also_after_a_long_silence() {
    let Bench { mut driver, operator, mut log } = bench();
    rustix::net::sockopt::set_socket_send_buffer_size(&operator, 1 << 20).unwrap();
    std::thread::sleep(WINDOW * 2);
    let ready = encode_request(0, &Request::Ready);
    let sent = (0..100_000).take_while(|_| socket::send(&operator, &ready, None, Wait::No).is_ok()).count();
    assert!(sent > FRAMES_PER_WINDOW as usize + 10, "{sent} frames are no flood");
    driver.hear_operator(&mut log);
    assert_eq!(driver.window.1, FRAMES_PER_WINDOW);
    assert!(driver.line().is_none() && driver.wakes_at().is_some());
    // Which would be written to standard output.
    driver.reports = Reports::default();
    driver.look_at_clock();
    assert!(driver.line().is_some(), "the window was over");
}

/// The keeper's end of the driver's line to it.
struct Keeper(OwnedFd);

impl Bench {
    fn keeper(&mut self) -> Keeper {
        let (ours, keepers) = socket::pair().unwrap();
        self.driver.keeper = Some(ours);
        Keeper(keepers)
    }

    fn ask(&mut self, number: u32, request: &Request) {
        socket::send(&self.operator, &encode_request(number, request), None, Wait::No).unwrap();
        self.driver.hear_operator(&mut self.log);
    }

    /// What waits has waited long enough.
    fn pass_time(&mut self) {
        self.driver.pending.as_mut().unwrap().until = Instant::now();
        self.driver.look_at_clock();
    }

    fn reply(&self) -> (u32, Reply, Option<OwnedFd>) {
        let mut frame = vec![0; MAX_FRAME_BYTES];
        let received = socket::receive(&self.operator, &mut frame, Wait::No).unwrap();
        let (number, reply) = decode_reply(&frame[..received.len]).unwrap();
        (number, reply, received.file)
    }

    fn refusal(&self) -> (u32, RefusalCode) {
        match self.reply() {
            (number, Reply::Refused { code, .. }, None) => (number, code),
            other => panic!("{other:?}"),
        }
    }
}

impl Keeper {
    fn hear(&self) -> (u64, ToKeeper) {
        let mut packet = vec![0; MAX_FRAME_BYTES];
        let received = socket::receive(&self.0, &mut packet, Wait::No).unwrap();
        let Ask { id, ask } = serde_json::from_slice(&packet[..received.len]).unwrap();
        (id, ask)
    }

    /// Agrees to what was asked last.
    fn agree(&self) {
        let (id, _) = self.hear();
        let answer = serde_json::to_vec(&Answer { id, answer: FromKeeper::Done }).unwrap();
        socket::send(&self.0, &answer, None, Wait::No).unwrap();
    }
}

fn allocate() -> Request {
    let (name, text) = ("x".into(), String::new());
    Request::Allocate(Description { name, element: ElementType::Uint8, shape: vec![4], text })
}

#[test]
fn a_buffer_that_cannot_be_handed_over_now_is_refused_and_the_line_stays() {
    let mut bench = bench();
    let keeper = bench.keeper();
    bench.ask(1, &allocate());
    keeper.agree();
    while_crowded(|| bench.driver.hear_keeper());
    assert_eq!(bench.refusal(), (1, RefusalCode::System));
    assert!(matches!(keeper.hear().1, ToKeeper::Discard { key } if key == "free/x"));
    bench.ask(2, &allocate());
    keeper.agree();
    bench.driver.hear_keeper();
    assert!(matches!(bench.reply(), (2, Reply::Buffer(_), Some(_))));

    let publish = Request::Publish { name: "x".into() };
    while_crowded(|| bench.ask(3, &publish));
    assert_eq!(bench.refusal(), (3, RefusalCode::System));
    bench.ask(4, &publish);
    keeper.agree();
    bench.driver.hear_keeper();
    assert!(matches!(bench.reply(), (4, Reply::Done, None)));
}

#[test]
fn a_keeper_that_does_not_answer_counts_as_gone() {
    let mut bench = bench();
    for (number, request) in
        [allocate(), Request::List, Request::Open { name: "x".into(), wait_ms: 0 }].into_iter().enumerate()
    {
        let number = u32::try_from(number).unwrap();
        let _silent = bench.keeper();
        bench.ask(number, &request);
        let wakes = bench.driver.wakes_at().unwrap().saturating_duration_since(Instant::now());
        assert!(wakes > PATIENCE / 2 && wakes <= PATIENCE, "{wakes:?}");
        bench.pass_time();
        assert_eq!(bench.refusal(), (number, RefusalCode::Lost));
        assert!(bench.driver.keeper().is_none());
    }
}

#[test]
fn who_waits_for_a_buffer_in_vain_does_not_lose_the_keeper() {
    let mut bench = bench();
    let keeper = bench.keeper();
    bench.ask(1, &Request::Open { name: "x".into(), wait_ms: u32::MAX });
    let (asked, _) = keeper.hear();
    bench.pass_time();
    assert_eq!(bench.refusal(), (1, RefusalCode::TimedOut));
    assert!(matches!(keeper.hear().1, ToKeeper::Forget { waiting } if waiting == asked));
    assert!(bench.driver.keeper().is_some());
}

#[test]
fn a_keeper_that_cannot_be_reached_is_a_trouble_that_is_told() {
    let (driver, _operator) = Driver::new(FastIo::default(), "run", Some("/nowhere/fastio")).unwrap();
    assert!(driver.keeper().is_none());
    assert!(driver.trouble.is_some_and(|trouble| trouble.starts_with("there is no shared memory: ")));
}

#[test]
fn without_a_keeper_every_question_is_answered_with_that() {
    let mut bench = bench();
    let keeper = bench.keeper();
    bench.ask(1, &allocate());
    keeper.agree();
    bench.driver.hear_keeper();
    assert!(matches!(bench.reply(), (1, Reply::Buffer(_), Some(_))));
    drop(keeper);
    bench.driver.hear_keeper();
    let name = || "x".to_owned();
    for request in [
        Request::Publish { name: name() },
        Request::Discard { name: name() },
        Request::Open { name: name(), wait_ms: 9 },
        Request::List,
        allocate(),
    ] {
        bench.ask(2, &request);
        assert_eq!(bench.refusal(), (2, RefusalCode::Lost), "{request:?}");
    }
}

#[test]
fn an_empty_packet_cuts_the_line_and_nonsense_does_so_after_a_hundred() {
    let mut bench = bench();
    socket::send(&bench.operator, b"", None, Wait::No).unwrap();
    bench.driver.hear_operator(&mut bench.log);
    assert!(bench.driver.line().is_none());

    let mut bench = self::bench();
    for heard in 1..=MAX_BAD_FRAMES {
        socket::send(&bench.operator, b"nonsense", None, Wait::No).unwrap();
        bench.driver.hear_operator(&mut bench.log);
        assert_eq!(bench.refusal().1, RefusalCode::BadFrame, "{heard}");
    }
    socket::send(&bench.operator, b"nonsense", None, Wait::No).unwrap();
    bench.driver.hear_operator(&mut bench.log);
    assert!(bench.driver.line().is_none());
}
