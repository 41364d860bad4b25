//! A keeper in this process; its peers are the other ends of its sockets.

use lantern_fastio::ElementType;
use lantern_fastio::wire::Description;

use super::super::crowd::while_crowded;
use super::*;

/// A keeper that nobody has found yet, and what keeps its door from being broken.
fn keeper() -> (Keeper, OwnedFd) {
    let (listener, other) = socket::pair().unwrap();
    let mut keeper = Keeper::new(listener);
    keeper.store.limit_bytes = 1000;
    (keeper, other)
}

struct Other(OwnedFd);

impl Other {
    fn connect(keeper: &mut Keeper) -> Self {
        let (socket, other) = socket::pair().unwrap();
        keeper.peers.push(Peer { socket, role: Role::Unknown, waiting: Vec::new(), is_gone: false });
        Self(other)
    }

    fn server(keeper: &mut Keeper) -> Self {
        let other = Self::connect(keeper);
        other.tell(1, ToKeeper::Server { version: VERSION, limit_bytes: 1000 }, None);
        keeper.turn().unwrap();
        assert_eq!(other.hear().0, FromKeeper::Done);
        other
    }

    fn run(keeper: &mut Keeper, operator: &str) -> Self {
        let other = Self::connect(keeper);
        let holder = Holder {
            job: "j".into(),
            operator: operator.into(),
            run: operator.into(),
            budget_bytes: 1000,
            max_buffers: 9,
        };
        other.tell(1, ToKeeper::Attach { version: VERSION, holder }, None);
        keeper.turn().unwrap();
        assert_eq!(other.hear().0, FromKeeper::Done);
        other
    }

    fn tell(&self, id: u64, ask: ToKeeper, file: Option<&OwnedFd>) {
        let bytes = serde_json::to_vec(&Ask { id, ask }).unwrap();
        socket::send(&self.0, &bytes, file.map(OwnedFd::as_fd), Wait::No).unwrap();
    }

    fn hear(&self) -> (FromKeeper, Option<OwnedFd>) {
        let mut packet = vec![0; MAX_PACKET_BYTES];
        let received = socket::receive(&self.0, &mut packet, Wait::No).unwrap();
        let Answer { answer, .. } = serde_json::from_slice(&packet[..received.len]).unwrap();
        (answer, received.file)
    }

    fn reserve(&self, keeper: &mut Keeper, key: &str) {
        self.tell(2, ToKeeper::Reserve { key: key.into(), array: array() }, None);
        keeper.turn().unwrap();
        assert_eq!(self.hear().0, FromKeeper::Done);
    }

    fn publish(&self, keeper: &mut Keeper, key: &str) {
        self.tell(3, ToKeeper::Publish { key: key.into(), consumers: Vec::new() }, Some(&pages()));
        keeper.turn().unwrap();
        assert_eq!(self.hear().0, FromKeeper::Done);
    }
}

fn array() -> Described {
    let text = String::new();
    Described::of(&Description { name: "x".into(), element: ElementType::Uint8, shape: vec![8], text })
}

/// A final buffer.
fn pages() -> OwnedFd {
    let flags = rustix::fs::MemfdFlags::CLOEXEC | rustix::fs::MemfdFlags::ALLOW_SEALING;
    let file = rustix::fs::memfd_create("test", flags).unwrap();
    rustix::fs::ftruncate(&file, 8).unwrap();
    rustix::fs::fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW).unwrap();
    file
}

#[test]
fn a_buffer_that_cannot_be_handed_over_now_is_refused_and_can_be_had_later() {
    let (mut keeper, _door) = keeper();
    let run = Other::run(&mut keeper, "a");
    run.reserve(&mut keeper, "free/x");
    run.publish(&mut keeper, "free/x");
    run.tell(4, ToKeeper::Get { key: "free/x".into(), waits: false }, None);
    while_crowded(|| keeper.turn().unwrap());
    let (answer, file) = run.hear();
    assert!(matches!(answer, FromKeeper::Refused { code: 13, .. }) && file.is_none(), "{answer:?}");
    run.tell(5, ToKeeper::Get { key: "free/x".into(), waits: false }, None);
    keeper.turn().unwrap();
    let (answer, file) = run.hear();
    assert!(matches!(answer, FromKeeper::Found(_)) && file.is_some(), "{answer:?}");
}

#[test]
fn buffers_wait_for_a_server_from_the_end_of_the_last_run_on() {
    let (mut keeper, _door) = keeper();
    let linger = Duration::from_secs(1);
    let server = Other::server(&mut keeper);
    let run = Other::run(&mut keeper, "a");
    run.reserve(&mut keeper, "free/x");
    run.publish(&mut keeper, "free/x");
    drop(server);
    keeper.turn().unwrap();
    std::thread::sleep(linger);
    assert!(!keeper.is_done(linger), "a run is there");
    drop(run);
    keeper.turn().unwrap();
    assert!(!keeper.is_done(linger), "the time begins with its end");
    std::thread::sleep(linger);
    assert!(keeper.is_done(linger));
}

#[test]
fn a_keeper_without_buffers_waits_for_a_run_that_may_be_on_its_way() {
    let (mut keeper, _door) = keeper();
    drop(Other::server(&mut keeper));
    keeper.turn().unwrap();
    assert!(!keeper.is_done(LINGER));
    assert!(keeper.is_done(Duration::ZERO), "nobody is there");
}

#[test]
fn as_many_readers_as_an_output_may_have_are_told_in_one_packet() {
    for (count, length) in [(190, 255), (12_288, 1)] {
        let name = |length| "n".repeat(length);
        let key = format!("out/{}/{}", name(255), name(255));
        let ask = ToKeeper::Publish { key, consumers: vec![name(length); count] };
        assert!(serde_json::to_vec(&Ask { id: u64::MAX, ask }).unwrap().len() < MAX_PACKET_BYTES);
    }
}

#[test]
fn who_is_lost_while_it_is_told_of_a_buffer_lets_go_of_what_it_held() {
    let (mut keeper, _door) = keeper();
    let deaf = Other::run(&mut keeper, "deaf");
    deaf.reserve(&mut keeper, "free/own");
    deaf.tell(4, ToKeeper::Get { key: "free/x".into(), waits: true }, None);
    keeper.turn().unwrap();
    while socket::send(&keeper.peers[0].socket, b"x", None, Wait::No).is_ok() {}
    let run = Other::run(&mut keeper, "a");
    run.reserve(&mut keeper, "free/x");
    assert_eq!(keeper.store.used(), (16, 2));
    run.publish(&mut keeper, "free/x");
    assert_eq!((keeper.store.used(), keeper.peers.len()), ((8, 1), 1));
}
