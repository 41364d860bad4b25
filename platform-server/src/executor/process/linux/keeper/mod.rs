//! The process that holds the buffers of all jobs, so that they outlive producers and servers.
//!
//! One for each server, started with it. Shims put published memory there and take it out again; it knows nobody
//! else. It goes when no server and no run has been connected for [`LINGER`], or for [`LINGER_EMPTY`] where it holds
//! nothing; what it held is freed then, and whoever asks for it is told.
//!
//! One thread answers, as in the shim, and it is of the same program. Its standard input is the socket where it listens.

mod link;
mod message;
mod store;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use lantern_fastio::socket::{self, Wait};
use lantern_fastio::wire::RefusalCode;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::SealFlags;
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

pub(super) use link::{Link, SOCKET};
pub(super) use message::{
    Answer, Ask, Described, FromKeeper, Holder, Listed, MAX_PACKET_BYTES, ToKeeper, VERSION,
};
use store::Store;

use crate::executor::fastio::Refused;

/// What makes the shim's program the keeper.
pub(super) const KEEPER_ARGUMENT: &str = "--keep";

/// How long buffers wait for a server after the last server or run has gone.
const LINGER: Duration = Duration::from_secs(600);
/// The same without buffers: a run that its server began just before it went may be on its way.
const LINGER_EMPTY: Duration = Duration::from_secs(5);
/// How long the first connection may take.
const FIRST: Duration = Duration::from_secs(30);
/// Packets of one connection before the others are heard.
const PACKETS_PER_TURN: usize = 64;
/// Room that a list leaves for the rest of its packet.
const LIST_BYTES: usize = MAX_PACKET_BYTES - 4096;
/// Jobs in one answer.
const JOBS_PER_ANSWER: usize = 1000;

pub(super) fn run() -> ExitCode {
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn serve() -> io::Result<()> {
    // A signal for the server's terminal is none for it.
    _ = rustix::process::setsid();
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    // Each buffer and each run is an open file.
    let files = getrlimit(Resource::Nofile);
    _ = setrlimit(Resource::Nofile, Rlimit { current: files.maximum, maximum: files.maximum });
    let mut keeper = Keeper::new(take_listener()?);
    while !keeper.is_over && !keeper.is_done(LINGER) {
        keeper.turn()?;
    }
    Ok(())
}

#[expect(unsafe_code, reason = "the socket is inherited by its number")]
fn take_listener() -> io::Result<OwnedFd> {
    // SAFETY: standard input, which nothing here uses otherwise.
    let listener = unsafe { OwnedFd::from_raw_fd(0) };
    rustix::fs::fcntl_setfl(&listener, rustix::fs::OFlags::NONBLOCK)?;
    Ok(listener)
}

/// Who is connected.
enum Role {
    Unknown,
    Server,
    Run(Holder),
}

struct Peer {
    socket: OwnedFd,
    role: Role,
    /// Numbers and keys of questions that wait.
    waiting: Vec<(u64, String)>,
    is_gone: bool,
}

struct Keeper {
    listener: OwnedFd,
    store: Store,
    peers: Vec<Peer>,
    packet: Vec<u8>,
    /// When a server or a run was last there.
    last_peer: Instant,
    has_had_server: bool,
    is_over: bool,
}

/// An answer, and the buffer whose file goes with it.
type Told = (FromKeeper, Option<OwnedFd>);

impl Keeper {
    fn new(listener: OwnedFd) -> Self {
        Self {
            listener,
            store: Store::default(),
            peers: Vec::new(),
            packet: vec![0; MAX_PACKET_BYTES],
            last_peer: Instant::now(),
            has_had_server: false,
            is_over: false,
        }
    }

    fn is_done(&self, linger: Duration) -> bool {
        let is_alone = self.peers.is_empty();
        let patience = match (self.has_had_server, self.store.is_empty()) {
            (false, _) => FIRST,
            (true, true) => LINGER_EMPTY.min(linger),
            (true, false) => linger,
        };
        is_alone && self.last_peer.elapsed() >= patience
    }

    fn turn(&mut self) -> io::Result<()> {
        let ready = self.wait()?;
        // Who has gone first: what it held may be what another one asks for.
        let is_gone = |flags: PollFlags| flags.intersects(PollFlags::HUP | PollFlags::ERR);
        let peers = || ready.iter().skip(1).copied().enumerate();
        for (at, _) in peers().filter(|(_, flags)| is_gone(*flags)) {
            self.hear(at);
            self.bury(at);
        }
        for (at, _) in peers().filter(|(_, flags)| !flags.is_empty() && !is_gone(*flags)) {
            self.hear(at);
            self.bury(at);
        }
        // Also who was lost while it was told of a buffer.
        for at in 0..self.peers.len() {
            self.bury(at);
        }
        self.peers.retain(|peer| !peer.is_gone);
        if ready.first().is_some_and(|flags| !flags.is_empty()) {
            self.accept();
        }
        Ok(())
    }

    /// Lets go of what a peer held that is gone.
    fn bury(&mut self, at: usize) {
        let Some(peer) = self.peers.get_mut(at).filter(|peer| peer.is_gone) else { return };
        match std::mem::replace(&mut peer.role, Role::Unknown) {
            Role::Unknown => return,
            Role::Server => {}
            Role::Run(holder) => self.store.run_over(&holder),
        }
        self.last_peer = Instant::now();
    }

    /// Who has something to say: the listener, then the peers.
    fn wait(&self) -> io::Result<Vec<PollFlags>> {
        let sockets = std::iter::once(&self.listener).chain(self.peers.iter().map(|peer| &peer.socket));
        let mut files: Vec<PollFd<'_>> =
            sockets.map(|socket| PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)).collect();
        // Looks at the clock now and then only where nobody is left to wake it.
        let timeout = self.peers.is_empty().then_some(Timespec { tv_sec: 1, tv_nsec: 0 });
        match poll(&mut files, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(files.iter().map(PollFd::revents).collect())
    }

    fn accept(&mut self) {
        match socket::accept(&self.listener) {
            Ok(socket) => {
                let peer = Peer { socket, role: Role::Unknown, waiting: Vec::new(), is_gone: false };
                self.peers.push(peer);
            }
            // Too many open files: whoever waits at the door is asked in when another has left.
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Err(_) => {}
        }
    }

    fn hear(&mut self, at: usize) {
        for _ in 0..PACKETS_PER_TURN {
            let Some(peer) = self.peers.get_mut(at).filter(|peer| !peer.is_gone) else { return };
            let received = match socket::receive(&peer.socket, &mut self.packet, Wait::No) {
                Ok(received) if received.len > 0 && !received.is_cut => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => {
                    peer.is_gone = true;
                    return;
                }
            };
            let bytes = self.packet.get(..received.len).unwrap_or_default();
            let Ok(Ask { id, ask }) = serde_json::from_slice(bytes) else {
                peer.is_gone = true;
                return;
            };
            if let Some((answer, file)) = self.answer(at, id, ask, received.file) {
                self.send(at, id, &answer, file.as_ref());
            }
        }
    }

    /// Peers are ours and read what they are told; one that does not is cut off.
    fn send(&mut self, at: usize, id: u64, answer: &FromKeeper, file: Option<&OwnedFd>) {
        let Some(peer) = self.peers.get_mut(at) else { return };
        let send = |answer: &FromKeeper, file: Option<&OwnedFd>| {
            let bytes = serde_json::to_vec(&AnswerRef { id, answer })?;
            socket::send(&peer.socket, &bytes, file.map(OwnedFd::as_fd), Wait::No)
        };
        let sent = match send(answer, file) {
            Err(error) if socket::is_crowded(&error) => {
                send(&FromKeeper::Refused { code: RefusalCode::System as u16, text: error.to_string() }, None)
            }
            sent => sent,
        };
        peer.is_gone |= sent.is_err();
    }

    /// `None` for what is answered later, or never.
    fn answer(&mut self, at: usize, id: u64, ask: ToKeeper, file: Option<OwnedFd>) -> Option<Told> {
        let plain = |answer| Some((answer, None));
        match ask {
            ToKeeper::Server { version, .. } | ToKeeper::Attach { version, .. } if version != VERSION => {
                return plain(FromKeeper::OtherVersion);
            }
            ToKeeper::Server { limit_bytes, .. } => {
                self.store.limit_bytes = limit_bytes;
                self.has_had_server = true;
                self.peers.get_mut(at)?.role = Role::Server;
                return plain(FromKeeper::Done);
            }
            // Also from who does not speak our version.
            ToKeeper::Quit => {
                self.is_over = true;
                return plain(FromKeeper::Done);
            }
            ToKeeper::Attach { holder, .. } => {
                self.store.begin(&holder);
                self.peers.get_mut(at)?.role = Role::Run(holder);
                return plain(FromKeeper::Done);
            }
            _ => {}
        }
        let peer = self.peers.get_mut(at)?;
        match &peer.role {
            Role::Unknown => {
                peer.is_gone = true;
                None
            }
            Role::Server => self.answer_server(ask),
            Role::Run(holder) => {
                let holder = holder.clone();
                self.answer_run(at, id, &holder, ask, file)
            }
        }
    }

    fn answer_server(&mut self, ask: ToKeeper) -> Option<Told> {
        let answer = match ask {
            ToKeeper::Completed { job, operator } => {
                self.store.completed(&job, &operator);
                FromKeeper::Done
            }
            ToKeeper::EndJob { job } => {
                self.store.end_job(&job);
                FromKeeper::Done
            }
            ToKeeper::Jobs { after } => {
                FromKeeper::Jobs(self.store.jobs(after.as_deref()).take(JOBS_PER_ANSWER).cloned().collect())
            }
            ToKeeper::Used => {
                let (bytes, buffers) = self.store.used();
                FromKeeper::Used { bytes, buffers }
            }
            _ => return None,
        };
        Some((answer, None))
    }

    fn answer_run(
        &mut self,
        at: usize,
        id: u64,
        holder: &Holder,
        ask: ToKeeper,
        file: Option<OwnedFd>,
    ) -> Option<Told> {
        let done = |result: Result<(), Refused>| {
            let refused = |(code, text)| FromKeeper::Refused { code: code as u16, text };
            Some((result.map_or_else(refused, |()| FromKeeper::Done), None))
        };
        match ask {
            ToKeeper::Reserve { key, array } => done(self.store.reserve(holder, &key, array)),
            ToKeeper::Publish { key, consumers } => {
                let Some(file) = file.filter(is_final) else {
                    return done(Err((RefusalCode::WrongState, "the pages can still change".to_owned())));
                };
                let published = self.store.publish(holder, &key, &consumers, file);
                let is_published = published.is_ok();
                if is_published {
                    self.wake(&holder.job, &key);
                }
                done(published)
            }
            ToKeeper::Discard { key } => {
                self.store.discard(holder, &key);
                done(Ok(()))
            }
            ToKeeper::Get { key, waits } => match self.found(&holder.job, &key) {
                Some(found) => Some(found),
                None if waits => {
                    self.peers.get_mut(at)?.waiting.push((id, key));
                    None
                }
                None => Some((FromKeeper::Missing, None)),
            },
            ToKeeper::Forget { waiting } => {
                self.peers.get_mut(at)?.waiting.retain(|(id, _)| *id != waiting);
                None
            }
            ToKeeper::List => {
                let (mut entries, mut bytes, mut is_cut) = (Vec::new(), 0, false);
                for entry in self.store.list(&holder.job) {
                    // Numbers and punctuation of an entry take less than the rest.
                    bytes += entry.key.len() + entry.array.shape.len() * 21 + 80;
                    is_cut = bytes > LIST_BYTES;
                    if is_cut {
                        break;
                    }
                    entries.push(entry);
                }
                Some((FromKeeper::List { entries, is_cut }, None))
            }
            _ => None,
        }
    }

    fn found(&self, job: &str, key: &str) -> Option<Told> {
        let (array, file) = self.store.get(job, key)?;
        // The peer gets a file of its own; ours stays.
        let file = file.try_clone().ok()?;
        Some((FromKeeper::Found(array.clone()), Some(file)))
    }

    /// Answers those who waited for a buffer.
    fn wake(&mut self, job: &str, key: &str) {
        for at in 0..self.peers.len() {
            let Some(peer) = self.peers.get_mut(at) else { return };
            if !matches!(&peer.role, Role::Run(holder) if holder.job == job) {
                continue;
            }
            let due: Vec<(u64, String)> = peer.waiting.extract_if(.., |(_, wanted)| wanted == key).collect();
            for (id, _) in due {
                if let Some((answer, file)) = self.found(job, key) {
                    self.send(at, id, &answer, file.as_ref());
                }
            }
        }
    }
}

/// [`Answer`], borrowed.
#[derive(serde::Serialize)]
struct AnswerRef<'a> {
    id: u64,
    answer: &'a FromKeeper,
}

/// Whether nobody can change the pages any more, nor open them for writing.
fn is_final(file: &OwnedFd) -> bool {
    let wanted = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW;
    rustix::fs::fcntl_get_seals(file).is_ok_and(|seals| seals.contains(wanted))
}
