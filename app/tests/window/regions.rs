//! Segmentations, structure sets and second series over slices.

use std::sync::Arc;

use egui::{Key, Modifiers};
use egui_kittest::kittest::{NodeT, Queryable};
use glam::{DMat3, DVec3};
use imaging::geometry::Dims;
use imaging::phantom;
use imaging::series::SeriesAttributes;
use lantern::command::{Command, VoiCommand};
use lantern::document::Fusion;

use crate::LAPTOP;
use crate::driver::Window;

/// Pixels with clearly different channels.
fn colored(window: &mut Window, viewport: &str) -> usize {
    let rect = window.rect(viewport).shrink(60.0);
    let picture = window.picture();
    let inside =
        picture.enumerate_pixels().filter(|(x, y, _)| rect.contains(egui::pos2(*x as f32, *y as f32)));
    inside
        .filter(|(_, _, p)| p.0[..3].iter().max().zip(p.0[..3].iter().min()).is_some_and(|(a, b)| a - b > 40))
        .count()
}

#[test]
fn segments_and_contours_come_with_their_images_and_have_the_known_volumes() {
    let Some(folder) = test_support::data::data("ct/ct-j2k-20/ct-j2k-20") else { return };
    let truth =
        test_support::data::data("ct/ct-j2k-20/truth_organs.json").expect("it lies beside the archive");
    let truth: serde_json::Value =
        serde_json::from_slice(&std::fs::read(truth).expect("a file")).expect("JSON");
    let mut window = Window::with_paths(LAPTOP, 1.0, vec![folder]);
    let document = window.document();
    let key = document.active_viewport().series.expect("the CT is shown");
    let sets: Vec<_> = document.masks_of(key).cloned().collect();
    let mut kinds: Vec<_> = sets.iter().map(|set| set.kind).collect();
    kinds.sort_unstable();
    assert_eq!(kinds, ["segmentation", "structure set"]);
    let segmentation = sets.iter().find(|set| set.kind == "segmentation").expect("one of the two");
    for segment in truth["segments"].as_array().expect("a list") {
        let name = segment["label"].as_str().expect("a name");
        let region = segmentation.regions.iter().find(|r| r.name == name).expect(name);
        let expected = segment["volume_ml"].as_f64().expect("a volume");
        assert!((region.volume_ml - expected).abs() < expected * 1e-3, "{name}: {}", region.volume_ml);
        let center: Vec<f64> =
            segment["centroid_lps"].as_array().expect("a place").iter().filter_map(|v| v.as_f64()).collect();
        let place = region.center_lps.expect("it has voxels");
        assert!(place.distance(DVec3::from_slice(&center)) < 0.01, "{name}: {place}");
        let [mean, _] = region.values.expect("it has values");
        if matches!(name, "Liver" | "Spleen") {
            assert!((60.0..200.0).contains(&mean), "{name} of {mean} HU is no organ with contrast");
        }
    }
    window.keep_picture("regions");
    let with = colored(&mut window, "Axial");
    assert!(with > 2000, "{with} pixels are coloured");
    window.key(Modifiers::NONE, Key::M);
    let without = colored(&mut window, "Axial");
    assert!(without < with / 4, "{without} of {with} are left");
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(colored(&mut window, "Axial"), with);
    let last = window.description("Axial");
    window.key(Modifiers::NONE, Key::End);
    window.harness.get_all_by_label("Go to Liver").next().expect("a button").click();
    window.settle();
    assert_ne!(window.description("Axial"), last);
}

#[test]
fn a_second_series_lies_over_the_first_in_its_own_colours() {
    let mut window = Window::with_phantom(LAPTOP);
    let base = window.document().active_viewport().series.expect("the phantom");
    let volume = phantom::head(Dims::new(16, 18, 10), DVec3::new(4.0, 4.0, 6.0), DMat3::IDENTITY);
    let attributes = SeriesAttributes { modality: "PT".into(), ..SeriesAttributes::default() };
    let over = window.harness.state_mut().open_volume(attributes, Arc::new(volume));
    window.settle();
    window.harness.state().send(Command::Series(lantern::command::SeriesCommand::Show(base)));
    window.settle();
    // Lines and letters have colours too.
    let plain = colored(&mut window, "Coronal");
    window.harness.state().send(Command::Voi(VoiCommand::Fuse(base, Some(Fusion::new(over)))));
    window.settle();
    window.keep_picture("fusion");
    let fused = colored(&mut window, "Coronal");
    assert!(fused > plain + 2000, "{fused} beside {plain}");
    // Values of both, each with its own unit.
    let middle = window.rect("Coronal").center();
    window.harness.event(egui::Event::PointerMoved(middle));
    window.settle();
    let said = |word: &str| -> Vec<String> {
        let all = window.harness.query_all_by_label_contains(word);
        all.filter_map(|node| node.accesskit_node().value()).collect()
    };
    let values = said(" HU");
    assert!(values.iter().any(|value| value == "36 HU"), "of the image: {values:?}");
    assert!(values.iter().any(|value| value == "PT 36 HU"), "of what lies over it: {values:?}");
    window.leave();
    window.key(Modifiers::COMMAND, Key::Z);
    assert_eq!(colored(&mut window, "Coronal"), plain, "undone");
    window.harness.get_by_label("Colours of the window").click();
    window.settle();
    window.click("Viridis");
    assert!(colored(&mut window, "Coronal") > plain + 2000);
    window.keep_picture("viridis");
}
