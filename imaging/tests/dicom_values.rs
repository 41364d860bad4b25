//! Grey values: bit fields, padding, modality transforms, missing slices; each a trap that other viewers fell into.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod made_dicom;

use imaging::formats::dicom::{Overlay, OverlayKind, overlays};
use imaging::formats::load_slice;
use imaging::series::SeriesWarning;
use imaging::verdict::Level;
use imaging::volume::{Unit, Volume};
use made_dicom::{
    BIG_ENDIAN, DEFLATED, Dicom, EXPLICIT, IMPLICIT, SECONDARY_CAPTURE, Value, read_series, ss, stored, text,
    us,
};

fn modality(volume: &Volume) -> Vec<f64> {
    let d = volume.dims();
    (0..d.z)
        .flat_map(|z| (0..d.y).flat_map(move |y| (0..d.x).map(move |x| [x, y, z])))
        .map(|index| volume.value_at(index, 0, 0).unwrap())
        .collect()
}

#[test]
fn dirty_high_bits_are_masked_and_signs_extended_in_every_byte_order() {
    for syntax in [EXPLICIT, IMPLICIT, BIG_ENDIAN, DEFLATED] {
        // 12 bits stored; the upper four hold rubbish (an overlay, say).
        let pixels = [0xF123, 0x5FFF, 0x0800, 0xA7FF];
        let object = Dicom::image(syntax, 2, 2).bits(16, 12, 11, false).words(&pixels);
        let unsigned = object.read().unwrap().1;
        assert_eq!(stored(&unsigned), [291.0, 4095.0, 2048.0, 2047.0], "{syntax}");
        let object = Dicom::image(syntax, 2, 2).bits(16, 12, 11, true).words(&pixels);
        assert_eq!(stored(&object.read().unwrap().1), [291.0, -1.0, -2048.0, 2047.0], "{syntax}");
        // The same twelve bits at the top of the word.
        let shifted = [0x123F, 0xFFF5, 0x800A, 0x7FF0];
        let object = Dicom::image(syntax, 2, 2).bits(16, 12, 15, true).words(&shifted);
        assert_eq!(stored(&object.read().unwrap().1), [291.0, -1.0, -2048.0, 2047.0], "{syntax}");
    }
}

#[test]
fn padding_is_read_by_pixel_representation_whatever_its_representation_in_the_file() {
    let minus_2000 = (-2000i16).cast_unsigned();
    // Implicit VR states no representation; explicit files state the wrong one often enough.
    for (syntax, value) in [(IMPLICIT, ss(-2000)), (EXPLICIT, us(minus_2000)), (EXPLICIT, ss(-2000))] {
        let object = Dicom::image(syntax, 2, 1)
            .bits(16, 16, 15, true)
            .with(0x0028_0120, value)
            .words(&[minus_2000, 40]);
        let (_, volume) = object.read().unwrap();
        assert_eq!(volume.padding(), Some([-2000.0, -2000.0]), "{syntax}");
    }
    let object = Dicom::image(IMPLICIT, 2, 1).with(0x0028_0120, us(63536)).words(&[63536, 40]);
    assert_eq!(object.read().unwrap().1.padding(), Some([63536.0, 63536.0]));
    // A range, in either order.
    let object = Dicom::image(EXPLICIT, 2, 1)
        .bits(16, 16, 15, true)
        .with(0x0028_0120, ss(-1000))
        .with(0x0028_0121, ss(-2000))
        .words(&[minus_2000, 40]);
    assert_eq!(object.read().unwrap().1.padding(), Some([-2000.0, -1000.0]));
}

#[test]
fn padding_stays_out_of_the_histogram() {
    let object = Dicom::image(EXPLICIT, 4, 1).with(0x0028_0120, us(0)).words(&[0, 0, 1000, 1010]);
    let histogram = object.read().unwrap().1.histogram(10);
    assert_eq!((histogram.low, histogram.high), (1000.0, 1010.0));
    assert_eq!(histogram.counts.iter().sum::<u64>(), 2);
}

#[test]
fn padding_survives_a_rescale_that_differs_between_slices() {
    let slice = |number: i32, slope: &str| {
        Dicom::image(EXPLICIT, 2, 1)
            .at(number, f64::from(number))
            .with(0x0028_0120, us(0))
            .rescale(slope, "-10")
            .words(&[0, 100])
    };
    let (entry, volume) = read_series(&[slice(1, "1"), slice(2, "2"), slice(3, "4")]);
    assert!(entry.warnings.contains(&SeriesWarning::RescaleVaries));
    assert_eq!(entry.voxel_type, "float32");
    let found: Vec<f64> = (0..3).map(|z| volume.value_at([1, 0, z], 0, 0).unwrap()).collect();
    assert_eq!(found, [90.0, 190.0, 390.0], "each slice by its own slope");
    assert!((0..3).all(|z| volume.value_at([0, 0, z], 0, 0).unwrap().is_nan()), "padding is no number");
    let s = volume.statistics();
    assert_eq!((s.count, s.non_finite_count, s.min, s.max), (3, 3, 90.0, 390.0));
    assert_eq!(volume.histogram(8).counts.iter().sum::<u64>(), 3);
}

#[test]
fn padding_that_differs_between_slices_is_left_out_of_each() {
    let slice = |number: i32, padding: u16| {
        Dicom::image(EXPLICIT, 2, 1)
            .at(number, f64::from(number))
            .with(0x0028_0120, us(padding))
            .words(&[padding, 100])
    };
    let (_, volume) = read_series(&[slice(1, 0), slice(2, 7)]);
    let s = volume.statistics();
    assert_eq!((s.count, s.min, s.max), (2, 100.0, 100.0));
}

fn lut(descriptor: [Value; 1], data: Value) -> Value {
    let [descriptor] = descriptor;
    Value::Items(vec![vec![(0x0028_3002, descriptor), (0x0028_3004, text("LO", "US")), (0x0028_3006, data)]])
}

#[test]
fn modality_table_replaces_stored_values_and_keeps_padding_out() {
    let table = || lut([Value::Words("US", vec![3, 10, 16])], Value::Words("OW", vec![100, 5000, 60000]));
    let object = || Dicom::image(EXPLICIT, 4, 1).with(0x0028_3000, table()).words(&[9, 10, 11, 500]);
    let (_, volume) = object().read().unwrap();
    assert_eq!(modality(&volume), [100.0, 100.0, 5000.0, 60000.0]);
    let (_, padded) = object().with(0x0028_0120, us(9)).read().unwrap();
    assert!(padded.value_at([0, 0, 0], 0, 0).unwrap().is_nan());
    assert_eq!(padded.statistics().min, 100.0);
    assert_eq!(padded.histogram(4).counts.iter().sum::<u64>(), 3);
}

#[test]
fn odd_table_descriptors_of_three_vendors_are_read() {
    let entries: Vec<u16> = (0..=255).collect();
    // The first mapped value is signed where pixels are, though written as US.
    let first = (-128i16).cast_unsigned();
    let signed = lut([Value::Words("US", vec![256, first, 16])], Value::Words("OW", entries.clone()));
    let object = Dicom::image(EXPLICIT, 3, 1).bits(16, 16, 15, true).with(0x0028_3000, signed);
    let (_, volume) = object.words(&[first, 0, 127]).read().unwrap();
    assert_eq!(modality(&volume), [0.0, 128.0, 255.0]);
    // Eight bits per entry by the descriptor, sixteen in the file.
    let wide = lut([Value::Words("US", vec![256, 0, 8])], Value::Words("OW", entries));
    let object = Dicom::image(EXPLICIT, 3, 1).with(0x0028_3000, wide);
    assert_eq!(modality(&object.words(&[0, 77, 255]).read().unwrap().1), [0.0, 77.0, 255.0]);
    // Eight bits per entry, packed two to a word.
    let packed: Vec<u8> = (0..=255).collect();
    let packed = lut([Value::Words("US", vec![256, 0, 8])], Value::Bytes("OW", packed));
    let object = Dicom::image(EXPLICIT, 3, 1).with(0x0028_3000, packed);
    assert_eq!(modality(&object.words(&[0, 77, 255]).read().unwrap().1), [0.0, 77.0, 255.0]);
    // 65 536 entries are written as 0.
    let all: Vec<u16> = (0..=u16::MAX).map(|v| u16::MAX - v).collect();
    let full = lut([Value::Words("US", vec![0, 0, 16])], Value::Words("OW", all));
    let object = Dicom::image(EXPLICIT, 3, 1).with(0x0028_3000, full);
    assert_eq!(modality(&object.words(&[0, 1, 65535]).read().unwrap().1), [65535.0, 65534.0, 0.0]);
}

#[test]
fn slices_that_no_file_fills_have_no_values() {
    let slice = |number: i32| Dicom::image(EXPLICIT, 2, 1).at(number, f64::from(number)).words(&[500, 700]);
    let slices: Vec<Dicom> = [1, 2, 4, 5].map(slice).into();
    let (_, volume) = read_series(&slices);
    assert_eq!(volume.dims().z, 5);
    assert_eq!((0..5).filter(|&z| volume.is_empty_slice(z, 0)).collect::<Vec<_>>(), [2]);
    assert_eq!(volume.value_at([0, 0, 2], 0, 0), None);
    assert_eq!(volume.value_at([0, 0, 3], 0, 0), Some(500.0));
    let s = volume.statistics();
    assert_eq!((s.count, s.min, s.max, s.mean), (8, 500.0, 700.0, 600.0));
    assert_eq!(volume.histogram(4).counts.iter().sum::<u64>(), 8);
    let between = |z: f64| volume.measure_linear(glam::DVec3::new(0.0, 0.0, z), 0, 0);
    assert_eq!((between(1.0), between(1.5), between(2.0), between(2.5)), (Some(500.0), None, None, None));
    assert_eq!(between(3.5), Some(500.0));
}

#[test]
fn filling_an_empty_slice_with_padding_does_not_count_either() {
    let slice = |number: i32| {
        let object = Dicom::image(EXPLICIT, 2, 1).at(number, f64::from(number));
        object.with(0x0028_0120, us(3)).words(&[500, 700])
    };
    let slices: Vec<Dicom> = [1, 2, 4].map(slice).into();
    let (_, volume) = read_series(&slices);
    assert_eq!((volume.statistics().min, volume.statistics().count), (500.0, 6));
}

#[test]
fn missing_frames_of_a_film_are_told_without_a_place() {
    let warning = SeriesWarning::MissingFrames { count: 2 };
    assert_eq!(warning.to_string(), "2 frames are missing at some points in time; left empty");
}

#[test]
fn single_bits_are_one_stream_across_rows_and_frames() {
    // 5 × 3 pixels, 3 frames: 45 bits, no frame but the first begins at a byte.
    let (columns, rows, frames) = (5, 3, 3);
    let bit = |i: usize| i.is_multiple_of(3) || i.is_multiple_of(7);
    let mut packed = vec![0u8; (columns * rows * frames as usize).div_ceil(8)];
    for i in (0..columns * rows * frames as usize).filter(|&i| bit(i)) {
        packed[i / 8] |= 1 << (i % 8);
    }
    let object = Dicom::image(EXPLICIT, columns as u16, rows as u16)
        .bits(1, 1, 0, false)
        .with(0x0028_0008, text("IS", frames))
        .without(0x0020_0032)
        .bytes(&packed);
    let (_, volume) = object.read().unwrap();
    let expected: Vec<f64> =
        (0..columns * rows * frames as usize).map(|i| f64::from(u8::from(bit(i)))).collect();
    assert_eq!(stored(&volume), expected);
}

#[test]
fn float_pixels_are_values_and_nan_among_them_is_left_out() {
    let floats = [1.5f32, f32::NAN, -3.25e-6, 7.0];
    let bytes = floats.iter().flat_map(|v| v.to_le_bytes()).collect();
    let object = Dicom::image(EXPLICIT, 2, 2).bits(32, 32, 31, false);
    let object = object.with(0x7FE0_0008, Value::Bytes("OF", bytes));
    let (entry, volume) = object.read().unwrap();
    assert_eq!(entry.voxel_type, "float32");
    let s = volume.statistics();
    assert_eq!((s.count, s.min, s.max), (3, f64::from(-3.25e-6f32), 7.0));
    let doubles = [1e-300f64, 2.0, 3.0, -4.5];
    let bytes = doubles.iter().flat_map(|v| v.to_le_bytes()).collect();
    let object = Dicom::image(EXPLICIT, 2, 2).bits(64, 64, 63, false);
    let object = object.with(0x7FE0_0009, Value::Bytes("OD", bytes));
    let (entry, volume) = object.read().unwrap();
    assert_eq!((entry.voxel_type, stored(&volume)), ("float64", doubles.to_vec()));
}

#[test]
fn tiny_slopes_keep_their_digits() {
    let object = Dicom::image(EXPLICIT, 2, 1).rescale("1e-6", "0").words(&[1234, 4321]);
    assert_eq!(modality(&object.read().unwrap().1), [1234.0 * 1e-6, 4321.0 * 1e-6]);
}

#[test]
fn hounsfield_is_only_said_of_ct_images() {
    let unit = |object: Dicom| object.rescale("1", "-1024").words(&[0, 1]).read().unwrap().1.unit().clone();
    let image = || Dicom::image(EXPLICIT, 2, 1);
    assert_eq!(unit(image()), Unit::Hounsfield);
    assert_eq!(unit(image().with(0x0028_1054, text("LO", "HU"))), Unit::Hounsfield);
    assert_eq!(unit(image().with(0x0028_1054, text("LO", "US"))), Unit::None);
    assert_eq!(unit(image().with(0x0008_0016, text("UI", SECONDARY_CAPTURE))), Unit::None);
    let localizer = image().with(0x0008_0008, text("CS", "ORIGINAL\\PRIMARY\\LOCALIZER"));
    assert_eq!(unit(localizer), Unit::None);
}

#[test]
fn values_whose_rescale_cannot_be_applied_are_in_no_unit() {
    for (slope, intercept, reason) in [("0", "-1024", "slope is 0"), ("1", "minus", "is not a number")] {
        let (entry, volume) =
            Dicom::image(EXPLICIT, 2, 1).words(&[1, 2]).rescale(slope, intercept).read().unwrap();
        assert_eq!(*volume.unit(), Unit::None, "{reason}");
        assert!(entry.warnings.iter().any(|w| w.to_string().contains(reason)), "{:?}", entry.warnings);
    }
}

#[test]
fn slices_of_different_thickness_have_no_common_one() {
    let slice = |number: i32, thickness| {
        let slice = Dicom::image(EXPLICIT, 2, 1).words(&[1, 2]).at(number, f64::from(number));
        slice.with(0x0018_0050, text("DS", thickness))
    };
    assert_eq!(read_series(&[slice(1, 5), slice(2, 5)]).0.attributes.slice_thickness_mm, Some(5.0));
    assert_eq!(read_series(&[slice(1, 5), slice(2, 7)]).0.attributes.slice_thickness_mm, None);
}

#[test]
fn a_mosaic_of_slices_is_no_slice() {
    let image = |modality, kind| {
        let image = Dicom::image(EXPLICIT, 2, 1).words(&[1, 2]).with(0x0008_0060, text("CS", modality));
        image.with(0x0008_0008, text("CS", kind)).read().unwrap().0
    };
    let mosaic = image("MR", "ORIGINAL\\PRIMARY\\M\\ND\\MOSAIC");
    assert_eq!(mosaic.verdict().level, Level::Red);
    assert!(mosaic.warnings.contains(&SeriesWarning::Mosaic), "{:?}", mosaic.warnings);
    assert_eq!(image("MR", "ORIGINAL\\PRIMARY\\M\\ND").verdict().level, Level::Green);
}

#[test]
fn a_slice_ahead_of_its_series_warns_of_surplus_as_the_series_does() {
    // Two RLE segments, the second with more than its four samples.
    let mut rle = vec![0; 64];
    rle[..12].copy_from_slice(&[2, 0, 0, 0, 64, 0, 0, 0, 70, 0, 0, 0]);
    rle.extend([3, 0, 0, 0, 0, 0x80, 6, 1, 2, 3, 4, 5, 6, 7]);
    let object = Dicom::image("1.2.840.10008.1.2.5", 2, 2).fragments(vec![vec![], rle]);
    let (_folder, catalog) = object.scan().unwrap();
    let slice = load_slice(&catalog.series[0], 0, 0).unwrap();
    assert_eq!(stored(&slice), [1.0, 2.0, 3.0, 4.0]);
    let texts: Vec<String> = slice.warnings().iter().map(ToString::to_string).collect();
    assert!(texts.iter().any(|text| text.contains("decodes to more than the image")), "{texts:?}");
}

#[test]
fn secondary_captures_do_not_apply_a_rescale_that_they_inherited() {
    let object = Dicom::image(EXPLICIT, 2, 1)
        .with(0x0008_0016, text("UI", SECONDARY_CAPTURE))
        .bits(8, 8, 7, false)
        .rescale("1", "-1024")
        .bytes(&[0, 255]);
    let (_, volume) = object.read().unwrap();
    assert_eq!(modality(&volume), [0.0, 255.0]);
    let told = |w: &SeriesWarning| matches!(w, SeriesWarning::Other(text) if text.contains("rescale"));
    assert!(volume.warnings().iter().any(told), "{:?}", volume.warnings());
}

#[test]
fn monochrome1_is_inverted_once_and_never_in_the_values() {
    for (photometric, shape, expected) in [
        ("MONOCHROME1", None, true),
        ("MONOCHROME1", Some("INVERSE"), true),
        ("MONOCHROME2", Some("INVERSE"), true),
        ("MONOCHROME2", Some("IDENTITY"), false),
        ("MONOCHROME2", None, false),
    ] {
        let mut object =
            Dicom::image(EXPLICIT, 2, 1).with(0x0028_0004, text("CS", photometric)).words(&[3, 900]);
        if let Some(shape) = shape {
            object = object.with(0x2050_0020, text("CS", shape));
        }
        let (entry, volume) = object.read().unwrap();
        assert_eq!(entry.is_inverted, expected, "{photometric} {shape:?}");
        assert_eq!(stored(&volume), [3.0, 900.0], "values are never inverted");
    }
}

/// A sharp table over modality values -100 … 155.
fn voi_table(descriptor: Vec<u16>, data: Value) -> Value {
    let explanation = (0x0028_3003, text("LO", "SHARP"));
    let item = vec![(0x0028_3002, Value::Words("US", descriptor)), explanation, (0x0028_3006, data)];
    Value::Items(vec![item])
}

fn squares() -> Vec<u16> {
    (0..256u32).map(|i| (i * i / 16) as u16).collect()
}

#[test]
fn voi_table_comes_before_windows_and_maps_modality_values() {
    let first = (-100i16).cast_unsigned();
    let table = voi_table(vec![256, first, 12], Value::Words("OW", squares()));
    let object = Dicom::image(EXPLICIT, 2, 1)
        .rescale("1", "-1000")
        .with(0x0028_1050, text("DS", 40))
        .with(0x0028_1051, text("DS", 400))
        .with(0x0028_3010, table)
        .words(&[900, 1155]);
    let (entry, _) = object.read().unwrap();
    let names: Vec<&str> = entry.windows.iter().map(|w| w.name.as_str()).collect();
    assert_eq!(names, ["SHARP", "Window 1"]);
    let window = entry.windows[0].window;
    let grey = |v: f64| (window.apply(v) * 4095.0).round();
    assert_eq!([-500.0, -100.0, 0.0, 155.0, 900.0].map(grey), [0.0, 0.0, 625.0, 4064.0, 4064.0]);
    // Changed by hand it becomes a linear window over the same range (the first three entries are equal).
    let linear = window.adjustable();
    assert_eq!((linear.apply(-97.0), linear.apply(155.0)), (0.0, 1.0));
    assert!(!linear.is_table() && window.is_table());
}

#[test]
fn odd_voi_tables_are_read_and_damaged_ones_give_way_to_the_window() {
    let image = || {
        let object = Dicom::image(EXPLICIT, 2, 1).with(0x0028_1050, text("DS", 40));
        object.with(0x0028_1051, text("DS", 400)).words(&[0, 255])
    };
    let first_window = |table: Value| image().with(0x0028_3010, table).read().unwrap().0;
    let bytes = || (0..=255u8).collect::<Vec<u8>>();
    // Eight bits to an entry, packed; eight bits in words; sixteen stated, twelve more than stated.
    let packed = first_window(voi_table(vec![256, 0, 8], Value::Bytes("OW", bytes())));
    let words = Value::Words("OW", bytes().into_iter().map(u16::from).collect());
    let wide = first_window(voi_table(vec![256, 0, 8], words));
    for entry in [packed, wide] {
        assert_eq!(entry.windows[0].window.apply(51.0), 0.2);
    }
    let understated = first_window(voi_table(vec![256, 0, 8], Value::Words("OW", squares())));
    assert_eq!((understated.windows[0].window.apply(255.0) * 4095.0).round(), 4064.0);
    // 65 536 entries.
    let all = Value::Words("OW", (0..=u16::MAX).collect());
    let full = first_window(voi_table(vec![0, 0, 16], all));
    assert_eq!(full.windows[0].window.apply(65535.0), 1.0);
    for broken in [
        voi_table(vec![256, 0], Value::Words("OW", squares())),
        voi_table(vec![256, 0, 12], Value::Words("OW", Vec::new())),
        Value::Items(vec![vec![(0x0028_3003, text("LO", "EMPTY"))]]),
    ] {
        let entry = first_window(broken);
        assert_eq!((entry.windows.len(), entry.windows[0].window.center), (1, 40.0));
        let told = |w: &SeriesWarning| matches!(w, SeriesWarning::Other(t) if t.contains("VOI lookup table"));
        assert!(entry.warnings.iter().any(told), "{:?}", entry.warnings);
    }
}

#[test]
fn windows_that_cannot_be_are_left_out_with_a_warning() {
    let read = |center: &str, width: &str| {
        let object = Dicom::image(EXPLICIT, 2, 1)
            .with(0x0028_1050, text("DS", center))
            .with(0x0028_1051, text("DS", width))
            .words(&[0, 255]);
        let (entry, volume) = object.read().unwrap();
        let windows: Vec<_> = entry.windows.iter().map(|w| (w.window.center, w.window.width)).collect();
        (windows, volume.warnings().iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    let warns = |warnings: &[String], text: &str| warnings.iter().any(|warning| warning.contains(text));
    let (windows, warnings) = read("40", "400");
    assert_eq!(windows, [(40.0, 400.0)]);
    assert!(!warns(&warnings, "window"), "{warnings:?}");
    let (windows, warnings) = read("40\\60", "400");
    assert_eq!(windows, [(40.0, 400.0)]);
    assert!(warns(&warnings, "do not belong together"), "{warnings:?}");
    for (center, width) in [("forty", "400"), ("40", "wide"), ("40", "")] {
        let (windows, warnings) = read(center, width);
        assert_eq!(windows, []);
        assert!(warns(&warnings, "do not belong together"), "{center}, {width}: {warnings:?}");
    }
    for width in ["0", "-80"] {
        let (windows, warnings) = read("40\\50", &format!("{width}\\350"));
        assert_eq!(windows, [(50.0, 350.0)]);
        assert!(warns(&warnings, "without a width"), "{width}: {warnings:?}");
    }
}

#[test]
fn narrow_windows_over_fractions_are_exact() {
    let windows = |center: &str, width: &str, function: Option<&str>| {
        let mut object = Dicom::image(EXPLICIT, 2, 1)
            .rescale("0.001", "0")
            .with(0x0028_1050, text("DS", center))
            .with(0x0028_1051, text("DS", width))
            .words(&[0, 2000]);
        if let Some(function) = function {
            object = object.with(0x0028_1056, text("CS", function));
        }
        object.read().unwrap().0.windows
    };
    for function in [None, Some("LINEAR_EXACT")] {
        let window = windows("0.5", "0.2", function)[0].window;
        assert!((window.apply(0.45) - 0.25).abs() < 1e-12, "{window:?}");
    }
    let sigmoid = windows("0.5", "0.2", Some("SIGMOID"))[0].window;
    assert!((sigmoid.apply(0.6) - 1.0 / (1.0 + (-2.0f64).exp())).abs() < 1e-12);
    assert!(windows("0.5", "0", Some("LINEAR_EXACT")).is_empty());
}

#[test]
fn overlay_planes_lie_where_they_say_over_the_frames_they_name() {
    // Plane 0: 4 × 2, one column right of and one row above the image, graphics. Plane 1: in bit 12 of the pixels.
    let object = Dicom::image(EXPLICIT, 4, 3)
        .bits(16, 12, 11, false)
        .with(0x6000_0010, us(2))
        .with(0x6000_0011, us(4))
        .with(0x6000_0022, text("LO", "marks"))
        .with(0x6000_0040, text("CS", "G"))
        .with(0x6000_0050, Value::Words("SS", vec![0, 2]))
        .with(0x6000_0100, us(1))
        .with(0x6000_0102, us(0))
        .with(0x6000_3000, Value::Bytes("OW", vec![0b1010_0001, 0]))
        .with(0x6002_0010, us(3))
        .with(0x6002_0011, us(4))
        .with(0x6002_0040, text("CS", "R"))
        .with(0x6002_0050, Value::Words("SS", vec![1, 1]))
        .with(0x6002_0100, us(16))
        .with(0x6002_0102, us(12))
        .words(&[0x1005, 6, 7, 8, 9, 0x100A, 11, 12, 13, 14, 15, 0xF010]);
    let (dir, catalog) = object.scan().unwrap();
    let planes = overlays(&catalog.series[0], 0, 0).unwrap();
    let kinds: Vec<_> = planes.iter().map(|p| (p.index, p.kind, p.label.as_str(), p.origin)).collect();
    assert_eq!(kinds, [(0, OverlayKind::Graphics, "marks", [1, -1]), (1, OverlayKind::Region, "", [0, 0])]);
    let set = |plane: &Overlay| -> Vec<[usize; 2]> {
        let pixels = (0..3).flat_map(|y| (0..4).map(move |x| [x, y]));
        pixels.filter(|&[x, y]| plane.is_set(x, y)).collect()
    };
    // Bits 0, 5 and 7: the first lies above the image, the others in its first row; the last beyond the right edge.
    assert_eq!(set(&planes[0]), [[2, 0]]);
    assert_eq!(set(&planes[1]), [[0, 0], [1, 1], [3, 2]]);
    // The values know nothing of the plane in their upper bits.
    let (_, volume) = object.read().unwrap();
    assert_eq!(stored(&volume), (5..=16).map(f64::from).collect::<Vec<_>>());
    drop(dir);
    // Two frames of a plane that begin at the second frame of three; 3 × 1 bits each, not aligned to bytes.
    let film = Dicom::image(EXPLICIT, 3, 1)
        .without(0x0020_0032)
        .with(0x0028_0008, text("IS", 3))
        .with(0x6000_0010, us(1))
        .with(0x6000_0011, us(3))
        .with(0x6000_0015, text("IS", 2))
        .with(0x6000_0040, text("CS", "G"))
        .with(0x6000_0050, Value::Words("SS", vec![1, 1]))
        .with(0x6000_0051, us(2))
        .with(0x6000_3000, Value::Bytes("OW", vec![0b11_0001, 0]))
        .words(&[0; 9]);
    let (_dir, catalog) = film.scan().unwrap();
    let at = |z: usize| overlays(&catalog.series[0], z, 0).unwrap().first().map(|plane| plane.pixels.clone());
    assert_eq!(at(0), None);
    assert_eq!(at(1), Some(vec![true, false, false]));
    assert_eq!(at(2), Some(vec![false, true, true]));
}

#[test]
fn overlay_of_a_real_image_equals_pydicom() {
    let Some(zoo) = test_support::data("zoo/zoo") else { return };
    let path = zoo.join("lut-overlay/examples_overlay.dcm");
    let catalog = imaging::formats::scan(&[path], &imaging::source::Progress::new()).unwrap();
    let planes = overlays(&catalog.series[0], 0, 0).unwrap();
    let found: Vec<_> = planes
        .iter()
        .map(|p| (p.index, p.columns, p.rows, p.origin, p.pixels.iter().filter(|set| **set).count()))
        .collect();
    // ds.overlay_array(0x6000): shape (300, 484), and its sum.
    assert_eq!(found, [(0, 484, 300, [0, 0], 222)]);
}

#[test]
fn every_predictor_of_lossless_jpeg_gives_the_values_back() {
    let expected: Vec<f64> = (0..256).map(|i| f64::from((i % 16 * 257 + i / 16 * 31) % 4096)).collect();
    for predictor in 1..=7 {
        let name = format!("made/codestreams/jpeg_lossless_{predictor}.jpg");
        let frame = std::fs::read(test_support::repository_data(&name)).unwrap();
        // Cut in the middle of the scan, the picture is refused, not filled in.
        let cut = frame[..frame.len() / 2].to_vec();
        let object = Dicom::image("1.2.840.10008.1.2.4.57", 16, 16).bits(16, 12, 11, false);
        let (_, volume) = object.clone().fragments(vec![frame]).read().unwrap();
        assert_eq!(stored(&volume), expected, "predictor {predictor}");
        assert!(object.fragments(vec![cut]).read().is_err(), "predictor {predictor}");
    }
}
