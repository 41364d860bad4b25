//! The operator and the keeper are sockets of the test's own.

use lantern_fastio::wire::{decode_reply, encode_request};

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
