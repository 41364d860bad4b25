//! A process that makes shims by forking itself: a copy of a small process costs a fraction of starting a program.
//!
//! It is the shim's own program, started once by the server and alive as long as that. It waits on its standard input,
//! a socket, for the two files of a run; a copy takes them, calls itself by the run's token, so that the shim is found
//! like one that was started by name, and goes on as the shim. The copies outlive it. Where no spawner can be had, the
//! server starts each shim as a program.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType, recvmsg, sendmsg, shutdown,
    socketpair,
};

use crate::executor::RunToken;

/// What makes the shim's program a spawner. As long as a token, which takes its place.
pub(super) const SPAWNER_ARGUMENT: &str = "--makes-shims-until-it-is-closed";

/// The length of a token and of what stands for it.
pub(super) const TOKEN_BYTES: usize = 32;
const _: () = assert!(SPAWNER_ARGUMENT.len() == TOKEN_BYTES, "a token has to fit into the argument's place");

/// The files that make a run.
const FILES: usize = 2;

/// The server's side.
#[derive(Default)]
pub(super) struct Spawner(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Untried,
    Ready(Running),
    /// It could not be had once, so it is not tried again.
    Absent,
}

struct Running {
    socket: OwnedFd,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        // What was asked of it before it still does.
        _ = shutdown(&self.socket, Shutdown::Write);
        _ = self.child.wait();
    }
}

impl Spawner {
    /// Makes the shim of a run. `false` if it has to be started in another way.
    pub(super) fn spawn(
        &self,
        shim: &[String],
        dir: &Path,
        token: RunToken,
        input: impl AsFd,
        output: impl AsFd,
    ) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*state, State::Untried) {
            *state = start(shim, dir).map_or(State::Absent, State::Ready);
        }
        let State::Ready(running) = &*state else { return false };
        match send(running.socket.as_fd(), token, [input.as_fd(), output.as_fd()]) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(%error, "the process that makes shims is gone");
                *state = State::Untried;
                false
            }
        }
    }
}

/// Starts the spawner and waits until it says that it can do its work.
fn start(shim: &[String], dir: &Path) -> io::Result<Running> {
    let (program, arguments) = shim.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let mut command = Command::new(program);
    command.args(arguments).arg(SPAWNER_ARGUMENT).env_clear().current_dir(dir);
    command.stdin(theirs).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.spawn()?;
    // The other end is its alone, so that its death is seen here.
    drop(command);
    let running = Running { socket: ours, child };
    let mut word = [0; 1];
    match rustix::io::read(&running.socket, &mut word)? {
        1 => Ok(running),
        _ => Err(io::ErrorKind::BrokenPipe.into()),
    }
}

fn send(socket: BorrowedFd<'_>, token: RunToken, files: [BorrowedFd<'_>; FILES]) -> io::Result<()> {
    let token = token.to_string();
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if token.len() != TOKEN_BYTES || !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(socket, &[IoSlice::new(token.as_bytes())], &mut control, SendFlags::NOSIGNAL)?;
    Ok(())
}

/// The files of the next run and its token; `None` when the server is gone.
pub(super) fn receive(socket: BorrowedFd<'_>) -> io::Result<Option<(String, [OwnedFd; FILES])>> {
    let mut token = [0; TOKEN_BYTES];
    let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(FILES))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        let mut pieces = [IoSliceMut::new(&mut token)];
        match recvmsg(socket, &mut pieces, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    if got.bytes == 0 {
        return Ok(None);
    }
    let files: Vec<OwnedFd> = control
        .drain()
        .filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(files) => Some(files),
            _ => None,
        })
        .flatten()
        .collect();
    let token = std::str::from_utf8(&token).map_err(|_| io::ErrorKind::InvalidData)?;
    let files = files.try_into().map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(Some((token.to_owned(), files)))
}
