//! Colour, decided from the codestream and the label together: every codec with every colour model it may carry.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod made_dicom;

use imaging::formats::scan;
use imaging::source::Progress;
use imaging::volume::{Channels, Volume};
use made_dicom::{Dicom, EXPLICIT, Value, text};
use test_support::repository_data;

/// Colours of the four quadrants, rows first, as `make_codestreams.py` draws them.
const QUADRANTS: [[[u8; 3]; 2]; 2] = [[[200, 40, 60], [30, 180, 90]], [[50, 70, 210], [240, 220, 20]]];
const SIDE: usize = 32;

fn codestream(name: &str) -> Vec<u8> {
    std::fs::read(repository_data(&format!("made/codestreams/{name}"))).unwrap()
}

fn color_at(x: usize, y: usize) -> [u8; 3] {
    QUADRANTS[y / 16][x / 16]
}

/// YBR_FULL of PS3.3 C.7.6.3.1.2.
fn ybr([r, g, b]: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = [r, g, b].map(f64::from);
    let y = 0.2990 * r + 0.5870 * g + 0.1140 * b;
    let cb = -0.1687 * r - 0.3313 * g + 0.5000 * b + 128.0;
    let cr = 0.5000 * r - 0.4187 * g - 0.0813 * b + 128.0;
    [y, cb, cr].map(|v| v.round().clamp(0.0, 255.0) as u8)
}

fn pixels(convert: fn([u8; 3]) -> [u8; 3]) -> Vec<[u8; 3]> {
    (0..SIDE * SIDE).map(|i| convert(color_at(i % SIDE, i / SIDE))).collect()
}

fn rgb_pixels() -> Vec<[u8; 3]> {
    pixels(|color| color)
}

fn planes(pixels: &[[u8; 3]]) -> Vec<u8> {
    (0..3).flat_map(|channel| pixels.iter().map(move |pixel| pixel[channel])).collect()
}

/// Two luminance samples, then the colour samples that they share.
fn packed_422(pixels: &[[u8; 3]]) -> Vec<u8> {
    pixels.as_chunks::<2>().0.iter().flat_map(|[a, b]| [a[0], b[0], a[1], a[2]]).collect()
}

/// RLE of one frame: three segments of literal runs, one per channel.
fn rle(pixels: &[[u8; 3]]) -> Vec<u8> {
    let segments: Vec<Vec<u8>> = (0..3)
        .map(|channel| {
            let plane: Vec<u8> = pixels.iter().map(|pixel| pixel[channel]).collect();
            plane
                .chunks(128)
                .flat_map(|run| std::iter::once(run.len() as u8 - 1).chain(run.to_vec()))
                .collect()
        })
        .collect();
    let mut header = vec![3u32];
    let mut at = 64;
    for segment in &segments {
        header.push(at);
        at += segment.len() as u32;
    }
    header.resize(16, 0);
    header.into_iter().flat_map(u32::to_le_bytes).chain(segments.into_iter().flatten()).collect()
}

/// A JPEG without its APP segments: nothing in the codestream tells the colour model.
fn without_app_segments(jpeg: &[u8]) -> Vec<u8> {
    let mut out = jpeg[..2].to_vec();
    let mut rest = &jpeg[2..];
    while let [0xFF, 0xE0..=0xEF, high, low, ..] = rest {
        rest = &rest[2 + usize::from(u16::from_be_bytes([*high, *low]))..];
    }
    out.extend_from_slice(rest);
    out
}

fn assert_quadrants(volume: &Volume, tolerance: f64, what: &str) {
    assert_eq!(volume.channels(), Channels::Rgb, "{what}");
    for (x, y) in [(8, 8), (24, 8), (8, 24), (24, 24), (0, 0), (31, 31)] {
        for (channel, expected) in color_at(x, y).into_iter().enumerate() {
            let found = volume.value_at([x, y, 0], channel, 0).unwrap();
            let is_near = (found - f64::from(expected)).abs() <= tolerance;
            assert!(is_near, "{what}: channel {channel} at {x}, {y} is {found}, not {expected}");
        }
    }
}

const RLE: &str = "1.2.840.10008.1.2.5";
const BASELINE: &str = "1.2.840.10008.1.2.4.50";
const LOSSLESS: &str = "1.2.840.10008.1.2.4.57";
const JPEG_LS: &str = "1.2.840.10008.1.2.4.80";
const JPEG_2000: &str = "1.2.840.10008.1.2.4.90";
const JPEG_XL: &str = "1.2.840.10008.1.2.4.110";

#[test]
fn every_codec_shows_the_same_colours_whatever_the_labels_say() {
    let jpeg_rgb = without_app_segments(&codestream("jpeg_adobe_rgb.jpg"));
    let jpeg_ybr = without_app_segments(&codestream("jpeg_jfif_ycc_444.jpg"));
    // Transfer syntax, label, planar configuration, frame, largest error.
    let cases: Vec<(&str, &str, u16, Vec<u8>, f64)> = vec![
        (EXPLICIT, "RGB", 0, rgb_pixels().concat(), 0.0),
        (EXPLICIT, "RGB", 1, planes(&rgb_pixels()), 0.0),
        (EXPLICIT, "YBR_FULL", 0, pixels(ybr).concat(), 2.0),
        (EXPLICIT, "YBR_FULL", 1, planes(&pixels(ybr)), 2.0),
        (EXPLICIT, "YBR_FULL_422", 0, packed_422(&pixels(ybr)), 2.0),
        (RLE, "RGB", 0, rle(&rgb_pixels()), 0.0),
        // RLE keeps planes by itself: the tag may say either.
        (RLE, "RGB", 1, rle(&rgb_pixels()), 0.0),
        (RLE, "YBR_FULL", 1, rle(&pixels(ybr)), 2.0),
        (BASELINE, "YBR_FULL_422", 0, codestream("jpeg_jfif_ycc_422.jpg"), 3.0),
        (BASELINE, "YBR_FULL", 0, codestream("jpeg_jfif_ycc_444.jpg"), 3.0),
        (BASELINE, "YBR_FULL_422", 0, codestream("jpeg_jfif_ycc_420.jpg"), 3.0),
        // Labelled RGB, but JFIF says that the encoder converted.
        (BASELINE, "RGB", 0, codestream("jpeg_jfif_ycc_444.jpg"), 3.0),
        // Labelled YBR, but Adobe's marker says that it did not; a planar tag means nothing inside JPEG.
        (BASELINE, "YBR_FULL_422", 1, codestream("jpeg_adobe_rgb.jpg"), 3.0),
        (BASELINE, "RGB", 1, codestream("jpeg_adobe_rgb.jpg"), 3.0),
        // Nothing in the codestream: the label decides.
        (BASELINE, "RGB", 0, jpeg_rgb, 3.0),
        (BASELINE, "YBR_FULL_422", 0, jpeg_ybr, 3.0),
        (LOSSLESS, "RGB", 1, codestream("jpeg_lossless_rgb.jpg"), 0.0),
        (JPEG_LS, "RGB", 1, codestream("jpegls_rgb.jls"), 0.0),
        (JPEG_2000, "YBR_RCT", 0, codestream("j2k_mct.j2k"), 0.0),
        // The component transform is the codestream's business, not the label's.
        (JPEG_2000, "RGB", 1, codestream("j2k_mct.j2k"), 0.0),
        (JPEG_2000, "RGB", 0, codestream("j2k_plain_rgb.j2k"), 0.0),
        (JPEG_2000, "YBR_FULL", 0, codestream("j2k_plain_ybr.j2k"), 2.0),
        (JPEG_XL, "RGB", 0, codestream("jxl_rgb.jxl"), 0.0),
    ];
    for (syntax, label, planar, frame, tolerance) in cases {
        let object = Dicom::color(syntax, 32, 32, label, planar);
        let object = if syntax == EXPLICIT { object.bytes(&frame) } else { object.fragments(vec![frame]) };
        let what = format!("{syntax} {label} planar {planar}");
        let (_, volume) = object.read().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_quadrants(&volume, tolerance, &what);
    }
}

#[test]
fn lossy_jpeg_xl_equals_what_its_own_library_decodes() {
    let expected = codestream("jxl_lossy_rgb.raw");
    let object = Dicom::color("1.2.840.10008.1.2.4.112", 32, 32, "RGB", 0);
    let (_, volume) = object.fragments(vec![codestream("jxl_lossy_rgb.jxl")]).read().unwrap();
    let found = made_dicom::stored(&volume);
    assert_eq!(found.len(), expected.len());
    assert!(found.iter().zip(&expected).all(|(f, e)| (f - f64::from(*e)).abs() <= 1.0));
    let expected = codestream("jxl_lossy_grey.raw");
    let object = Dicom::image("1.2.840.10008.1.2.4.112", 32, 32).bits(8, 8, 7, false);
    let (_, volume) = object.fragments(vec![codestream("jxl_lossy_grey.jxl")]).read().unwrap();
    let found = made_dicom::stored(&volume);
    assert!(found.iter().zip(&expected).all(|(f, e)| (f - f64::from(*e)).abs() <= 1.0));
}

#[test]
fn twelve_bits_of_jpeg_xl_stay_twelve_bits_in_words_of_sixteen() {
    let expected: Vec<f64> = (0..256).map(|i| f64::from((i % 16 * 257 + i / 16 * 31) % 4096)).collect();
    for stored_bits in [12, 16] {
        let object = Dicom::image(JPEG_XL, 16, 16).bits(16, stored_bits, stored_bits - 1, false);
        let (_, volume) = object.fragments(vec![codestream("jxl_grey12.jxl")]).read().unwrap();
        assert_eq!(made_dicom::stored(&volume), expected, "{stored_bits} bits stored");
    }
    let object = Dicom::image(JPEG_XL, 16, 16).bits(8, 8, 7, false);
    let error = object.fragments(vec![codestream("jxl_grey12.jxl")]).read().unwrap_err();
    assert!(error.reason().contains("12 bits per JPEG XL sample, 8 allocated"), "{}", error.reason());
}

#[test]
fn rescale_and_windows_that_a_colour_picture_inherited_are_not_applied() {
    let object = Dicom::color(EXPLICIT, 32, 32, "RGB", 0)
        .with(0x0008_0060, text("CS", "CT"))
        .rescale("2", "-1024")
        .with(0x0028_1050, text("DS", 40))
        .with(0x0028_1051, text("DS", 400))
        .bytes(&rgb_pixels().concat());
    let (entry, volume) = object.read().unwrap();
    assert_quadrants(&volume, 0.0, "inherited rescale");
    assert!(entry.windows.is_empty());
    assert_eq!(volume.unit().symbol(), None);
}

/// Palette of three tables with the given descriptor and data.
fn palette(object: Dicom, descriptor: [u16; 3], tables: [Value; 3], first_data_tag: u32) -> Dicom {
    let mut object = object.with(0x0028_0004, text("CS", "PALETTE COLOR"));
    for (channel, table) in (0..).zip(tables) {
        let descriptor = Value::Words("US", descriptor.to_vec());
        object = object.with(0x0028_1101 + channel, descriptor).with(first_data_tag + channel, table);
    }
    object
}

fn colors(object: Dicom) -> Vec<f64> {
    made_dicom::stored(&object.read().unwrap().1)
}

#[test]
fn palettes_follow_their_descriptors() {
    let words = |values: [u16; 3]| Value::Words("OW", values.to_vec());
    let indices = || Dicom::image(EXPLICIT, 4, 1).bits(8, 8, 7, false).bytes(&[9, 10, 12, 200]);
    // 16-bit entries, first mapped value 10: below takes the first, above the last.
    let tables = [[0x1000, 0x2000, 0x3000], [0x4000, 0x5000, 0x6000], [0x7000, 0x8000, 0xFF00]].map(words);
    let expected = [0x10, 0x40, 0x70, 0x10, 0x40, 0x70, 0x30, 0x60, 0xFF, 0x30, 0x60, 0xFF].map(f64::from);
    assert_eq!(colors(palette(indices(), [3, 10, 16], tables, 0x0028_1201)), expected);
    // 8-bit entries, two to a word.
    let bytes = |values: [u8; 4]| Value::Bytes("OW", values.to_vec());
    let tables = [[0x10, 0x20, 0x30, 0], [0x40, 0x50, 0x60, 0], [0x70, 0x80, 0xFF, 0]].map(bytes);
    assert_eq!(colors(palette(indices(), [3, 10, 8], tables, 0x0028_1201)), expected);
    // 8-bit entries, one to a word, as several vendors write them.
    let tables = [[0x10, 0x20, 0x30], [0x40, 0x50, 0x60], [0x70, 0x80, 0xFF]].map(words);
    assert_eq!(colors(palette(indices(), [3, 10, 8], tables, 0x0028_1201)), expected);
    // Segmented: a run of one value, then a line of two more.
    let segmented = |start: u16, end: u16| Value::Words("OW", vec![0, 1, start, 1, 2, end]);
    let tables = [segmented(0x1000, 0x3000), segmented(0x4000, 0x6000), segmented(0x7000, 0xFF00)];
    assert_eq!(colors(palette(indices(), [3, 10, 16], tables, 0x0028_1221)), expected);
    // Twelve bits, and bytes in what is stated as 16 bits.
    let tables = [[0x100, 0x200, 0x300], [0x400, 0x500, 0x600], [0x700, 0x800, 0xFF0]].map(words);
    assert_eq!(colors(palette(indices(), [3, 10, 12], tables, 0x0028_1201)), expected);
    let tables = [[0x10, 0x20, 0x30], [0x40, 0x50, 0x60], [0x70, 0x80, 0xFF]].map(words);
    assert_eq!(colors(palette(indices(), [3, 10, 16], tables, 0x0028_1201)), expected);
    // Signed pixels with a negative first value.
    let signed = Dicom::image(EXPLICIT, 3, 1).bits(16, 16, 15, true).words(&[0xFFFE, 0xFFFF, 0]);
    let tables = [[0x1000, 0x2000, 0x3000]; 3].map(words);
    let descriptor = [3, (-2i16).cast_unsigned(), 16];
    let expected = [0x10, 0x20, 0x30].map(|v| [f64::from(v); 3]).concat();
    assert_eq!(colors(palette(signed, descriptor, tables, 0x0028_1201)), expected);
}

#[test]
fn palette_of_65536_entries_is_written_as_zero() {
    let table: Vec<u16> = (0..=u16::MAX).collect();
    let object = Dicom::image(EXPLICIT, 3, 1).words(&[0, 0x8000, 0xFFFF]);
    let tables = [0; 3].map(|_| Value::Words("OW", table.clone()));
    let expected = [0x00, 0x80, 0xFF].map(|v| [f64::from(v); 3]).concat();
    assert_eq!(colors(palette(object, [0, 0, 16], tables, 0x0028_1201)), expected);
}

#[test]
fn colour_with_sixteen_bits_keeps_them() {
    let object = Dicom::color(EXPLICIT, 2, 1, "RGB", 1).bits(16, 16, 15, false);
    // Planes: red, green, blue.
    let (_, volume) = object.words(&[1000, 2000, 30000, 40000, 50000, 65535]).read().unwrap();
    assert_eq!(made_dicom::stored(&volume), [1000.0, 30000.0, 50000.0, 2000.0, 40000.0, 65535.0]);
}

#[test]
fn full_intensity_is_that_of_the_bits_stored_and_values_stay_those_of_the_file() {
    let rgb = |stored, high| Dicom::color(EXPLICIT, 2, 1, "RGB", 0).bits(16, stored, high, false);
    // Twelve bits below four that mean nothing, and above them.
    let low = rgb(12, 11).words(&[0xF123, 0x0FFF, 0x8000, 0x7456, 0x0001, 0x0ABC]);
    let high = rgb(12, 15).words(&[0x123F, 0xFFF0, 0x0008, 0x4567, 0x0010, 0xABC1]);
    for object in [low, high] {
        let (_, volume) = object.read().unwrap();
        let expected = [0x123, 0xFFF, 0x000, 0x456, 0x001, 0xABC].map(f64::from);
        assert_eq!(made_dicom::stored(&volume), expected);
        assert_eq!(volume.color_white(), 4095.0);
    }
    let (_, volume) = rgb(8, 7).words(&[0xFFFF, 0x00FF, 0x0080, 0, 1, 2]).read().unwrap();
    assert_eq!(made_dicom::stored(&volume), [255.0, 255.0, 128.0, 0.0, 1.0, 2.0]);
    assert_eq!(volume.color_white(), 255.0);
    let (_, volume) = rgb(16, 15).words(&[0xFFFF, 0, 0, 0, 1, 2]).read().unwrap();
    assert_eq!(volume.color_white(), 65535.0);
    // Five bits of a byte: white with red and blue in the middle.
    let ybr =
        Dicom::color(EXPLICIT, 2, 1, "YBR_FULL", 0).bits(8, 5, 4, false).bytes(&[31, 16, 16, 10, 16, 16]);
    let (_, volume) = ybr.read().unwrap();
    assert_eq!(made_dicom::stored(&volume), [31.0, 31.0, 31.0, 10.0, 10.0, 10.0]);
    assert_eq!(volume.color_white(), 31.0);
    let ybr = Dicom::color(EXPLICIT, 2, 1, "YBR_FULL", 0).bits(16, 12, 11, false);
    let (_, volume) = ybr.words(&[4095, 2048, 2048, 2000, 2048, 3048]).read().unwrap();
    let expected = [4095.0, 4095.0, 4095.0, 3402.0, 1286.0, 2000.0];
    assert_eq!((made_dicom::stored(&volume).as_slice(), volume.color_white()), (expected.as_slice(), 4095.0));
}

#[test]
fn full_intensity_of_a_codestream_is_the_smaller_of_what_it_and_the_header_say() {
    for (syntax, name) in
        [(JPEG_LS, "jpegls_rgb.jls"), (JPEG_2000, "j2k_plain_rgb.j2k"), (JPEG_XL, "jxl_rgb.jxl")]
    {
        for (stored, white) in [(8, 255.0), (12, 255.0), (16, 255.0), (5, 31.0)] {
            let object = Dicom::color(syntax, 32, 32, "RGB", 0).bits(16, stored, stored - 1, false);
            let (_, volume) = object.fragments(vec![codestream(name)]).read().unwrap();
            assert_quadrants(&volume, 0.0, name);
            assert_eq!(volume.color_white(), white, "{name}, {stored} bits stored");
        }
    }
}

#[test]
fn colours_of_different_depth_form_no_volume() {
    let slice = |stored: u16, number: i32| {
        let object = Dicom::color(EXPLICIT, 1, 1, "RGB", 0).bits(16, stored, stored - 1, false);
        object.at(number, f64::from(number)).words(&[9, 8, 7])
    };
    let dir = tempfile::tempdir().unwrap();
    for (number, stored) in (1..).zip([12, 12, 16]) {
        slice(stored, number).write(&dir.path().join(format!("{number}.dcm")));
    }
    let catalog = scan(&[dir.path().to_path_buf()], &Progress::new()).unwrap();
    let slices: Vec<usize> = catalog.series.iter().map(|entry| entry.dims.z).collect();
    assert_eq!(slices, [2, 1]);
    let warnings = format!("{:?}", catalog.series[0].warnings);
    assert!(warnings.contains("bits per colour sample differ"), "{warnings}");
}

#[test]
fn what_would_decode_wrongly_is_refused_with_the_reason() {
    // JPEG 2000 cut short, with subsampled components, and JPEG of 12 bits in colour.
    let mut cut = codestream("j2k_mct.j2k");
    cut.truncate(cut.len() / 2);
    let mut subsampled = codestream("j2k_mct.j2k");
    // The second component's horizontal step, in the SIZ segment.
    let siz = subsampled.windows(2).position(|w| w == [0xFF, 0x51]).unwrap();
    subsampled[siz + 4 + 36 + 3 + 1] = 2;
    let mut deep = codestream("jpeg_jfif_ycc_444.jpg");
    let sof = deep.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    (deep[sof + 1], deep[sof + 4]) = (0xC1, 12);
    for (syntax, frame, reason) in [
        (JPEG_2000, cut, "ends early"),
        (JPEG_2000, subsampled, "subsampled components"),
        ("1.2.840.10008.1.2.4.51", deep, "12 bits is supported for grey images only"),
    ] {
        let object = Dicom::color(syntax, 32, 32, "RGB", 0).bits(16, 12, 11, false);
        let error = object.fragments(vec![frame]).read().unwrap_err();
        assert!(error.reason().contains(reason), "{syntax}: {}", error.reason());
    }
}
