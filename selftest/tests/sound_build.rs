//! A sound build passes everything, on the processor and on whatever adapter there is.

use imaging::ImagingError;
use imaging::source::Progress;
use render_core::RendererChoice;
use selftest::{SelftestError, Status};

#[test]
fn every_check_passes_in_a_sound_build() {
    let report =
        selftest::run(RendererChoice::Auto, &Progress::new(), |_| {}).expect("there is a place for files");
    assert!(report.is_passed(), "{}", report.text());
    assert_eq!(report.count(Status::Skipped) > 0, report.adapter.is_none(), "{}", report.text());
}

#[test]
fn a_run_that_is_stopped_ends_as_stopped() {
    let progress = Progress::new();
    let mut heard = 0;
    let result = selftest::run(RendererChoice::Cpu, &progress, |_| {
        heard += 1;
        progress.cancel();
    });
    assert!(matches!(result, Err(SelftestError::Read(ImagingError::Cancelled))), "{result:?}");
    assert_eq!(heard, 1, "nothing runs after that");
}
