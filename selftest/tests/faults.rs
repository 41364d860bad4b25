//! Every mistake that is made on purpose is found by a check named for it; needs the feature `faults`.

#![expect(clippy::print_stdout, reason = "which check finds which mistake is worth reading")]

use imaging::fault::{self, Fault};
use imaging::source::Progress;
use render_core::RendererChoice;
use selftest::{Report, Status};

fn report_with(fault: Option<Fault>) -> Report {
    fault::inject(fault);
    let report = selftest::run(RendererChoice::Auto, &Progress::new(), |_| {});
    fault::inject(None);
    report.expect("there is a place for files")
}

/// What has to find a mistake, at least; `gpu/` only where there is an adapter.
fn finders(fault: Fault) -> &'static [&'static str] {
    match fault {
        Fault::SwappedSpacing => &["read/pixel-spacing", "cpu/circle", "gpu/circle"],
        Fault::FlippedAxis => &["read/position", "read/orientations"],
        Fault::HalfPixelShift => &["read/position", "cpu/circle", "gpu/circle"],
        Fault::DoubleInversion => &["cpu/monochrome1", "gpu/monochrome1"],
        Fault::ShaderBias => &["cpu/slice-grey", "gpu/slice-grey", "gpu/slice-values"],
    }
}

// One test: a fault is switched for the whole process.
#[test]
fn every_mistake_is_found_by_its_check_and_the_sound_program_passes() {
    let sound = report_with(None);
    assert!(sound.is_passed(), "{}", sound.text());
    for fault in Fault::ALL {
        let report = report_with(Some(fault));
        let failed: Vec<&str> = report
            .outcomes
            .iter()
            .filter(|outcome| outcome.status == Status::Failed)
            .map(|outcome| outcome.name.as_str())
            .collect();
        println!("{}: {failed:?}", fault.name());
        for name in finders(fault).iter().filter(|name| report.adapter.is_some() || !name.starts_with("gpu/"))
        {
            assert!(failed.contains(name), "{} is not found by {name}: {}", fault.name(), report.text());
        }
    }
    assert!(report_with(None).is_passed(), "mistakes leave nothing behind");
}
