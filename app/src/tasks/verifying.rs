//! The self-test of the window: proves that this workstation reads, measures and draws as it should.

use imaging::ImagingError;
use imaging::source::Progress;
use render_core::RendererChoice;
use selftest::SelftestError;

use super::{Message, Outbox, spawn};
use crate::text::UserMessage;

/// Runs the self-test; nothing is reported if it was stopped.
pub(super) fn start(choice: RendererChoice, progress: Progress, outbox: Outbox) {
    spawn("self-test", move || {
        let wake = outbox.clone();
        let result = match selftest::run(choice, &progress, |_| (wake.wake)()) {
            Err(SelftestError::Read(ImagingError::Cancelled)) => return,
            Err(error) => Err(UserMessage {
                what: "The self-test could not run.".to_owned(),
                advice: "Check that the folder for temporary files can be written to.".to_owned(),
                detail: error.to_string(),
            }),
            Ok(report) => Ok(report),
        };
        outbox.send(Message::Verified(result));
    });
}
