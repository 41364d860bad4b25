//! Presentation states: what is drawn lands on the right pixel, and how an image is turned is kept.

mod dicom_builder;

use dicom_builder::{Set, find_object, object, open_set};
use glam::DVec2;
use imaging::annotation::{
    AnnotationUnits, Graphic, PresentationLut, PresentationState, SizeMode, SpatialTransformation,
};
use imaging::derived::{Derived, ObjectKind};
use imaging::intensity::{VoiFunction, Window};

const GSPS: &str = "1.2.840.10008.5.1.4.1.1.11.1";
const IMAGE: &str = "1.2.3.100";

fn image() -> Set {
    Set::reference("1.2.840.10008.5.1.4.1.1.2", IMAGE)
}

fn graphic(kind: &str, units: &str, points: &[f32]) -> Set {
    Set::new()
        .text(0x0070_0005, "CS", units)
        .us(0x0070_0020, &[2])
        .us(0x0070_0021, &[points.len() as u16 / 2])
        .fl(0x0070_0022, points)
        .text(0x0070_0023, "CS", kind)
        .text(0x0070_0024, "CS", "N")
}

/// A state for a 16 × 16 image.
fn made() -> Set {
    let series = Set::new().text(0x0020_000E, "UI", "1.2.3.77").seq(0x0008_1140, [image()]);
    let text = Set::new()
        .text(0x0070_0006, "ST", "look here")
        .text(0x0070_0003, "CS", "DISPLAY")
        .fl(0x0070_0010, &[0.25, 0.5])
        .fl(0x0070_0011, &[0.5, 0.75])
        .text(0x0070_0004, "CS", "PIXEL")
        .fl(0x0070_0014, &[8.5, 4.5])
        .text(0x0070_0015, "CS", "Y");
    let annotation = Set::new()
        .seq(0x0008_1140, [image().text(0x0008_1160, "IS", "2\\3")])
        .text(0x0070_0002, "CS", "LAYER1")
        .seq(
            0x0070_0009,
            [
                graphic("POINT", "PIXEL", &[0.5, 0.5]),
                graphic("POLYLINE", "PIXEL", &[0.0, 0.0, 16.0, 0.0, 16.0, 16.0, 0.0, 16.0, 0.0, 0.0]),
                graphic("CIRCLE", "PIXEL", &[8.0, 8.0, 8.0, 12.0]),
                graphic("ELLIPSE", "DISPLAY", &[0.1, 0.5, 0.9, 0.5, 0.5, 0.4, 0.5, 0.6]),
                graphic("CIRCLE", "PIXEL", &[8.0, 8.0]),
                graphic("POINT", "FURLONG", &[1.0, 1.0]),
            ],
        )
        .seq(0x0070_0008, [text]);
    let area = Set::new()
        .sl(0x0070_0052, &[1, 1])
        .sl(0x0070_0053, &[16, 16])
        .text(0x0070_0100, "CS", "MAGNIFY")
        .fl(0x0070_0103, &[2.0])
        .text(0x0070_0102, "IS", "2\\1");
    let voi = Set::new().ds(0x0028_1050, &[40.0]).ds(0x0028_1051, &[400.0]);
    let layer =
        |name: &str, order: &str| Set::new().text(0x0070_0002, "CS", name).text(0x0070_0062, "IS", order);
    object(GSPS, "PR")
        .text(0x0070_0080, "CS", "READING")
        .seq(0x0008_1115, [series])
        .seq(0x0070_0001, [annotation])
        .seq(0x0070_005A, [area])
        .seq(0x0070_0060, [layer("LAYER2", "2"), layer("LAYER1", "1")])
        .seq(0x0028_3110, [voi])
        .us(0x0070_0042, &[270])
        .text(0x0070_0041, "CS", "Y")
        .text(0x2050_0020, "CS", "INVERSE")
}

fn read(set: &Set) -> PresentationState {
    let Derived::PresentationState(state) = open_set(set) else { panic!("not a presentation state") };
    *state
}

#[test]
fn graphics_count_from_the_corner_of_the_first_pixel() {
    let state = read(&made());
    let graphics = &state.annotations[0].graphics;
    // The middle of the first pixel of 16, and the outline of all.
    assert_eq!(graphics[0].graphic, Graphic::Point(DVec2::ZERO));
    let corners = [[-0.5, -0.5], [15.5, -0.5], [15.5, 15.5], [-0.5, 15.5], [-0.5, -0.5]].map(DVec2::from);
    assert_eq!(graphics[1].graphic, Graphic::Polyline(corners.to_vec()));
    let circle = Graphic::Circle { center: DVec2::splat(7.5), on_edge: DVec2::new(7.5, 11.5) };
    assert_eq!((&graphics[2].graphic, graphics[2].units), (&circle, AnnotationUnits::Index));
    // Shares of the displayed area are not shifted.
    assert_eq!(graphics[3].units, AnnotationUnits::DisplayedArea);
    let Graphic::Ellipse { major: [a, _], .. } = graphics[3].graphic else { panic!("{:?}", graphics[3]) };
    assert!(a.abs_diff_eq(DVec2::new(0.1, 0.5), 1e-6));
    let text = &state.annotations[0].texts[0];
    assert_eq!(text.anchor, Some((DVec2::new(8.0, 4.0), AnnotationUnits::Index)));
    assert_eq!(
        text.bounding_box,
        Some(([DVec2::new(0.25, 0.5), DVec2::new(0.5, 0.75)], AnnotationUnits::DisplayedArea))
    );
    assert!(text.is_anchor_visible && text.text == "look here");
}

#[test]
fn broken_drawings_are_left_out_and_named() {
    let state = read(&made());
    assert_eq!(state.annotations[0].graphics.len(), 4);
    assert_eq!(
        state.warnings,
        [
            "a drawing was left out: `CIRCLE` with the wrong number of points (1)",
            "a drawing was left out: its units are missing or not known"
        ]
    );
}

#[test]
fn displayed_area_covers_its_corner_pixels_whole() {
    let state = read(&made());
    let area = &state.displayed_areas[0];
    assert_eq!(area.bounds, [DVec2::splat(-0.5), DVec2::splat(15.5)]);
    assert_eq!((area.size_mode, area.pixel_aspect_ratio), (SizeMode::Magnify(2.0), Some(2.0)));
    // Corners are given as seen: a turn may put the larger number first.
    let turned = Set::new().sl(0x0070_0052, &[10, 3]).sl(0x0070_0053, &[5, 12]);
    let state = read(&made().seq(0x0070_005A, [turned]));
    assert_eq!(state.displayed_areas[0].bounds, [DVec2::new(3.5, 1.5), DVec2::new(9.5, 11.5)]);
}

#[test]
fn turn_flip_window_and_polarity_are_kept() {
    let state = read(&made());
    assert_eq!(state.transformation, SpatialTransformation { quarter_turns: 3, is_flipped: true });
    assert_eq!(state.presentation_lut, Some(PresentationLut::Inverse));
    let voi = state.voi(IMAGE, 1).expect("a window for all images");
    assert_eq!(Ok(voi.windows[0].window), Window::new(40.0, 400.0, VoiFunction::Linear));
    let names: Vec<&str> = state.layers.iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["LAYER1", "LAYER2"], "in drawing order");
}

#[test]
fn state_applies_to_the_images_and_frames_it_names() {
    let state = read(&made());
    assert!(state.refers_to(IMAGE, 1) && !state.refers_to("1.2.3.101", 1));
    let drawn = [1, 2, 3, 4].map(|frame| state.annotations_on(IMAGE, frame).count());
    assert_eq!(drawn, [0, 1, 1, 0], "drawn on frames 2 and 3 only");
    assert!(state.displayed_area(IMAGE, 1).is_some());
    let folder = tempfile::tempdir().expect("a folder can be made");
    let path = folder.path().join("state.dcm");
    std::fs::write(&path, made().file()).expect("the folder is writable");
    let object = find_object(&path);
    assert_eq!((object.kind, object.label.as_str()), (ObjectKind::PresentationState, "READING"));
    assert_eq!(
        (object.referenced_series, object.referenced_instances),
        (vec!["1.2.3.77".to_owned()], vec![IMAGE.to_owned()])
    );
}
