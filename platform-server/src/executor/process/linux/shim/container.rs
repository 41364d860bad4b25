//! The shim outside of a container: from the image to a container that runs, and the engine's word on its end.
//!
//! The init inside is the only caller that the socket takes; with the first byte it gets the pipes for the operator's
//! output, so that what is printed does not go through the engine.

use std::fs::{self, Permissions};
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg, sockopt};
use rustix::process::{Resource, getrlimit};

use super::super::cgroup::{Cgroup, Counters};
use super::super::protocol::{Program, ToInit};
use super::super::run_files::{SOCKET, file_name};
use super::INSIDE_CONTAINER;
use super::supervise::{InitLine, send};
use crate::executor::RunSpec;
use crate::executor::container::linux::arguments::{Ingredients, libraries, run_arguments};
use crate::executor::container::linux::ask::{Answer, Asked};
use crate::executor::container::linux::host::{ContainerHost, PATIENCE};
use crate::executor::container::linux::image::Image;

/// How often the engine's program is waited for while it makes a container that is not wanted any more.
const ROUNDS_OF_ASKING: u32 = 10;

/// A container that was asked for.
pub(super) struct Container {
    host: ContainerHost,
    token: String,
    /// The engine's program, which stays as long as the container does.
    client: Asked,
    /// The engine's word on the end.
    answer: Option<Answer>,
    /// Until the init has come.
    waiting: Option<Waiting>,
    pub(super) line: Option<InitLine>,
    /// The group that the engine made, to read what the kernel counts.
    group: Option<Cgroup>,
    counters: Counters,
}

/// What the init gets when it comes.
struct Waiting {
    listener: UnixListener,
    program: Program,
    pipes: [OwnedFd; 2],
}

impl Container {
    /// Calls the engine; returns once its program runs.
    pub(super) fn start(
        host: &ContainerHost,
        token: &str,
        image: &Image,
        run: &RunSpec,
        program: Program,
        pipes: [OwnedFd; 2],
    ) -> io::Result<Self> {
        let name = file_name(token, SOCKET);
        let listener = UnixListener::bind(&name)?;
        listener.set_nonblocking(true)?;
        // Whoever the run is; the folder is closed to all others.
        fs::set_permissions(&name, Permissions::from_mode(0o666))?;
        let own = Ingredients {
            token: token.to_owned(),
            socket: std::env::current_dir()?.join(name),
            libraries: libraries(&fs::read_to_string("/proc/self/maps")?),
            open_files: limits_of(Resource::Nofile, u64::MAX),
            user_processes: limits_of(Resource::Nproc, most_processes()),
            init_argument: INSIDE_CONTAINER,
        };
        let client = Asked::start(host.command(run_arguments(host, image, run, &own)))?;
        Ok(Self {
            host: host.clone(),
            token: token.to_owned(),
            client,
            answer: None,
            waiting: Some(Waiting { listener, program, pipes }),
            line: None,
            group: None,
            counters: Counters::default(),
        })
    }

    /// What tells that there is news from inside.
    pub(super) fn news(&self) -> Option<BorrowedFd<'_>> {
        match (&self.waiting, &self.line) {
            (Some(waiting), _) => Some(waiting.listener.as_fd()),
            (None, Some(line)) => line.news(),
            (None, None) => None,
        }
    }

    /// Takes the first caller, which is the init: nothing else runs in the container yet.
    pub(super) fn let_in(&mut self) -> io::Result<()> {
        let Some(Waiting { listener, .. }) = &self.waiting else { return Ok(()) };
        let socket = match listener.accept() {
            Ok((socket, _)) => socket,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => {
                self.waiting = None;
                return Err(error);
            }
        };
        let Some(Waiting { program, pipes, .. }) = self.waiting.take() else { return Ok(()) };
        fs::remove_file(file_name(&self.token, SOCKET))?;
        // As long as it waits for its program, it is there to be looked at.
        self.group = sockopt::socket_peercred(&socket).ok().and_then(|peer| Cgroup::of_process(peer.pid));
        hand_over(&socket, &pipes)?;
        send(&socket, &ToInit::Start(program))?;
        self.line = Some(InitLine::new(socket)?);
        Ok(())
    }

    /// Whether the init was let in. From then on the program may have done something.
    pub(super) fn was_reached(&self) -> bool {
        self.line.is_some()
    }

    /// From now on nobody is let in: an init that comes finds no program to start, and goes.
    pub(super) fn turn_away(&mut self) {
        self.waiting = None;
    }

    /// Reads what the kernel has counted, while the group is there; once, since what is gone counts nothing.
    pub(super) fn count(&mut self) {
        if let Some(group) = self.group.take() {
            self.counters = group.counters();
        }
    }

    pub(super) fn counters(&self) -> Counters {
        self.counters
    }

    /// Ends everybody, the first time by way of the init, then by way of the engine.
    ///
    /// An engine's program that is killed while it makes a container can leave things behind that nobody knows of, so it
    /// is given time: an init that is turned away ends the container in good order.
    pub(super) fn kill(&mut self, round: u32) {
        match &self.line {
            Some(line) if round == 0 => return line.tell(&ToInit::Kill),
            Some(_) => {}
            None if round == 0 => return self.turn_away(),
            None if round < ROUNDS_OF_ASKING => return self.client.ask_to_end(),
            None => self.client.kill(),
        }
        // Not waited for: the container's end shows by its client.
        _ = Asked::start(self.host.command(self.host.removal(&self.token)));
    }

    /// Whether the engine's program has ended.
    pub(super) fn is_gone(&mut self) -> io::Result<bool> {
        if self.answer.is_none() {
            self.answer = self.client.try_answer()?;
        }
        Ok(self.answer.is_some())
    }

    /// What the engine said, if that was not that all is well; then nothing of the container is left behind either.
    pub(super) fn complaint(&mut self) -> Option<String> {
        let complaint = match &self.answer {
            Some(answer) if answer.is_success() => None,
            Some(answer) => Some(answer.words.clone()),
            None => Some("the engine has not answered".to_owned()),
        };
        if complaint.is_some() || self.line.is_none() {
            let removal = Asked::start(self.host.command(self.host.removal(&self.token)));
            // What stays in spite of this is found by its label at the next start of a server.
            _ = removal.and_then(|asked| asked.wait(PATIENCE));
        }
        complaint
    }
}

/// The first byte on the socket, and with it what the operator prints into.
fn hand_over(socket: &UnixStream, pipes: &[OwnedFd; 2]) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let files = [pipes[0].as_fd(), pipes[1].as_fd()];
    if !control.push(SendAncillaryMessage::ScmRights(&files)) {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    sendmsg(socket, &[IoSlice::new(b"\n")], &mut control, SendFlags::empty())?;
    Ok(())
}

/// Soft and hard limit of this process, where both are numbers, and not more than `most`.
fn limits_of(resource: Resource, most: u64) -> Option<(u64, u64)> {
    let limit = getrlimit(resource);
    limit.current.zip(limit.maximum).map(|(soft, hard)| (soft.min(most), hard.min(most)))
}

/// What Podman lowers its own limit of processes to, and cannot raise it again for its containers everywhere.
fn most_processes() -> u64 {
    let text = fs::read_to_string("/proc/sys/kernel/pid_max").unwrap_or_default();
    text.trim().parse().unwrap_or(32_768)
}
