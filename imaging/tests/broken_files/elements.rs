//! DICOM attributes that lie: lengths, value representations, sizes, counts, missing and repeated elements.

use crate::dicom_writer::Item;
use crate::good::{self, PIXEL_DATA, classic, place, tag_text};
use crate::{Case, Expected, Refused, Shown, Warned};

const FILE: &str = "classic.dcm";

const SAMPLES: u32 = 0x0028_0002;
const PHOTOMETRIC: u32 = 0x0028_0004;
const FRAMES: u32 = 0x0028_0008;
const ROWS: u32 = 0x0028_0010;
const COLUMNS: u32 = 0x0028_0011;
const SPACING: u32 = 0x0028_0030;
const BITS_ALLOCATED: u32 = 0x0028_0100;
const BITS_STORED: u32 = 0x0028_0101;
const HIGH_BIT: u32 = 0x0028_0102;
const POSITION: u32 = 0x0020_0032;
const ORIENTATION: u32 = 0x0020_0037;
const WINDOW_CENTER: u32 = 0x0028_1050;
const WINDOW_WIDTH: u32 = 0x0028_1051;
const SLOPE: u32 = 0x0028_1053;

fn case(mutation: impl AsRef<str>, item: Item, expected: Expected) -> Case {
    Case::file(format!("{FILE}: {}", mutation.as_ref()), FILE, item.file(), expected)
}

pub(crate) fn cases() -> Vec<Case> {
    [lengths(), representations(), pixels(), counts(), geometry(), values(), transfer_syntaxes(), structure()]
        .into_iter()
        .flatten()
        .collect()
}

/// Lengths that lead out of the file, for every element.
fn lengths() -> Vec<Case> {
    let file = classic().file();
    let mut cases = Vec::new();
    for place in good::places(&file) {
        if place.tag == PIXEL_DATA || place.tag == 0x0002_0000 {
            continue;
        }
        let length = if place.has_long_length() { 0xFFFF_FFFE } else { 0xFFFE };
        let is_meta = place.tag >> 16 == 2;
        let expected = if is_meta { "inside the file header" } else { "in the middle of the header" };
        let mutation = format!("{FILE}: length of {} leads out of the file", tag_text(place.tag));
        cases.push(Case::file(mutation, FILE, place.with_length(&file, length), Refused(expected)));
    }
    let pixels = place(&file, PIXEL_DATA);
    for (mutation, length, expected) in [
        ("pixel data of 2 GiB by its length", 0x8000_0000, Shown),
        ("pixel data of no length", 0, Refused("512 bytes of voxels expected, 0 found")),
        ("pixel data of an odd length", 511, Refused("512 bytes of voxels expected, 511 found")),
        ("pixel data of half the length", 256, Refused("512 bytes of voxels expected, 256 found")),
        (
            "uncompressed pixel data of undefined length",
            u32::MAX,
            Refused("512 bytes of voxels expected, 0 found"),
        ),
    ] {
        cases.push(Case::file(
            format!("{FILE}: {mutation}"),
            FILE,
            pixels.with_length(&file, length),
            expected,
        ));
    }
    cases
}

/// Other value representations, known and unknown.
fn representations() -> Vec<Case> {
    let file = classic().file();
    let mut cases = Vec::new();
    for (tag, vr, expected) in [
        // Sixteen rows as text are the control character DLE, which is no number.
        (ROWS, b"LO", Refused("rows")),
        (COLUMNS, b"DS", Refused("columns")),
        (BITS_ALLOCATED, b"CS", Refused("bits allocated")),
        // With these the two bytes of the length are read as part of a longer one.
        (ROWS, b"OB", Refused("in the middle of the header")),
        (PHOTOMETRIC, b"UN", Refused("in the middle of the header")),
        (PHOTOMETRIC, b"SQ", Refused("does not consist of items")),
        (ORIENTATION, b"UT", Refused("in the middle of the header")),
        (POSITION, b"ab", Refused("in the middle of the header")),
        // Numbers as text under a VR of binary numbers.
        (SPACING, b"US", Warned("spacing of pixels is not written as text")),
        (SPACING, b"FD", Warned("spacing of pixels is not written as text")),
        (ORIENTATION, b"FD", Warned("position")),
    ] {
        let mutation = format!("{FILE}: {} written as {}", tag_text(tag), String::from_utf8_lossy(vr));
        cases.push(Case::file(mutation, FILE, place(&file, tag).with_vr(&file, vr), expected));
    }
    cases
}

/// The pixel module, attribute by attribute.
fn pixels() -> Vec<Case> {
    vec![
        case("no rows", classic().us(ROWS, &[0]), Refused("rows")),
        case("no columns", classic().us(COLUMNS, &[0]), Refused("columns")),
        case("rows left out", classic().without(ROWS), Refused("rows")),
        case("columns left out", classic().without(COLUMNS), Refused("columns")),
        case(
            "65535 rows and columns",
            classic().us(ROWS, &[65535]).us(COLUMNS, &[65535]),
            Refused("8589672450 bytes of voxels expected, 512 found"),
        ),
        case(
            "2 GiB claimed by a small file",
            classic().us(ROWS, &[32768]).us(COLUMNS, &[32768]),
            Refused("2147483648 bytes of voxels expected, 512 found"),
        ),
        case(
            "one row too many",
            classic().us(ROWS, &[17]),
            Refused("544 bytes of voxels expected, 512 found"),
        ),
        case("bits allocated left out", classic().without(BITS_ALLOCATED), Refused("bits allocated")),
        case("no bits allocated", classic().us(BITS_ALLOCATED, &[0]), Refused("bits allocated")),
        case("7 bits allocated", classic().us(BITS_ALLOCATED, &[7]), Refused("7 bits allocated")),
        case("12 bits allocated", classic().us(BITS_ALLOCATED, &[12]), Refused("12 bits allocated")),
        case("64 bits allocated", classic().us(BITS_ALLOCATED, &[64]), Refused("64 bits allocated")),
        case("65535 bits allocated", classic().us(BITS_ALLOCATED, &[65535]), Refused("65535 bits allocated")),
        case("32 bits allocated by 16", classic().us(BITS_ALLOCATED, &[32]), Refused("1024 bytes of voxels")),
        case("no bits stored", classic().us(BITS_STORED, &[0]), Warned("bits stored is `0`")),
        case("33 bits stored", classic().us(BITS_STORED, &[33]), Warned("bits stored is `33`")),
        case("high bit 40", classic().us(HIGH_BIT, &[40]), Warned("high bit is `40`")),
        case("high bit below bits stored", classic().us(HIGH_BIT, &[3]), Warned("high bit is `3`")),
        case("no samples per pixel", classic().us(SAMPLES, &[0]), Refused("0 samples per pixel")),
        case("two samples per pixel", classic().us(SAMPLES, &[2]), Refused("2 samples per pixel")),
        case("65535 samples per pixel", classic().us(SAMPLES, &[65535]), Refused("65535 samples per pixel")),
        case("grey with three samples", classic().us(SAMPLES, &[3]), Refused("`MONOCHROME2` with 3 samples")),
        case(
            "colour with one sample",
            classic().text(PHOTOMETRIC, b"CS", "RGB"),
            Refused("`RGB` with 1 sample"),
        ),
        case(
            "no photometric interpretation",
            classic().without(PHOTOMETRIC),
            Warned("photometric interpretation"),
        ),
        case(
            "unknown photometric interpretation",
            classic().text(PHOTOMETRIC, b"CS", "PINK"),
            Refused("`PINK`"),
        ),
        case(
            "palette colour without a palette",
            classic().text(PHOTOMETRIC, b"CS", "PALETTE COLOR"),
            Refused("palette"),
        ),
        case("palette colour with a short table", palette(&[256, 0, 8], &[1, 2, 3, 4]), Warned("palette")),
        case(
            "palette colour with a table of no width",
            palette(&[4, 0, 0], &[1, 2, 3, 4]),
            Warned("palette"),
        ),
        case("half a palette descriptor", palette(&[4], &[1, 2, 3, 4]), Refused("palette")),
        case("no pixel data", classic().without(PIXEL_DATA), Refused("no pixel data")),
    ]
}

fn palette(descriptor: &[u16], table: &[u16]) -> Item {
    let mut item = classic().text(PHOTOMETRIC, b"CS", "PALETTE COLOR");
    for channel in 0..3 {
        item = item.us(0x0028_1101 + channel, descriptor).us(0x0028_1201 + channel, table);
    }
    item
}

/// Numbers of frames.
fn counts() -> Vec<Case> {
    let frames = |text: &str| classic().text(FRAMES, b"IS", text);
    vec![
        case("two frames claimed, one held", frames("2"), Warned("says 2 frames but holds 1")),
        case("2147483647 frames claimed", frames("2147483647"), Warned("says 2147483647 frames but holds 1")),
        case("as many frames as fit in 64 bits", frames("9223372036854775807"), Warned("but holds 1")),
        case("a number of frames with exponent", frames("1e30"), Warned("but holds 1")),
        case("no frames", frames("0"), Warned("number of frames")),
        case("minus one frame", frames("-1"), Warned("number of frames")),
        case("frames counted in words", frames("many"), Warned("number of frames")),
        case("frames that are not a number", frames("NaN"), Warned("number of frames")),
    ]
}

/// Places and distances.
fn geometry() -> Vec<Case> {
    let spacing = |text: &str| classic().text(SPACING, b"DS", text);
    let orientation = |text: &str| classic().text(ORIENTATION, b"DS", text);
    let position = |text: &str| classic().text(POSITION, b"DS", text);
    vec![
        case("spacing left out", classic().without(SPACING), Warned("spacing")),
        case("spacing of zero", spacing("0\\0"), Warned("spacing")),
        case("negative spacing", spacing("-1\\-1"), Warned("spacing")),
        case("one spacing", spacing("1"), Warned("spacing")),
        case("spacing that is not a number", spacing("NaN\\NaN"), Warned("spacing")),
        case("infinite spacing", spacing("inf\\inf"), Warned("spacing")),
        case("spacing in words", spacing("wide\\high"), Warned("spacing")),
        case("spacing beyond all numbers", spacing("1e999\\1e999"), Warned("spacing")),
        case("spacing of 1e300 mm", spacing("1e300\\1e300"), Warned("spacing")),
        case("spacing of 1e-300 mm", spacing("1e-300\\1e-300"), Warned("spacing")),
        case("orientation left out", classic().without(ORIENTATION), Warned("position")),
        case("orientation of zeros", orientation("0\\0\\0\\0\\0\\0"), Warned("position")),
        case("parallel axes", orientation("1\\0\\0\\1\\0\\0"), Warned("position")),
        case("axes at 30 degrees", orientation("1\\0\\0\\0.866\\0.5\\0"), Warned("position")),
        case("five cosines", orientation("1\\0\\0\\0\\1"), Warned("position")),
        case("cosines that are not numbers", orientation("NaN\\0\\0\\0\\1\\0"), Warned("position")),
        case("position left out", classic().without(POSITION), Warned("position")),
        case("two coordinates", position("1\\2"), Warned("position")),
        case("coordinates that are not numbers", position("a\\b\\c"), Warned("position")),
        case("position at infinity", position("inf\\inf\\inf"), Warned("position")),
        case("position of 1e308 mm", position("1e308\\1e308\\1e308"), Warned("position")),
    ]
}

/// Grey values and windows.
fn values() -> Vec<Case> {
    let table =
        |descriptor: &[u16], data: &[u16]| Item::default().us(0x0028_3002, descriptor).us(0x0028_3006, data);
    let modality = |item: Item| classic().sequence(0x0028_3000, &[item]);
    let voi =
        |item: Item| classic().without(WINDOW_CENTER).without(WINDOW_WIDTH).sequence(0x0028_3010, &[item]);
    let window = |center: &str, width: &str| {
        classic().text(WINDOW_CENTER, b"DS", center).text(WINDOW_WIDTH, b"DS", width)
    };
    vec![
        case("slope of zero", classic().text(SLOPE, b"DS", "0"), Warned("rescale slope is 0")),
        case("slope that is not a number", classic().text(SLOPE, b"DS", "NaN"), Warned("rescale")),
        case("slope in words", classic().text(SLOPE, b"DS", "steep"), Warned("rescale")),
        case("infinite slope", classic().text(SLOPE, b"DS", "1e999"), Warned("rescale")),
        case(
            "modality table without data",
            modality(Item::default().us(0x0028_3002, &[4, 0, 16])),
            Warned("modality lookup table"),
        ),
        case(
            "modality table of half the length",
            modality(table(&[4, 0, 16], &[1, 2])),
            Warned("modality lookup table"),
        ),
        case(
            "modality table of no width",
            modality(table(&[2, 0, 0], &[1, 2])),
            Warned("modality lookup table"),
        ),
        case(
            "modality table of 99 bits",
            modality(table(&[2, 0, 99], &[1, 2])),
            Warned("modality lookup table"),
        ),
        case(
            "modality table with half a descriptor",
            modality(table(&[2], &[1, 2])),
            Warned("modality lookup table"),
        ),
        // Only the picture depends on it; numbers do not.
        case("window table of half the length", voi(table(&[4, 0, 16], &[1, 2])), Shown),
        // A window that makes no sense is left out; the picture then gets one from its own values.
        case("window table without data", voi(Item::default().us(0x0028_3002, &[4, 0, 16])), Shown),
        case("window of no width", window("40", "0"), Shown),
        case("window of negative width", window("40", "-400"), Shown),
        case("window width that is not a number", window("40", "NaN"), Shown),
        case("window center in words", window("middle", "400"), Shown),
        case("infinite window", window("40", "1e999"), Shown),
        case("two centers, one width", window("40\\50", "400"), Shown),
    ]
}

/// How the file says it is written.
fn transfer_syntaxes() -> Vec<Case> {
    let file = classic().file();
    let syntax = place(&file, 0x0002_0010);
    // The value has 20 bytes with its padding.
    let with = |uid: &str| {
        let mut bytes = file[..syntax.at + 6].to_vec();
        let mut value = uid.as_bytes().to_vec();
        if value.len() % 2 == 1 {
            value.push(0);
        }
        bytes.extend((value.len() as u16).to_le_bytes());
        bytes.extend(value);
        bytes.extend(&file[syntax.end()..]);
        bytes
    };
    let case = |mutation: &str, uid: &str, expected| {
        Case::file(format!("{FILE}: {mutation}"), FILE, with(uid), expected)
    };
    vec![
        case("unknown transfer syntax", "1.2.3.4.5.6.7", Refused("1.2.3.4.5.6.7")),
        case("MPEG-2 video", "1.2.840.10008.1.2.4.100", Refused("MPEG")),
        case("H.264 video", "1.2.840.10008.1.2.4.102", Refused("MPEG-4")),
        case("JPIP reference", "1.2.840.10008.1.2.4.94", Refused("JPIP")),
        case("transfer syntax of letters", "hello world, no uid!", Refused("hello world, no uid!")),
        // The bytes are unmistakable, so the label does not matter.
        case("implicit by its label, explicit in fact", "1.2.840.10008.1.2", Shown),
        case("big endian by its label, little endian in fact", "1.2.840.10008.1.2.2", Shown),
        case("deflated by its label only", "1.2.840.10008.1.2.1.99", Refused("holds no pixel data")),
        case("RLE by its label, uncompressed in fact", "1.2.840.10008.1.2.5", Refused("missing or cut off")),
        case(
            "JPEG by its label, uncompressed in fact",
            "1.2.840.10008.1.2.4.50",
            Refused("missing or cut off"),
        ),
        case(
            "JPEG 2000 by its label, uncompressed in fact",
            "1.2.840.10008.1.2.4.90",
            Refused("missing or cut off"),
        ),
    ]
}

/// Sequences, order and repetition of elements.
fn structure() -> Vec<Case> {
    let file = classic().file();
    let spot = place(&file, ROWS).at;
    let insert = |at: usize, bytes: &[u8]| [&file[..at], bytes, &file[at..]].concat();
    let rows = &file[spot..place(&file, ROWS).end()];
    let other_rows = [&rows[..8], &[32, 0]].concat();
    // (0028,0009): a private sequence before the rows, of undefined length.
    let nested = |depth: usize| {
        let open =
            [b"\x28\0\x09\0SQ\0\0\xff\xff\xff\xff".as_slice(), b"\xfe\xff\x00\xe0\xff\xff\xff\xff"].concat();
        open.repeat(depth)
    };
    let raw = |mutation: &str, bytes: Vec<u8>, expected| {
        Case::file(format!("{FILE}: {mutation}"), FILE, bytes, expected)
    };
    vec![
        raw("rows twice, the second 32", insert(spot + rows.len(), &other_rows), Shown),
        raw("rows twice, the first 32", insert(spot, &other_rows), Refused("1024 bytes of voxels expected")),
        raw("sequences nested 65 deep", insert(spot, &nested(65)), Refused("nested too deeply")),
        raw("sequences nested 100000 deep", insert(spot, &nested(100_000)), Refused("nested too deeply")),
        raw("a sequence that does not end", insert(spot, &nested(1)), Refused("no pixel data")),
        raw(
            "a sequence without items",
            insert(spot, b"\x28\0\x09\0SQ\0\0\xff\xff\xff\xff\x28\0\x10\0US\x02\0"),
            Refused("does not consist of items"),
        ),
        raw(
            "a sequence longer than the file",
            insert(spot, b"\x28\0\x09\0SQ\0\0\xf0\xff\xff\xff"),
            Refused("in the middle of the header"),
        ),
        raw("a delimiter in the middle", insert(spot, b"\xfe\xff\x0d\xe0\0\0\0\0"), Refused("no pixel data")),
        raw("ten thousand empty elements", insert(spot, &b"\x28\0\x0f\0LO\0\0".repeat(10_000)), Shown),
        raw("zeros in the middle", insert(spot, &[0; 4096]), Shown),
        raw(
            "a text file with a mark",
            b"# a text\n"
                .repeat(40)
                .iter()
                .copied()
                .take(128)
                .chain(*b"DICM")
                .chain(*b"not at all, only letters follow")
                .collect(),
            Refused("not DICOM"),
        ),
    ]
}
