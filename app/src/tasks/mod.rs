//! Background work: finding, reading and drawing, with progress and cancel. Workers know no egui.
//!
//! Results arrive as [`Message`]s in one inbox that the frame loop empties; a worker calls `wake` after sending one.

mod dialogs;
mod fonts;
mod masks;
mod opening;
mod rendering;
mod sample;
mod sessions;
mod thumbnails;
mod verifying;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use imaging::ImagingError;
use imaging::derived::DerivedObject;
use imaging::series::Catalog;
use imaging::source::Progress;
use imaging::volume::{Volume, VolumeId};
use render_core::image::Image8;
use render_core::{AdapterReport, RenderError, RenderNotice, RendererChoice};

use crate::command::FilePurpose;
use crate::console::Happening;
use crate::document::{LoadedVolume, Series, SeriesKey, SeriesSource, ViewportId};
use crate::text::UserMessage;

pub use dialogs::Picked;
pub use fonts::SystemFont;
pub use masks::{MadeMasks, MaskTarget};
use rendering::RenderWork;
pub use rendering::{Picture, Pixels, RenderRequest, RendererSource, Scene, Stage};
pub use sample::sample_study;
pub use sessions::FileNews;

/// A value that is made in the background. Pending and failed keep the previous value, so that nothing flickers.
#[derive(Debug, Default)]
pub enum Task<T> {
    /// Not asked for.
    #[default]
    Idle,
    /// Being made.
    Pending {
        /// How far, and how to stop it.
        progress: Progress,
        /// What was there before.
        previous: Option<T>,
    },
    /// Done.
    Ready(T),
    /// Could not be made.
    Failed {
        /// Why, for a person.
        message: UserMessage,
        /// What was there before.
        previous: Option<T>,
    },
}

impl<T> Task<T> {
    /// The value, new or previous.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Ready(value) => Some(value),
            Self::Pending { previous, .. } | Self::Failed { previous, .. } => previous.as_ref(),
            Self::Idle => None,
        }
    }

    /// Progress of work that is going on.
    pub fn progress(&self) -> Option<&Progress> {
        if let Self::Pending { progress, .. } = self { Some(progress) } else { None }
    }

    /// Whether nothing was tried yet.
    pub fn is_idle(&self) -> bool {
        matches!(self, Self::Idle)
    }

    fn take_value(&mut self) -> Option<T> {
        match std::mem::take(self) {
            Self::Ready(value) => Some(value),
            Self::Pending { previous, .. } | Self::Failed { previous, .. } => previous,
            Self::Idle => None,
        }
    }

    /// Starts, keeping the value.
    pub fn start(&mut self, progress: Progress) {
        *self = Self::Pending { progress, previous: self.take_value() };
    }

    /// Fails, keeping the value.
    pub fn fail(&mut self, message: UserMessage) {
        *self = Self::Failed { message, previous: self.take_value() };
    }

    /// Gives up without a message, keeping the value if there is one.
    pub fn cancel(&mut self) {
        *self = self.take_value().map_or(Self::Idle, Self::Ready);
    }
}

/// What workers report.
#[derive(Debug)]
#[expect(missing_docs, reason = "the fields are the results of the named work")]
pub enum Message {
    Scanned { scan: u64, paths: Vec<PathBuf>, result: Result<Catalog, ImagingError> },
    FirstSlice { key: SeriesKey, slice: Arc<Volume> },
    Loaded { key: SeriesKey, result: Result<LoadedVolume, ImagingError> },
    Thumbnail { key: SeriesKey, image: Option<Image8> },
    Picked(Picked),
    Fonts(Vec<SystemFont>),
    SampleFound(Option<PathBuf>),
    Renderer(Result<AdapterReport, RenderError>),
    RenderNotice(RenderNotice, AdapterReport),
    Picture(Picture),
    PictureFailed { viewport: ViewportId, error: RenderError },
    Verified(Result<selftest::Report, UserMessage>),
    Console(Happening),
    Masks { series: SeriesKey, object: Box<DerivedObject>, result: Result<MadeMasks, String> },
    File(Box<FileNews>),
}

/// Lets a worker report and wake the window.
#[derive(Clone)]
pub struct Outbox {
    sender: Sender<Message>,
    wake: Arc<dyn Fn() + Send + Sync>,
}

impl Outbox {
    /// Wakes the window without a message.
    pub fn wake(&self) {
        (self.wake)();
    }

    /// Reports; a window that is gone is not an error.
    pub fn send(&self, message: Message) {
        if self.sender.send(message).is_ok() {
            (self.wake)();
        }
    }
}

/// A scan in progress.
#[derive(Debug)]
pub struct Scan {
    id: u64,
    /// Files looked at.
    pub progress: Progress,
    /// What is being scanned.
    pub paths: Vec<PathBuf>,
}

/// All background work of one window.
pub struct Tasks {
    outbox: Outbox,
    inbox: Receiver<Message>,
    renderer: Sender<RenderWork>,
    /// From the renderer alone, so that one that was replaced is heard no more.
    pictures: Receiver<Message>,
    thumbnails: Sender<(SeriesKey, thumbnails::ThumbnailSource)>,
    /// The scan that is going on; a new one replaces it.
    pub scan: Option<Scan>,
    /// The self-test.
    pub verification: Task<selftest::Report>,
    /// What the self-test may draw on: as the window was told.
    verify_on: RendererChoice,
    next_scan: u64,
    loads_in_progress: usize,
    /// Sessions and measurements that are read or written.
    files_in_progress: usize,
    /// Reads that wait until the first picture of their series is there; dropping one lets it go on.
    held_loads: BTreeMap<SeriesKey, Sender<()>>,
}

impl Tasks {
    /// Starts the workers; returns at once. `wake` is called whenever a message waits.
    pub fn start(source: RendererSource, wake: impl Fn() + Send + Sync + 'static) -> Self {
        let (sender, inbox) = channel();
        let outbox = Outbox { sender, wake: Arc::new(wake) };
        let verify_on = match &source {
            RendererSource::Open(choice) => *choice,
            RendererSource::Shared { .. } => RendererChoice::Auto,
        };
        let (renderer, pictures) = start_renderer(source, &outbox);
        let thumbnails = thumbnails::start(outbox.clone());
        sample::start(outbox.clone());
        Self {
            outbox,
            inbox,
            renderer,
            pictures,
            thumbnails,
            scan: None,
            verification: Task::Idle,
            verify_on,
            next_scan: 0,
            loads_in_progress: 0,
            files_in_progress: 0,
            held_loads: BTreeMap::new(),
        }
    }

    /// Draws with another renderer from now on; pictures of the one before are not taken any more.
    pub fn replace_renderer(&mut self, source: RendererSource) {
        (self.renderer, self.pictures) = start_renderer(source, &self.outbox);
    }

    /// The next waiting message.
    pub fn next_message(&mut self) -> Option<Message> {
        let message = self.inbox.try_recv().or_else(|_| self.pictures.try_recv()).ok()?;
        match &message {
            Message::Loaded { key, .. } => {
                self.held_loads.remove(key);
                self.loads_in_progress = self.loads_in_progress.saturating_sub(1);
            }
            Message::Masks { .. } => {
                self.loads_in_progress = self.loads_in_progress.saturating_sub(1);
            }
            Message::File(_) => self.files_in_progress = self.files_in_progress.saturating_sub(1),
            Message::Picture(picture) => {
                self.held_loads.remove(&picture.series);
            }
            Message::Scanned { scan, .. } if self.scan.as_ref().is_some_and(|s| s.id == *scan) => {
                self.scan = None;
            }
            // An older scan that was replaced: its result is of no interest.
            Message::Scanned { .. } => return self.next_message(),
            _ => {}
        }
        Some(message)
    }

    /// Whether files are being searched or read.
    pub fn is_reading(&self) -> bool {
        self.scan.is_some() || self.loads_in_progress + self.files_in_progress > 0
    }

    /// A way to report from elsewhere.
    pub fn outbox(&self) -> Outbox {
        self.outbox.clone()
    }

    /// Looks for series below `paths`; cancels a scan that is going on.
    pub fn scan(&mut self, paths: Vec<PathBuf>) {
        self.cancel_scan();
        self.next_scan += 1;
        let progress = Progress::new();
        self.scan = Some(Scan { id: self.next_scan, progress: progress.clone(), paths: paths.clone() });
        opening::scan(self.next_scan, paths, progress, self.outbox.clone());
    }

    /// Stops the scan.
    pub fn cancel_scan(&mut self) {
        if let Some(scan) = self.scan.take() {
            scan.progress.cancel();
        }
    }

    /// Reads a series, its middle slice first.
    pub fn load(&mut self, series: &mut Series) {
        let progress = Progress::new();
        series.volume.start(progress.clone());
        self.loads_in_progress += 1;
        let (hold, first_picture) = channel();
        self.held_loads.insert(series.key, hold);
        opening::load(series.key, series.source.clone(), progress, first_picture, self.outbox.clone());
    }

    /// Makes label volumes of a segmentation or structure set.
    pub fn load_masks(&mut self, object: DerivedObject, target: MaskTarget) {
        self.loads_in_progress += 1;
        masks::load(object, target, self.outbox.clone());
    }

    /// Whether a series that is being read has no picture yet; other work had better wait.
    pub fn is_first_picture_awaited(&self) -> bool {
        !self.held_loads.is_empty()
    }

    /// Asks for a small picture of a series.
    pub fn request_thumbnail(&self, series: &Series) {
        let source = match &series.source {
            SeriesSource::Files(entry) => thumbnails::ThumbnailSource::Files(entry.clone()),
            SeriesSource::Memory(volume) => thumbnails::ThumbnailSource::Memory(volume.clone()),
        };
        // The worker lives as long as this sender; if it is gone the thumbnail simply stays empty.
        let _ = self.thumbnails.send((series.key, source));
    }

    /// Asks for a picture; replaces an older request for the same viewport.
    pub fn render(&self, request: RenderRequest) {
        let _ = self.renderer.send(RenderWork::Draw(Box::new(request)));
    }

    /// Gives back what is kept for drawing a volume that is no longer open.
    pub fn forget(&self, volume: VolumeId) {
        let _ = self.renderer.send(RenderWork::Forget(volume));
    }

    /// Looks for fonts of the system that have these letters.
    pub fn find_fonts(&self, missing: BTreeSet<char>) {
        fonts::find(missing, self.outbox.clone());
    }

    /// Runs the self-test, unless it is running.
    pub fn verify(&mut self) {
        if self.verification.progress().is_none() {
            let progress = Progress::new();
            self.verification.start(progress.clone());
            verifying::start(self.verify_on, progress, self.outbox.clone());
        }
    }

    /// Stops the self-test; what an earlier run found stays.
    pub fn cancel_verification(&mut self) {
        if let Some(progress) = self.verification.progress() {
            progress.cancel();
            self.verification.cancel();
        }
    }

    /// Lets the user pick a folder in the desktop's dialog.
    pub fn pick_folder(&self) {
        dialogs::pick(dialogs::Kind::Folder, self.outbox.clone());
    }

    /// Lets the user name a file in the desktop's dialog.
    pub fn name_file(&self, purpose: FilePurpose) {
        dialogs::name(purpose, self.outbox.clone());
    }

    /// Lets the user pick files in the desktop's dialog.
    pub fn pick_files(&self) {
        dialogs::pick(dialogs::Kind::Files, self.outbox.clone());
    }
}

fn start_renderer(source: RendererSource, outbox: &Outbox) -> (Sender<RenderWork>, Receiver<Message>) {
    let (sender, pictures) = channel();
    let outbox = Outbox { sender, wake: outbox.wake.clone() };
    (rendering::start(source, outbox), pictures)
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) {
    if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(work) {
        tracing::error!(%error, "cannot start worker `{name}`");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_task_keeps_what_was_there() {
        let mut task = Task::Ready(7);
        task.start(Progress::new());
        assert_eq!(task.value(), Some(&7));
        task.fail(UserMessage::default());
        assert_eq!(task.value(), Some(&7));
        task.cancel();
        assert!(matches!(task, Task::Ready(7)));
        let mut empty: Task<i32> = Task::Idle;
        empty.start(Progress::new());
        empty.cancel();
        assert!(empty.is_idle());
    }
}
