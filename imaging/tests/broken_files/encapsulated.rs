//! Compressed pixels: fragments, offset tables, and the headers of the codestreams.

use crate::good::{self, PIXEL_DATA, patched, place};
use crate::{Case, Expected, Refused, Shown, Warned};

const ITEM: [u8; 4] = [0xFE, 0xFF, 0x00, 0xE0];
const END: [u8; 8] = [0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0];

/// A file up to its fragments, and the fragments; the first is the offset table.
struct Parts {
    head: Vec<u8>,
    items: Vec<Vec<u8>>,
}

impl Parts {
    fn of(file: &[u8]) -> Self {
        let mut at = place(file, PIXEL_DATA).value_at;
        let head = file[..at].to_vec();
        let mut items = Vec::new();
        while file.get(at..at + 4) == Some(&ITEM) {
            let len = u32::from_le_bytes(file[at + 4..at + 8].try_into().unwrap()) as usize;
            items.push(file[at + 8..at + 8 + len].to_vec());
            at += 8 + len;
        }
        Self { head, items }
    }

    fn file(&self) -> Vec<u8> {
        let mut file = self.open_ended();
        file.extend(END);
        file
    }

    /// Without the delimiter.
    fn open_ended(&self) -> Vec<u8> {
        let mut file = self.head.clone();
        for item in &self.items {
            file.extend(ITEM);
            file.extend((item.len() as u32).to_le_bytes());
            file.extend(item);
        }
        file
    }

    /// With other items.
    fn with(&self, items: &[&[u8]]) -> Vec<u8> {
        let items = items.iter().map(|item| item.to_vec()).collect();
        Self { head: self.head.clone(), items }.file()
    }

    /// With bytes of the first fragment replaced.
    fn patched(&self, at: usize, bytes: &[u8]) -> Vec<u8> {
        self.with(&[&self.items[0], &patched(&self.items[1], at, bytes)])
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, path) in [
        ("rle.dcm", "dicom/codec-other/MR_small_RLE.dcm"),
        ("j2k.dcm", "dicom/codec-other/MR_small_jp2klossless.dcm"),
        ("jls.dcm", "dicom/codec-other/MR_small_jpeg_ls_lossless.dcm"),
        ("jpeg.dcm", "dicom/colour/SC_rgb_dcmtk_+eb+cr.dcm"),
    ] {
        cases.extend(fragments(name, &Parts::of(&good::read(path))));
    }
    cases.extend(offset_tables());
    cases.extend(rle());
    cases.extend(codestreams());
    cases
}

/// What every encapsulated file can suffer.
fn fragments(name: &str, parts: &Parts) -> Vec<Case> {
    let (table, data) = (parts.items[0].as_slice(), parts.items[1].as_slice());
    let good = parts.file();
    let first = parts.head.len() + 8 + table.len();
    let half = data.len() / 4 * 2;
    let cut = |at: usize| good[..at].to_vec();
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    vec![
        case("cut before the offset table", cut(parts.head.len()), Refused("voxels expected, 0 found")),
        case(
            "cut inside the offset table's head",
            cut(parts.head.len() + 5),
            Refused("voxels expected, 5 found"),
        ),
        case("cut before the first fragment", cut(first), Refused("missing or cut off")),
        case("cut inside the first fragment's head", cut(first + 5), Refused("missing or cut off")),
        case("cut before the first fragment's bytes", cut(first + 8), Refused("cut off")),
        case("cut in the middle of the first fragment", cut(first + 8 + half), Refused("cut off")),
        case("cut before the last byte of the fragment", cut(first + 8 + data.len() - 1), Refused("cut off")),
        case("no delimiter at the end", parts.open_ended(), Shown),
        case(
            "a fragment of 4 GiB by its length",
            patched(&good, first + 4, &[0xFE, 0xFF, 0xFF, 0xFF]),
            Refused("cut off"),
        ),
        case("a fragment of undefined length", patched(&good, first + 4, &[0xFF; 4]), Refused("cut off")),
        case(
            "an offset table of 4 GiB by its length",
            patched(&good, parts.head.len() + 4, &[0xFE, 0xFF, 0xFF, 0xFF]),
            Refused("missing or cut off"),
        ),
        case("fragments that are no items", patched(&good, first, &[0; 4]), Refused("missing or cut off")),
        case(
            "an offset table that is no item",
            patched(&good, parts.head.len(), &[0; 4]),
            Refused("missing or cut off"),
        ),
        case("no fragments", parts.with(&[table]), Refused("missing or cut off")),
        case("an empty fragment", parts.with(&[table, &[]]), Refused("damaged")),
        case("a fragment of zeros", parts.with(&[table, &vec![0; data.len()]]), Refused("damaged")),
        case(
            "only the first half of the codestream",
            parts.with(&[table, &data[..half]]),
            Refused("damaged"),
        ),
        case("an offset table that points nowhere", parts.with(&[&[0xFF; 4], data]), Shown),
        case("two fragments for the frame", parts.with(&[table, &data[..half], &data[half..]]), Shown),
    ]
}

/// Basic offset tables of a file with two frames.
fn offset_tables() -> Vec<Case> {
    let name = "two_frames.dcm";
    let parts = Parts::of(&good::read("dicom/colour/SC_rgb_rle_16bit_2frame.dcm"));
    let [_, first, second] = parts.items.as_slice() else { panic!("two frames in two fragments") };
    let table = |offsets: [u32; 2]| offsets.map(u32::to_le_bytes).concat();
    let half = first.len() / 4 * 2;
    // Three fragments, so that the table decides which belong to which frame.
    let split = |offsets: [u32; 2]| parts.with(&[&table(offsets), &first[..half], &first[half..], second]);
    let second_at = (first.len() + 16) as u32;
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    vec![
        case("three fragments and a right table", split([0, second_at]), Shown),
        case("a table whose offsets run backwards", split([second_at, 0]), Warned("could not be read")),
        case(
            "a table that leads to the first frame again and again",
            split([0, 0]),
            Warned("could not be read"),
        ),
        case("a table that points beyond the end", split([0, 0xFFFF_FFF0]), Warned("could not be read")),
        case("a table that points between fragments", split([0, second_at + 1]), Warned("could not be read")),
        case("a table that does not begin at zero", split([4, second_at]), Warned("could not be read")),
        case(
            "no table and three fragments",
            parts.with(&[&[], &first[..half], &first[half..], second]),
            Warned("could not be read"),
        ),
        case(
            "a table of odd length",
            parts.with(&[&table([0, second_at])[..7], &first[..half], &first[half..], second]),
            Warned("could not be read"),
        ),
        case(
            "one fragment for two frames",
            parts.with(&[&table([0, second_at]), first]),
            Warned("says 2 frames but holds 1"),
        ),
        case(
            "the second frame cut off",
            {
                let file = parts.file();
                file[..file.len() - 8 - second.len() / 2].to_vec()
            },
            Warned("could not be read"),
        ),
        case(
            "the second frame all zeros",
            parts.with(&[&table([0, second_at]), first, &vec![0; second.len()]]),
            Warned("could not be read"),
        ),
    ]
}

/// The header of an RLE frame: the number of segments and where they begin.
fn rle() -> Vec<Case> {
    let name = "rle.dcm";
    let parts = Parts::of(&good::rle());
    let header = |words: &[u32]| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        parts.patched(0, &bytes)
    };
    let case = |mutation: &str, bytes: Vec<u8>| {
        Case::file(format!("{name}: {mutation}"), name, bytes, Refused("damaged"))
    };
    let warned = |mutation: &str, bytes: Vec<u8>| {
        Case::file(format!("{name}: {mutation}"), name, bytes, Warned("decodes to more than the image"))
    };
    let second = u32::from_le_bytes(parts.items[1][8..12].try_into().unwrap());
    vec![
        case("no segments", header(&[0])),
        case("one segment for two bytes a sample", header(&[1])),
        case("16 segments", header(&[16])),
        case("4294967295 segments", header(&[u32::MAX])),
        case("segments that begin beyond the end", header(&[2, 64, 0x7FFF_FFFF])),
        case("a segment that begins in the header", header(&[2, 4])),
        case("a first segment after a gap", header(&[2, 66, second])),
        case("a second segment that begins early", header(&[2, 64, second - 40])),
        case("segments in the wrong order", header(&[2, 2000, 64])),
        case("both segments at one place", header(&[2, 64, 64])),
        warned("runs that fill more than the frame", {
            let data = parts.items[1].len() - 64;
            // 0x81: the next byte 128 times.
            parts.patched(64, &[0x81, 7].repeat(data / 2))
        }),
    ]
}

/// Sizes in the codestream that are not those of the image.
fn codestreams() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: &str, mutation: &str, bytes: Vec<u8>| {
        cases.push(Case::file(format!("{name}: {mutation}"), name, bytes, Refused("damaged")));
    };
    let find = |data: &[u8], mark: &[u8]| data.windows(mark.len()).position(|w| w == mark).unwrap();

    let j2k = Parts::of(&good::read("dicom/codec-other/MR_small_jp2klossless.dcm"));
    let siz = find(&j2k.items[1], &[0xFF, 0x51]);
    for (mutation, at, bytes) in [
        ("size of 2^31", 6, [0x80, 0, 0, 0, 0x80, 0, 0, 0].as_slice()),
        ("size of nothing", 6, &[0; 8]),
        ("size of 65 pixels", 6, &[0, 0, 0, 65]),
        ("tiles of nothing", 22, &[0; 8]),
        (
            "tiles of one pixel and a size of 2^31",
            6,
            &[0x80, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1],
        ),
        ("offset beyond the size", 14, &[0, 0, 0, 200]),
        ("16384 components", 38, &[0x40, 0]),
        ("no components", 38, &[0, 0]),
        ("no size marker", 0, &[0xFF, 0x00]),
    ] {
        add("j2k.dcm", mutation, j2k.patched(siz + at, bytes));
    }
    let jls = Parts::of(&good::read("dicom/codec-other/MR_small_jpeg_ls_lossless.dcm"));
    let sof = find(&jls.items[1], &[0xFF, 0xF7]);
    for (mutation, at, bytes) in [
        ("65535 lines of 65535 samples", 5, [0xFF; 4].as_slice()),
        ("no lines", 5, &[0, 0]),
        ("no samples in a line", 7, &[0, 0]),
        ("65 lines", 5, &[0, 65]),
        ("0 bits a sample", 4, &[0]),
        ("255 bits a sample", 4, &[255]),
        ("no components", 9, &[0]),
        ("255 components", 9, &[255]),
        ("a frame header of 65535 bytes", 2, &[0xFF, 0xFF]),
        ("no start of image", 0, &[0, 0]),
    ] {
        let at = if mutation == "no start of image" { 0 } else { sof + at };
        add("jls.dcm", mutation, jls.patched(at, bytes));
    }
    let jpeg = Parts::of(&good::read("dicom/colour/SC_rgb_dcmtk_+eb+cr.dcm"));
    let sof = find(&jpeg.items[1], &[0xFF, 0xC0]);
    let dht = find(&jpeg.items[1], &[0xFF, 0xC4]);
    for (mutation, at, bytes) in [
        ("65535 lines of 65535 samples", sof + 5, [0xFF; 4].as_slice()),
        ("no lines", sof + 5, &[0, 0]),
        ("no samples in a line", sof + 7, &[0, 0]),
        ("101 lines", sof + 5, &[0, 101]),
        ("no components", sof + 9, &[0]),
        ("255 components", sof + 9, &[255]),
        ("16 bits a sample", sof + 4, &[16]),
        ("a frame header of 65535 bytes", sof + 2, &[0xFF, 0xFF]),
        ("codes without end", dht + 5, &[0xFF; 16]),
        ("no start of image", 0, &[0, 0]),
    ] {
        add("jpeg.dcm", mutation, jpeg.patched(at, bytes));
    }
    cases
}
