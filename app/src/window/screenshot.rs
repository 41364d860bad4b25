//! Waits until the window is complete, saves it and closes.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use anyhow::Context as _;
use egui::{ColorImage, ScreenshotCallback, ViewportCommand};

use super::Script;
use crate::app::LanternApp;

/// Frames without change after which the window is taken to be complete.
const SETTLED_FRAMES: u32 = 4;

pub(super) struct Screenshot {
    path: PathBuf,
    settled_frames: u32,
    image: Option<Receiver<Arc<ColorImage>>>,
    sender: Sender<anyhow::Result<()>>,
}

impl Screenshot {
    /// Writes to `path`; the receiver tells how that went.
    pub(super) fn new(path: PathBuf) -> (Self, Receiver<anyhow::Result<()>>) {
        let (sender, outcome) = channel();
        (Self { path, settled_frames: 0, image: None, sender }, outcome)
    }
}

impl Script for Screenshot {
    fn after_frame(&mut self, app: &LanternApp, ctx: &egui::Context) {
        match &self.image {
            Some(receiver) => {
                if let Ok(image) = receiver.try_recv() {
                    let saved = save_png(&self.path, &image);
                    let outcome = match app.open_failure() {
                        Some(failure) => saved.and(Err(anyhow::anyhow!("{}", failure.detail))),
                        None => saved,
                    };
                    // The receiver outlives the window.
                    let _ = self.sender.send(outcome);
                    ctx.send_viewport_cmd(ViewportCommand::Close);
                }
                ctx.request_repaint();
            }
            None => {
                self.settled_frames =
                    if app.is_settled() && app.is_server_settled() { self.settled_frames + 1 } else { 0 };
                if self.settled_frames >= SETTLED_FRAMES {
                    let (sender, receiver) = channel();
                    let wake = ctx.clone();
                    let callback = ScreenshotCallback::new(move |image| {
                        let _ = sender.send(image);
                        wake.request_repaint();
                    });
                    ctx.send_viewport_cmd(ViewportCommand::Screenshot(callback));
                    self.image = Some(receiver);
                }
                ctx.request_repaint_after(std::time::Duration::from_millis(30));
            }
        }
    }
}

fn save_png(path: &Path, image: &ColorImage) -> anyhow::Result<()> {
    let [width, height] = image.size.map(|v| u32::try_from(v).unwrap_or(u32::MAX));
    let rgb: Vec<u8> = image.pixels.iter().flat_map(|p| [p.r(), p.g(), p.b()]).collect();
    image::save_buffer(path, &rgb, width, height, image::ColorType::Rgb8)
        .with_context(|| format!("cannot write `{}`", path.display()))
}
