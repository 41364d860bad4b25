//! The operator's line to the platform, from the platform's side: reads its frames, holds it to the definition, passes
//! buffers between it and the keeper, and keeps what it reports.
//!
//! Whatever the operator sends is answered, refused or a reason to cut the line; nothing of it makes the shim wait or
//! keep more than one frame and the files of its buffers. How many frames are read in a while is bounded, so that a
//! flood makes its sender wait.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use lantern_fastio::socket::{self, Wait};
use lantern_fastio::wire::{
    self, Description, Entry, MAX_FRAME_BYTES, RefusalCode, Reply, Request, Role, WireError,
};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};

use super::super::keeper::{Answer, Ask, Described, FromKeeper, Holder, Listed, ToKeeper, VERSION};
use super::log_writer::LogWriter;
use super::reports::Reports;
use crate::executor::fastio::{Declared, FastIo, MAX_BUFFERS, Refused};

/// Frames that are read within [`WINDOW`].
const FRAMES_PER_WINDOW: u32 = 256;
const WINDOW: Duration = Duration::from_millis(50);
/// Frames without sense before the line is cut.
const MAX_BAD_FRAMES: u32 = 100;
/// How long the keeper may take for an answer before it counts as gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The request that waits for the keeper.
struct Pending {
    /// Of the operator's request.
    number: u32,
    /// Of the question to the keeper.
    asked: u64,
    step: Step,
    /// Whether it waits for somebody else to publish.
    waits: bool,
    /// When to give up.
    until: Instant,
}

enum Step {
    Reserve { key: String, description: Description },
    Publish { key: String },
    Discard { key: String },
    Get { name: String },
    List,
}

/// See the module.
pub(super) struct Driver {
    rules: FastIo,
    /// `None` once it is cut.
    line: Option<OwnedFd>,
    /// `None` where there is none, or it is gone.
    keeper: Option<OwnedFd>,
    /// Buffers that the operator fills.
    allocated: BTreeMap<String, OwnedFd>,
    pending: Option<Pending>,
    asked: u64,
    frame: Vec<u8>,
    bad_frames: u32,
    window: (Instant, u32),
    pub(super) reports: Reports,
    /// Why there is no keeper although there should be one, for the log.
    pub(super) trouble: Option<String>,
}

impl Driver {
    /// The driver, and the operator's end of its line.
    pub(super) fn new(rules: FastIo, run: &str, keeper: Option<&str>) -> io::Result<(Self, OwnedFd)> {
        let (line, operators_end) = socket::pair()?;
        let holder = Holder {
            job: rules.job.clone(),
            operator: rules.operator.clone(),
            run: run.to_owned(),
            budget_bytes: rules.budget_bytes,
            max_buffers: MAX_BUFFERS,
        };
        // Without a keeper the operator runs, and is told when it asks for memory.
        let attached = keeper.map(|path| attach(Path::new(path), holder)).transpose();
        let trouble = attached.as_ref().err().map(|error| format!("there is no shared memory: {error}"));
        let driver = Self {
            rules,
            line: Some(line),
            keeper: attached.ok().flatten(),
            allocated: BTreeMap::new(),
            pending: None,
            asked: 1,
            frame: vec![0; MAX_FRAME_BYTES],
            bad_frames: 0,
            window: (Instant::now(), 0),
            reports: Reports::default(),
            trouble,
        };
        Ok((driver, operators_end))
    }

    /// What the operator writes to, unless it has written too much just now.
    pub(super) fn line(&self) -> Option<BorrowedFd<'_>> {
        self.line.as_ref().filter(|_| !self.is_flooded()).map(OwnedFd::as_fd)
    }

    pub(super) fn keeper(&self) -> Option<BorrowedFd<'_>> {
        self.keeper.as_ref().map(OwnedFd::as_fd)
    }

    /// When [`Self::look_at_clock`] has something to do.
    pub(super) fn wakes_at(&self) -> Option<Instant> {
        let until = self.pending.as_ref().map(|pending| pending.until);
        let thaw = self.line.as_ref().filter(|_| self.is_flooded()).map(|_| self.window.0 + WINDOW);
        [until, thaw, self.reports.due()].into_iter().flatten().min()
    }

    pub(super) fn look_at_clock(&mut self) {
        let now = Instant::now();
        if self.window.0 + WINDOW <= now {
            self.window = (now, 0);
        }
        match self.pending.take_if(|pending| pending.until <= now) {
            Some(Pending { number, asked, step: Step::Get { name }, waits: true, .. }) => {
                _ = self.tell_keeper(ToKeeper::Forget { waiting: asked }, None);
                let text = format!("nobody published `{name}` in time");
                self.refuse(number, (RefusalCode::TimedOut, text));
            }
            Some(Pending { number, .. }) => {
                self.refuse(number, lost());
                self.lose_keeper();
            }
            None => {}
        }
        self.reports.send(now);
    }

    /// Reads what the operator has sent.
    pub(super) fn hear_operator(&mut self, log: &mut LogWriter) {
        while let Some(line) = self.line.as_ref().filter(|_| !self.is_flooded()) {
            let received = match socket::receive_bytes(line, &mut self.frame, Wait::No) {
                Ok(received) if received.len > 0 => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => return self.cut(),
            };
            self.window.1 += 1;
            let bytes = self.frame.get(..received.len).unwrap_or_default();
            match wire::decode_request(bytes) {
                Ok((number, request)) if !received.is_cut => self.obey(number, request, log),
                Ok((number, _)) => self.bad_frame(number, WireError::Length),
                Err((number, error)) => self.bad_frame(number, error),
            }
        }
    }

    /// Reads what is left when the operator has ended: no more than a socket holds.
    pub(super) fn hear_last(&mut self, log: &mut LogWriter) {
        for _ in 0..8 {
            self.window = (Instant::now(), 0);
            self.hear_operator(log);
        }
        self.reports.flush();
        // Before the end is told, so that nobody who starts after it finds memory taken by what is over.
        self.cut();
    }

    /// Reads what the keeper answers.
    pub(super) fn hear_keeper(&mut self) {
        loop {
            let Some(keeper) = &self.keeper else { return };
            let mut packet = vec![0; MAX_FRAME_BYTES];
            let received = match socket::receive(keeper, &mut packet, Wait::No) {
                Ok(received) if received.len > 0 => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                _ => return self.lose_keeper(),
            };
            let Ok(Answer { id, answer }) =
                serde_json::from_slice(packet.get(..received.len).unwrap_or_default())
            else {
                return self.lose_keeper();
            };
            // What was given up meanwhile is of no interest.
            if let Some(pending) = self.pending.take_if(|pending| pending.asked == id) {
                self.finish(pending, answer, received.file);
            }
        }
    }

    /// Until [`Self::look_at_clock`] begins a new window; so however long the last one is past, reading comes to an end.
    fn is_flooded(&self) -> bool {
        self.window.1 >= FRAMES_PER_WINDOW
    }

    fn bad_frame(&mut self, number: u32, error: WireError) {
        self.bad_frames += 1;
        if self.bad_frames > MAX_BAD_FRAMES {
            return self.cut();
        }
        let code = match error {
            WireError::Version { .. } => RefusalCode::Version,
            _ => RefusalCode::BadFrame,
        };
        self.refuse(number, (code, error.to_string()));
    }

    fn obey(&mut self, number: u32, request: Request, log: &mut LogWriter) {
        let is_busy = request.is_answered() && self.pending.is_some();
        if is_busy {
            let text = "an earlier request is not answered yet".to_owned();
            return self.refuse(number, (RefusalCode::Busy, text));
        }
        if request.is_answered() && self.keeper.is_none() {
            return self.refuse(number, lost());
        }
        let begun = match request {
            Request::Progress { fraction, text } => return self.reports.progress(fraction, &text),
            Request::Ready => return self.reports.ready(),
            Request::Log { level, text } => {
                log.message(level.name(), &text);
                return self.reports.logged();
            }
            Request::Allocate(description) => self.allocate(description),
            Request::Publish { name } => self.publish(&name),
            Request::Discard { name } => self.discard(&name),
            Request::Open { name, wait_ms } => self.open(&name, wait_ms),
            Request::List => Ok(Begun::new(Step::List, ToKeeper::List)),
        };
        match begun {
            Ok(begun) => self.ask(number, begun),
            Err(refused) => self.refuse(number, refused),
        }
    }

    fn allocate(&mut self, description: Description) -> Result<Begun, Refused> {
        let resolved = self.rules.to_publish(&description.name)?;
        if let Some(array) = resolved.declared.array() {
            array.check(&description)?;
        }
        let (key, array) = (resolved.key, Described::of(&description));
        let ask = ToKeeper::Reserve { key: key.clone(), array };
        Ok(Begun::new(Step::Reserve { key, description }, ask))
    }

    fn publish(&mut self, name: &str) -> Result<Begun, Refused> {
        let resolved = self.rules.to_publish(name)?;
        let consumers = match resolved.declared {
            Declared::Output(output) => output.consumers.clone(),
            _ => Vec::new(),
        };
        let key = resolved.key;
        let Some(allocated) = self.allocated.get(&key) else {
            return Err((RefusalCode::WrongState, format!("`{name}` was not allocated here")));
        };
        match rustix::fs::fcntl_add_seals(allocated, SealFlags::WRITE | SealFlags::SEAL) {
            Ok(()) => {}
            // A second attempt at the same buffer.
            Err(_) if is_sealed(allocated) => {}
            Err(rustix::io::Errno::BUSY) => {
                return Err((RefusalCode::WrongState, format!("`{name}` is still mapped for writing")));
            }
            Err(error) => return Err(system(&error.into())),
        }
        // A file of its own, which cannot be mapped for writing by who gets it.
        let path = format!("/proc/self/fd/{}", allocated.as_raw_fd());
        let file = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let file = file.map_err(|error| system(&error.into()))?;
        let begun = Begun::new(Step::Publish { key: key.clone() }, ToKeeper::Publish { key, consumers });
        Ok(Begun { file: Some(file), ..begun })
    }

    fn discard(&mut self, name: &str) -> Result<Begun, Refused> {
        let key = self.rules.to_publish(name)?.key;
        if !self.allocated.contains_key(&key) {
            return Err((RefusalCode::WrongState, format!("`{name}` was not allocated here")));
        }
        Ok(Begun::new(Step::Discard { key: key.clone() }, ToKeeper::Discard { key }))
    }

    fn open(&self, name: &str, wait_ms: u32) -> Result<Begun, Refused> {
        let resolved = self.rules.to_open(name)?;
        // Who makes an input has ended before this operator began: nobody is left to wait for.
        let waits = wait_ms > 0 && resolved.declared == Declared::Free;
        let wait = waits.then(|| Duration::from_millis(wait_ms.into()));
        let ask = ToKeeper::Get { key: resolved.key, waits };
        Ok(Begun { wait, ..Begun::new(Step::Get { name: name.to_owned() }, ask) })
    }

    fn ask(&mut self, number: u32, begun: Begun) {
        let Begun { step, ask, file, wait } = begun;
        match self.tell_keeper(ask, file.as_ref()) {
            Ok(asked) => {
                let until = Instant::now() + wait.unwrap_or(PATIENCE);
                self.pending = Some(Pending { number, asked, step, waits: wait.is_some(), until });
            }
            Err(error) if socket::is_crowded(&error) => self.refuse(number, system(&error)),
            Err(_) => {
                self.refuse(number, lost());
                self.lose_keeper();
            }
        }
    }

    fn tell_keeper(&mut self, ask: ToKeeper, file: Option<&OwnedFd>) -> io::Result<u64> {
        let keeper = self.keeper.as_ref().ok_or(io::ErrorKind::NotConnected)?;
        self.asked += 1;
        let bytes = serde_json::to_vec(&Ask { id: self.asked, ask })?;
        socket::send(keeper, &bytes, file.map(OwnedFd::as_fd), Wait::No)?;
        Ok(self.asked)
    }

    fn finish(&mut self, pending: Pending, answer: FromKeeper, file: Option<OwnedFd>) {
        let number = pending.number;
        let reserved = match &pending.step {
            Step::Reserve { key, .. } => Some(key.clone()),
            _ => None,
        };
        let (reply, file) = match self.conclude(pending.step, answer, file) {
            Ok(told) => told,
            Err(refused) => return self.refuse(number, refused),
        };
        let Err(error) = self.reply(number, &reply, file.as_ref()) else { return };
        // The operator never got it.
        if let Some(key) = reserved {
            self.allocated.remove(&key);
            _ = self.tell_keeper(ToKeeper::Discard { key }, None);
        }
        self.refuse(number, system(&error));
    }

    fn conclude(
        &mut self,
        step: Step,
        answer: FromKeeper,
        file: Option<OwnedFd>,
    ) -> Result<(Reply, Option<OwnedFd>), Refused> {
        match (step, answer) {
            (_, FromKeeper::Refused { code, text }) => {
                Err((RefusalCode::from_code(code).unwrap_or(RefusalCode::System), text))
            }
            (Step::Reserve { key, description }, FromKeeper::Done) => {
                let made = memory(description.bytes().unwrap_or(u64::MAX))
                    .and_then(|file| Ok((file.try_clone()?, file)))
                    .map_err(|error| system(&error));
                let (own, file) = match made {
                    Ok(files) => files,
                    Err(refused) => {
                        _ = self.tell_keeper(ToKeeper::Discard { key }, None);
                        return Err(refused);
                    }
                };
                let reply = Reply::Buffer(description);
                self.allocated.insert(key, own);
                Ok((reply, Some(file)))
            }
            (Step::Publish { key } | Step::Discard { key }, FromKeeper::Done) => {
                self.allocated.remove(&key);
                Ok((Reply::Done, None))
            }
            (Step::Get { name }, FromKeeper::Found(array)) => {
                let Some((description, file)) = array.named(&name).zip(file) else {
                    return Err((RefusalCode::System, "the keeper sent half a buffer".to_owned()));
                };
                if let Some(array) = self.rules.to_open(&name)?.declared.array() {
                    array.check(&description)?;
                }
                Ok((Reply::Buffer(description), Some(file)))
            }
            (Step::Get { name }, FromKeeper::Missing) => Err(self.missing(&name)),
            (Step::List, FromKeeper::List { entries, is_cut }) => {
                Ok((Reply::List { entries: self.listed(&entries), is_cut }, None))
            }
            _ => Err((RefusalCode::System, "the keeper answered something else".to_owned())),
        }
    }

    fn missing(&self, name: &str) -> Refused {
        let text = match self.rules.to_open(name).map(|resolved| resolved.declared) {
            Ok(Declared::Input(input)) => format!(
                "`{}` of `{}` is not in shared memory: it was never published, or it went when its keeper ended",
                input.output, input.producer
            ),
            _ => format!("nobody has published `{name}`"),
        };
        (RefusalCode::NotFound, text)
    }

    /// What this operator may see of the job's buffers.
    fn listed(&self, all: &[Listed]) -> Vec<Entry> {
        let entry = |listed: &Listed| {
            let (kind, rest) = listed.key.split_once('/')?;
            let (role, name) = match kind {
                "free" => (Role::Free, rest),
                _ => match self.rules.to_open(rest).ok()?.declared {
                    Declared::Input(_) => (Role::Input, rest),
                    Declared::Output(_) => (Role::Output, rest),
                    Declared::Free => return None,
                },
            };
            let description = listed.array.named(name)?;
            Some(Entry { description, role, is_published: listed.is_published })
        };
        all.iter().filter_map(entry).collect()
    }

    fn refuse(&mut self, number: u32, (code, text): Refused) {
        // Without a file there is no error that does not cut the line.
        _ = self.reply(number, &Reply::Refused { code, text }, None);
    }

    /// Who asks and does not read the answer is cut off.
    ///
    /// # Errors
    /// Where the file cannot be handed over now, and the answer has to be another one.
    fn reply(&mut self, number: u32, reply: &Reply, file: Option<&OwnedFd>) -> io::Result<()> {
        let Some(line) = &self.line else { return Ok(()) };
        let frame = wire::encode_reply(number, reply);
        match socket::send(line, &frame, file.map(OwnedFd::as_fd), Wait::No) {
            Err(error) if socket::is_crowded(&error) => return Err(error),
            Err(_) => self.cut(),
            Ok(()) => {}
        }
        Ok(())
    }

    fn cut(&mut self) {
        self.line = None;
        self.pending = None;
        self.allocated.clear();
        // What the operator had allocated goes with the connection.
        self.keeper = None;
    }

    fn lose_keeper(&mut self) {
        self.keeper = None;
        self.allocated.clear();
        if let Some(pending) = self.pending.take() {
            self.refuse(pending.number, lost());
        }
    }
}

/// A request that was found to be sound.
struct Begun {
    /// What to remember.
    step: Step,
    ask: ToKeeper,
    /// What to send along.
    file: Option<OwnedFd>,
    /// How long to wait for somebody else to publish.
    wait: Option<Duration>,
}

impl Begun {
    fn new(step: Step, ask: ToKeeper) -> Self {
        Self { step, ask, file: None, wait: None }
    }
}

fn lost() -> Refused {
    let text = "what keeps shared memory is not there, or is gone with all buffers";
    (RefusalCode::Lost, text.to_owned())
}

fn system(error: &io::Error) -> Refused {
    (RefusalCode::System, error.to_string())
}

/// Zeroes without a name, which cannot grow beyond what was asked for.
fn memory(bytes: u64) -> io::Result<OwnedFd> {
    let file = rustix::fs::memfd_create("fastio", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    rustix::fs::ftruncate(&file, bytes)?;
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW)?;
    Ok(file)
}

fn is_sealed(file: &OwnedFd) -> bool {
    rustix::fs::fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::WRITE))
}

fn attach(path: &Path, holder: Holder) -> io::Result<OwnedFd> {
    let keeper = socket::connect(path, PATIENCE)?;
    let hello = Ask { id: 1, ask: ToKeeper::Attach { version: VERSION, holder } };
    socket::send(&keeper, &serde_json::to_vec(&hello)?, None, Wait::Yes)?;
    let mut packet = [0; 4096];
    let received = socket::receive(&keeper, &mut packet, Wait::Yes)?;
    let Answer { answer, .. } = serde_json::from_slice(packet.get(..received.len).unwrap_or_default())?;
    if answer == FromKeeper::Done { Ok(keeper) } else { Err(io::ErrorKind::InvalidData.into()) }
}

#[cfg(test)]
mod tests;
