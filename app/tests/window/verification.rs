//! Help → Verify this workstation.

use std::time::{Duration, Instant};

use egui_kittest::kittest::Queryable;

use crate::LAPTOP;
use crate::driver::Window;

#[test]
fn the_workstation_verifies_itself_and_the_report_can_be_copied() {
    let mut window = Window::with_paths(LAPTOP, 1.0, Vec::new());
    window.click("Help");
    window.click("Verify this workstation…");
    let started = Instant::now();
    while window.harness.query_by_label("Copy report").is_none() {
        assert!(started.elapsed() < Duration::from_secs(120), "the self-test does not end");
        std::thread::sleep(Duration::from_millis(20));
        window.harness.step();
    }
    // The dialog has grown by a table and is centred again.
    window.settle();
    window.harness.get_by_label("This workstation reads, measures and draws correctly.");
    window.harness.get_by_label("read/stored-values");
    window.harness.get_by_label("Run again");
    window.keep_picture("verified");
    window.harness.get_by_label("Copy report").click_accesskit();
    let copied = (0..4).find_map(|_| {
        window.harness.step();
        window.harness.output().platform_output.commands.iter().find_map(|command| match command {
            egui::OutputCommand::CopyText(text) => Some(text.clone()),
            _ => None,
        })
    });
    let copied = copied.expect("the report lies on the clipboard");
    assert!(copied.contains("cpu/slab-digits") && copied.contains("0 failed"), "{copied}");
    window.harness.get_by_label("Close").click_accesskit();
    window.settle();
    assert!(window.harness.query_by_label("Copy report").is_none());
}
