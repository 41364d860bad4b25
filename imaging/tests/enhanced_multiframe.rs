//! Enhanced multi-frame objects: functional groups, stacks, time, dimension order, concatenations, per-frame values.

mod dicom_writer;

use dicom_writer::{ENHANCED_CT_CLASS, Item, Plane, image, open_objects, scan_objects};
use glam::DVec3;
use imaging::series::SeriesWarning;
use imaging::verdict::Level;
use imaging::volume::Unit;

const FUNCTIONAL_GROUPS_SHARED: u32 = 0x5200_9229;
const FUNCTIONAL_GROUPS_PER_FRAME: u32 = 0x5200_9230;
const STACK_ID: u32 = 0x0020_9056;
const IN_STACK_POSITION: u32 = 0x0020_9057;
const TEMPORAL_POSITION_INDEX: u32 = 0x0020_9128;
const DIFFUSION_B_VALUE: u32 = 0x0018_9087;

fn hu(lps: DVec3) -> f64 {
    lps.x + 20.0 * lps.y + 3.0 * lps.z
}

/// One frame: plane, frame content, and what else is particular to it.
#[derive(Clone)]
struct Frame {
    plane: Plane,
    content: Item,
    extra: Vec<(u32, Item)>,
    value: f64,
}

impl Frame {
    fn at(z: f64) -> Self {
        Self { plane: Plane::axial(z), content: Item::default(), extra: Vec::new(), value: 0.0 }
    }

    fn with(mut self, change: impl FnOnce(Item) -> Item) -> Self {
        self.content = change(self.content);
        self
    }

    /// Adds to all samples.
    fn plus(mut self, value: f64) -> Self {
        self.value = value;
        self
    }

    fn group(mut self, sequence: u32, item: Item) -> Self {
        self.extra.push((sequence, item));
        self
    }

    fn item(&self) -> Item {
        let position = Item::default().ds(0x0020_0032, &self.plane.position.to_array());
        let item = Item::default()
            .sequence(0x0020_9111, std::slice::from_ref(&self.content))
            .sequence(0x0020_9113, &[position]);
        self.extra.iter().fold(item, |item, (tag, inner)| item.sequence(*tag, std::slice::from_ref(inner)))
    }
}

/// An enhanced CT whose orientation, spacing and rescale are shared by all frames.
fn enhanced(frames: &[Frame]) -> Item {
    let plane = frames[0].plane;
    let shared = Item::default()
        .sequence(0x0020_9116, &[Item::default().ds(0x0020_0037, &plane.orientation())])
        .sequence(0x0028_9110, &[Item::default().ds(0x0028_0030, &plane.spacing).ds(0x0018_0050, &[2.0])])
        .sequence(
            0x0028_9145,
            &[Item::default().ds(0x0028_1052, &[0.0]).ds(0x0028_1053, &[1.0]).text(0x0028_1054, b"LO", "HU")],
        );
    let samples: Vec<i16> =
        frames.iter().flat_map(|frame| frame.plane.samples(|lps| hu(lps) + frame.value)).collect();
    image(plane.columns, plane.rows)
        .text(0x0008_0016, b"UI", ENHANCED_CT_CLASS)
        .is(0x0028_0008, frames.len() as i64)
        .is(0x0020_0013, 1)
        .sequence(FUNCTIONAL_GROUPS_SHARED, &[shared])
        .sequence(FUNCTIONAL_GROUPS_PER_FRAME, &frames.iter().map(Frame::item).collect::<Vec<_>>())
        .pixels(&samples)
}

#[test]
fn an_enhanced_ct_equals_its_classic_twin() {
    let depths: Vec<f64> = (0..12).map(|i| -7.0 + 2.5 * f64::from(i)).collect();
    let classic: Vec<Item> = (1..).zip(&depths).map(|(n, &z)| Plane::axial(z).classic(n, hu)).collect();
    // Frames in no order at all: positions decide.
    let frames: Vec<Frame> = (0..12).map(|i| Frame::at(depths[i * 5 % 12])).collect();
    let ((_, a), (entry, b)) = (open_objects(&classic), open_objects(&[enhanced(&frames)]));
    assert_eq!(a.voxels(), b.voxels());
    assert_eq!(a.geometry(), b.geometry());
    assert_eq!((b.unit(), entry.verdict().level), (&Unit::Hounsfield, Level::Green));
    // The frame at the lowest position is the first of the file, the next one comes five places later.
    assert_eq!(entry.source_frame(0, 0).unwrap().frame_number, 1);
    assert_eq!(entry.source_frame(1, 0).unwrap().frame_number, 6);
    assert!((b.geometry().spacing_mm().z - 2.5).abs() < 1e-9, "not the thickness of 2 mm, nor 1 mm");
}

#[test]
fn what_a_frame_says_itself_overrides_what_all_share() {
    // Every frame has its own measures, and one its own rescale.
    let measures = |frame: Frame| {
        let own = Item::default().ds(0x0028_0030, &[0.5, 2.0]);
        frame.group(0x0028_9110, own)
    };
    let mut frames: Vec<Frame> = (0..4).map(|i| measures(Frame::at(f64::from(i)))).collect();
    frames[2] = frames[2]
        .clone()
        .group(0x0028_9145, Item::default().ds(0x0028_1052, &[-50.0]).ds(0x0028_1053, &[2.0]));
    let (_, volume) = open_objects(&[enhanced(&frames)]);
    // Pixel Spacing is row spacing, that is along y, first.
    assert_eq!(volume.geometry().spacing_mm().to_array(), [2.0, 0.5, 1.0]);
    let stored = |z: f64| hu(DVec3::new(-7.5, -7.5, z)).round();
    assert_eq!(volume.value_at([0, 0, 1], 0, 0), Some(stored(1.0)));
    assert_eq!(volume.value_at([0, 0, 2], 0, 0), Some(2.0 * stored(2.0) - 50.0));
}

#[test]
fn slopes_that_change_from_frame_to_frame_are_applied_to_each() {
    let slope = |i: i32| 0.5 + 0.37 * f64::from(i);
    let frames: Vec<Frame> = (0..6)
        .map(|i| {
            let transformation = Item::default().ds(0x0028_1052, &[0.0]).ds(0x0028_1053, &[slope(i)]);
            Frame::at(f64::from(i) * 3.0).plus(300.0).group(0x0028_9145, transformation)
        })
        .collect();
    let pet = enhanced(&frames)
        .text(0x0008_0060, b"CS", "PT")
        .text(0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.130")
        .text(0x0054_1001, b"CS", "BQML");
    let (entry, volume) = open_objects(&[pet]);
    assert_eq!(volume.unit(), &Unit::Other("BQML".to_owned()));
    assert!(entry.warnings.contains(&SeriesWarning::RescaleVaries));
    for i in 0..6 {
        let stored = (hu(DVec3::new(-3.5, 1.5, f64::from(i) * 3.0)) + 300.0).round();
        let value = volume.value_at([4, 9, i as usize], 0, 0).unwrap();
        assert!((value - stored * slope(i)).abs() < 1e-3, "frame {i}: {value}");
    }
}

#[test]
fn windows_that_change_from_frame_to_frame_are_those_of_the_frame_on_show() {
    let window =
        |center: f64, width: f64| Item::default().ds(0x0028_1050, &[center]).ds(0x0028_1051, &[width]);
    let slope = |i: i32| 1.0 + f64::from(i);
    // From feet to head in the file's order 4, 3, 2, 1, 0, and the last frame without a window of its own.
    let frames: Vec<Frame> = (0..5)
        .map(|i| {
            let transformation = Item::default().ds(0x0028_1052, &[-10.0]).ds(0x0028_1053, &[slope(i)]);
            let frame = Frame::at(f64::from(4 - i) * 3.0).group(0x0028_9145, transformation);
            let own = window(100.0 * f64::from(i), 50.0 + f64::from(i));
            if i == 4 { frame } else { frame.group(0x0028_9132, own) }
        })
        .collect();
    let object = enhanced(&frames).ds(0x0028_1050, &[40.0]).ds(0x0028_1051, &[400.0]);
    let (entry, volume) = open_objects(&[object]);
    for z in 0..5 {
        let i = 4 - z;
        let windows: Vec<_> =
            entry.windows_of_slice(z as usize, 0).iter().map(|w| (w.window.center, w.window.width)).collect();
        let own = (100.0 * f64::from(i), 50.0 + f64::from(i));
        assert_eq!(windows, [if i == 4 { (40.0, 400.0) } else { own }], "frame {i}");
        let stored = hu(DVec3::new(-7.5, -7.5, f64::from(z) * 3.0)).round();
        let value = volume.value_at([0, 0, z as usize], 0, 0).unwrap();
        assert!((value - (stored * slope(i) - 10.0)).abs() < 1e-3, "frame {i}: {value}");
    }
    // The series as a whole has those of its middle slice.
    assert_eq!((entry.windows[0].window.center, entry.windows.len()), (200.0, 1));
    assert_eq!(entry.windows_of_slice(5, 0), []);
    assert_eq!(entry.windows_of_slice(0, 1), []);
}

#[test]
fn temporal_positions_become_points_in_time() {
    // Time runs fastest in the file and backwards.
    let frames: Vec<Frame> = (0..20)
        .map(|i| {
            let (z, t) = (i / 4, 3 - i % 4);
            Frame::at(f64::from(z))
                .plus(f64::from(t) * 100.0)
                .with(|c| c.ul(TEMPORAL_POSITION_INDEX, &[t as u32 + 1]))
        })
        .collect();
    let (_, volume) = open_objects(&[enhanced(&frames)]);
    assert_eq!((volume.dims().z, volume.time_points()), (5, 4));
    for t in 0..4 {
        let expected = (hu(DVec3::new(-7.5, -7.5, 2.0)) + 100.0 * t as f64).round();
        assert_eq!(volume.value_at([0, 0, 2], 0, t), Some(expected), "time {t}");
    }
}

#[test]
fn dimension_indices_order_frames_that_nothing_else_tells_apart() {
    let dimension = |pointer: u32| Item::default().at(0x0020_9165, pointer);
    let dimensions = [dimension(STACK_ID), dimension(IN_STACK_POSITION), dimension(DIFFUSION_B_VALUE)];
    // b-values are stored in descending order, their index ascends.
    let frames: Vec<Frame> = (0..12)
        .map(|i| {
            let (z, b) = (i % 4, 2 - i / 4);
            let indices = [1, 4 - z as u32, b as u32 + 1];
            Frame::at(f64::from(z)).plus(f64::from(b) * 100.0).with(|c| c.ul(0x0020_9157, &indices))
        })
        .collect();
    let object = enhanced(&frames).sequence(0x0020_9222, &dimensions);
    let (_, volume) = open_objects(&[object]);
    assert_eq!((volume.dims().z, volume.time_points()), (4, 3));
    for t in 0..3 {
        let expected = (hu(DVec3::new(-7.5, -7.5, 1.0)) + 100.0 * t as f64).round();
        assert_eq!(volume.value_at([0, 0, 1], 0, t), Some(expected), "b-value {t}");
    }
}

#[test]
fn stacks_of_one_object_are_volumes_of_their_own() {
    let stack = |id: &'static str, from: f64| {
        (0..5).map(move |i| Frame::at(from + f64::from(i)).with(|c| c.text(STACK_ID, b"SH", id)))
    };
    // They overlap, so positions alone cannot keep them apart.
    let frames: Vec<Frame> = stack("A", 0.0).chain(stack("B", 2.0)).collect();
    let catalog = scan_objects(&[enhanced(&frames)]);
    assert_eq!(catalog.series.iter().map(|s| s.dims.z).collect::<Vec<_>>(), [5, 5]);
}

/// Pieces of one object: every piece has its own UID and number, and says how many frames come before it.
fn concatenation(frames: &[Frame], per_piece: usize) -> Vec<Item> {
    (0u32..)
        .zip(frames.chunks(per_piece))
        .map(|(i, piece)| {
            enhanced(piece)
                .text(0x0008_0018, b"UI", &format!("1.2.3.7.{}", 90 - i))
                .text(0x0020_9161, b"UI", "1.2.3.8")
                .us(0x0020_9162, &[i as u16 + 1])
                .ul(0x0020_9228, &[i * per_piece as u32])
                .is(0x0020_0013, i64::from(90 - i))
        })
        .collect()
}

#[test]
fn a_concatenation_of_eight_files_is_one_series_of_all_frames() {
    let small = |mut frame: Frame| {
        (frame.plane.columns, frame.plane.rows) = (4, 4);
        frame
    };
    // 28 slices at 48 times, cut into 8 files of 168 frames.
    let frames: Vec<Frame> = (0..1344)
        .map(|i| {
            let (z, t) = (i % 28, i / 28);
            let frame = Frame::at(f64::from(z)).plus(f64::from(t) * 10.0);
            small(frame.with(|c| c.ul(TEMPORAL_POSITION_INDEX, &[t as u32 + 1])))
        })
        .collect();
    let mut pieces = concatenation(&frames, 168);
    assert_eq!(pieces.len(), 8);
    pieces.rotate_left(3);
    let (entry, volume) = open_objects(&pieces);
    assert_eq!(entry.dims.z * entry.time_points, 1344);
    assert_eq!((volume.dims().z, volume.time_points()), (28, 48));
    for (z, t) in [(0, 0), (27, 47), (13, 20)] {
        let expected = (hu(DVec3::new(-7.5, -7.5, z as f64)) + 10.0 * t as f64).round();
        assert_eq!(volume.value_at([0, 0, z], 0, t), Some(expected), "slice {z} at time {t}");
    }
}

#[test]
fn a_clip_cut_into_files_runs_on_through_all_of_them() {
    // An X-ray run: no positions, frames follow each other.
    let mut frames: Vec<Frame> = (0..24).map(|i| Frame::at(0.0).plus(f64::from(i))).collect();
    for frame in &mut frames {
        (frame.plane.columns, frame.plane.rows) = (4, 4);
    }
    let pieces: Vec<Item> = concatenation(&frames, 8)
        .into_iter()
        .map(|piece| {
            let piece = piece.without(FUNCTIONAL_GROUPS_SHARED).without(FUNCTIONAL_GROUPS_PER_FRAME);
            piece.text(0x0008_0060, b"CS", "XA").text(0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.12.1.1")
        })
        .collect();
    let (_, volume) = open_objects(&pieces);
    assert_eq!((volume.dims().z, volume.time_points()), (1, 24));
    let first = volume.value_at([0, 0, 0], 0, 0).unwrap();
    for t in 0..24 {
        assert_eq!(volume.value_at([0, 0, 0], 0, t), Some(first + t as f64));
    }
}

#[test]
fn an_ultrasound_volume_has_a_space_of_its_own() {
    let mut frames: Vec<Frame> = (0..5).map(|i| Frame::at(f64::from(i) * 0.4)).collect();
    for frame in &mut frames {
        let position = Item::default().fd(0x0020_9301, &frame.plane.position.to_array());
        frame.extra.push((0x0020_930E, position));
        let orientation = Item::default().fd(0x0020_9302, &frame.plane.orientation());
        frame.extra.push((0x0020_930F, orientation));
    }
    let plane = frames[0].plane;
    let items: Vec<Item> = frames.iter().map(|f| f.item().without(0x0020_9113)).collect();
    let measures = Item::default().ds(0x0028_0030, &plane.spacing);
    let object = enhanced(&frames)
        .text(0x0008_0060, b"CS", "US")
        .text(0x0008_0016, b"UI", "1.2.840.10008.5.1.4.1.1.6.2")
        .sequence(FUNCTIONAL_GROUPS_SHARED, &[Item::default().sequence(0x0028_9110, &[measures])])
        .sequence(FUNCTIONAL_GROUPS_PER_FRAME, &items);
    let (entry, volume) = open_objects(&[object]);
    assert!((volume.geometry().spacing_mm().z - 0.4).abs() < 1e-9);
    assert_eq!(volume.dims().z, 5);
    assert!(entry.warnings.contains(&SeriesWarning::NoPosition), "not the patient's: {:?}", entry.warnings);
}
