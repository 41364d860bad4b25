//! The process that makes shims, where there is room for no more processes.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a failing helper is a failing test")]

use std::fs;
use std::io::{IoSlice, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, sendmsg,
    socketpair,
};

/// How the shim's program is told to make others.
const SPAWNER_ARGUMENT: &str = "--makes-shims-until-it-is-closed";

/// Sets a limit as somebody else than root, for whom limits of processes do not hold.
fn prlimit(limit: &str) -> Command {
    let somebody = ["setpriv", "--reuid=65432", "--regid=65432", "--clear-groups"];
    let before: &[&str] = if rustix::process::geteuid().is_root() { &somebody } else { &[] };
    let mut words = before.iter().copied().chain(["prlimit", limit]);
    let mut command = Command::new(words.next().unwrap());
    command.args(words);
    command
}

/// A spawner that may not fork for the time being, and our end of its socket.
struct Spawner {
    process: Child,
    socket: OwnedFd,
    _folder: tempfile::TempDir,
}

impl Spawner {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.path(), open.clone()).unwrap();
        let shim = folder.path().join("shim");
        fs::copy(env!("CARGO_BIN_EXE_lantern-shim"), &shim).unwrap();
        fs::set_permissions(&shim, open).unwrap();
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let mut command = prlimit("--nproc=1:");
        command.arg(&shim).arg(SPAWNER_ARGUMENT).current_dir("/");
        let process = command.stdin(theirs).stdout(Stdio::null()).spawn().unwrap();
        drop(command);
        let mut word = [0; 1];
        assert_eq!(rustix::io::read(&socket, &mut word).unwrap(), 1, "it can do its work");
        Self { process, socket, _folder: folder }
    }

    /// Asks for a shim: what keeps it waiting for its run, and what ends with it.
    fn ask(&self, token: &str) -> (std::io::PipeWriter, std::io::PipeReader) {
        let (input, lifeline) = std::io::pipe().unwrap();
        let (events, output) = std::io::pipe().unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = [input.as_fd(), output.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        let words = [IoSlice::new(token.as_bytes())];
        sendmsg(&self.socket, &words, &mut control, SendFlags::NOSIGNAL).unwrap();
        (lifeline, events)
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Whether a process goes by this name.
fn is_there(token: &str) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    lines.into_iter().any(|line| String::from_utf8_lossy(&line).contains(token))
}

#[test]
fn a_run_that_finds_no_room_is_lost_alone() {
    let mut spawner = Spawner::start();
    for token in ["0123456789abcdef0123456789abcde0", "0123456789abcdef0123456789abcde1"] {
        let (_lifeline, mut events) = spawner.ask(token);
        let mut said = Vec::new();
        events.read_to_end(&mut said).unwrap();
        assert!(said.is_empty(), "{said:?}");
    }
    assert_eq!(spawner.process.try_wait().unwrap(), None, "the spawner goes on");
    let pid = spawner.process.id().to_string();
    let raised = prlimit("--nproc=1000:").args(["--pid", &pid]).status().unwrap();
    assert!(raised.success());
    let token = "0123456789abcdef0123456789abcde2";
    let (lifeline, mut events) = spawner.ask(token);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_there(token) {
        assert!(Instant::now() < deadline, "no shim was made");
        std::thread::sleep(Duration::from_millis(10));
    }
    drop(lifeline);
    events.read_to_end(&mut Vec::new()).unwrap();
}
