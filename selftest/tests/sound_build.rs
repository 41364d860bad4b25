//! A sound build passes everything, on the processor and on whatever adapter there is.

use imaging::source::Progress;
use render_core::RendererChoice;
use selftest::Status;

#[test]
fn every_check_passes_in_a_sound_build() {
    let report = selftest::run(RendererChoice::Auto, &Progress::new(), |_| {}).expect("there is a place for files");
    println!("{}", report.text());
    assert!(report.is_passed(), "{}", report.text());
    assert_eq!(report.count(Status::Skipped) > 0, report.adapter.is_none(), "{}", report.text());
}
