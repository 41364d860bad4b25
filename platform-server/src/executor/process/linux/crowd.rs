//! For tests: as many files under way as the system allows a user.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::thread;

use lantern_fastio::socket::{self, Wait};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, capabilities, set_capabilities};

/// Few enough that some sockets hold them, and more than the other tests of this process have open.
const FILES: u64 = 1024;

/// The limit is that of the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Does `work` in a thread that can send no more files.
pub(super) fn while_crowded(work: impl FnOnce() + Send) {
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(FILES), maximum: before.maximum }).unwrap();
    let done = thread::scope(|scope| {
        let crowded = || {
            // Those who have these may send as many as they like; only this thread gives them up.
            let mut own = capabilities(None).unwrap();
            own.effective.remove(CapabilitySet::SYS_RESOURCE | CapabilitySet::SYS_ADMIN);
            set_capabilities(None, own).unwrap();
            let _under_way = fill();
            work();
        };
        scope.spawn(crowded).join()
    });
    setrlimit(Resource::Nofile, before).unwrap();
    done.unwrap();
}

/// Sends files that nobody takes, until the system refuses.
fn fill() -> Vec<(OwnedFd, OwnedFd)> {
    let file = tempfile::tempfile().unwrap();
    let mut lines = Vec::new();
    loop {
        let (from, to) = socket::pair().unwrap();
        let sent = || socket::send(&from, b"x", Some(file.as_fd()), Wait::No);
        let refused = std::iter::repeat_with(sent).find_map(Result::err).unwrap();
        lines.push((from, to));
        if socket::is_crowded(&refused) {
            return lines;
        }
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    }
}
