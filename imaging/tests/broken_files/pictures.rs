//! TIFF, PNG, JPEG and BMP.

use crate::good::{patched, read};
use crate::{Case, Expected, Refused, Shown};

pub(crate) fn cases() -> Vec<Case> {
    [tiff(), png(), jpeg(), bmp()].into_iter().flatten().collect()
}

fn tiff() -> Vec<Case> {
    let name = "grey8.tif";
    let file = read("made/picture/grey8.tif");
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    let number = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize;
    let directory = number(4);
    let count = usize::from(u16::from_le_bytes([file[directory], file[directory + 1]]));
    let field = |tag: u16| {
        (0..count).map(|i| directory + 2 + i * 12).find(|&at| file[at..at + 2] == tag.to_le_bytes()).unwrap()
    };
    let value = |tag: u16, value: u32| patched(&file, field(tag) + 8, &value.to_le_bytes());
    let items = |tag: u16, count: u32| patched(&file, field(tag) + 4, &count.to_le_bytes());
    let next = directory + 2 + count * 12;
    vec![
        case("cut in the head", file[..6].to_vec(), Refused("ends")),
        case("cut in the directory", file[..directory + 10].to_vec(), Refused("damaged")),
        case("cut in the pixels", file[..100].to_vec(), Refused("damaged")),
        case("a directory beyond the end", patched(&file, 4, &[0xF0, 0xFF, 0xFF, 0x7F]), Refused("damaged")),
        case("a directory at zero", patched(&file, 4, &[0; 4]), Refused("damaged")),
        case("a directory of 65535 fields", patched(&file, directory, &[0xFF; 2]), Refused("damaged")),
        case("a directory of no fields", patched(&file, directory, &[0; 2]), Refused("damaged")),
        case(
            "a next directory that is this one",
            patched(&file, next, &(directory as u32).to_le_bytes()),
            Refused("cycle"),
        ),
        case("a next directory beyond the end", patched(&file, next, &[0xF0, 0xFF, 0xFF, 0x7F]), Shown),
        case("no width", value(256, 0), Refused("damaged")),
        case("no height", value(257, 0), Refused("damaged")),
        case(
            "2 GiB by width and height",
            patched(&value(256, 46341), field(257) + 8, &46341u32.to_le_bytes()),
            Refused("damaged"),
        ),
        case("4294967295 pixels wide", value(256, u32::MAX), Refused("bytes of voxels expected")),
        case("strips beyond the end", value(273, 0x7FFF_FFFF), Refused("damaged")),
        case("strips of 2 GiB", value(279, 0x7FFF_FFFF), Refused("damaged")),
        case("a million strips", items(273, 1_000_000_000), Refused("larger than the file")),
        case("a billion bits per sample", items(258, 1_000_000_000), Refused("larger than the file")),
        case("no bits per sample", value(258, 0), Refused("")),
        case("an unknown compression", value(259, 31337), Refused("not supported")),
        case("an unknown photometric interpretation", value(262, 999), Refused("")),
        case("no samples per pixel", value(277, 0), Refused("")),
        case("65535 samples per pixel", value(277, 65535), Refused("")),
    ]
}

fn png() -> Vec<Case> {
    let name = "grey8.png";
    let file = read("made/picture/grey8.png");
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    // A header with its checksum put right.
    let header = |at: usize, bytes: &[u8]| {
        let file = patched(&file, at, bytes);
        let sum = crc32(&file[12..29]);
        patched(&file, 29, &sum.to_be_bytes())
    };
    let data = file.windows(4).position(|bytes| bytes == b"IDAT").unwrap();
    vec![
        case("cut in the head", file[..20].to_vec(), Refused("ends within the image")),
        case("cut in the pixels", file[..data + 20].to_vec(), Refused("ends within the image")),
        case("no width", header(16, &[0; 4]), Refused("damaged")),
        case("no height", header(20, &[0; 4]), Refused("damaged")),
        case(
            "2 GiB by width and height",
            header(16, &[0, 0, 0xB5, 5, 0, 0, 0xB5, 5]),
            Refused("bytes of voxels expected"),
        ),
        case(
            "the largest width and height",
            header(16, &[0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF]),
            Refused("damaged"),
        ),
        case("3 bits per sample", header(24, &[3]), Refused("damaged")),
        case("an unknown colour type", header(25, &[5]), Refused("damaged")),
        case("a wrong checksum", patched(&file, 29, &[1, 2, 3, 4]), Refused("damaged")),
        case("pixels that are no deflate stream", patched(&file, data + 4, &[0xFF; 8]), Refused("damaged")),
        case(
            "a chunk of 2 GiB by its length",
            patched(&file, data - 4, &[0x7F, 0xFF, 0xFF, 0xFF]),
            Refused("damaged"),
        ),
        case("no pixels", [&file[..data - 4], &file[file.len() - 12..]].concat(), Refused("damaged")),
    ]
}

/// CRC-32 of PNG (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

fn jpeg() -> Vec<Case> {
    let name = "grey8.jpg";
    let file = read("made/picture/grey8.jpg");
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    let sof = file.windows(2).position(|bytes| bytes == [0xFF, 0xC0]).unwrap();
    let sos = file.windows(2).position(|bytes| bytes == [0xFF, 0xDA]).unwrap();
    vec![
        case("cut in the head", file[..10].to_vec(), Refused("damaged")),
        case("cut before the scan", file[..sos].to_vec(), Refused("damaged")),
        case("cut in the scan", file[..sos + 12].to_vec(), Refused("damaged")),
        case("no lines", patched(&file, sof + 5, &[0, 0]), Refused("")),
        case("no samples in a line", patched(&file, sof + 7, &[0, 0]), Refused("damaged")),
        case(
            "65535 lines of 65535 samples",
            patched(&file, sof + 5, &[0xFF; 4]),
            Refused("bytes of voxels expected"),
        ),
        case("12 bits a sample", patched(&file, sof + 4, &[12]), Refused("")),
        case("no components", patched(&file, sof + 9, &[0]), Refused("damaged")),
    ]
}

fn bmp() -> Vec<Case> {
    let name = "grey8.bmp";
    let file = read("made/picture/grey8.bmp");
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    vec![
        case("cut in the head", file[..20].to_vec(), Refused("ends within the image")),
        case("cut in the palette", file[..100].to_vec(), Refused("ends within the image")),
        case("cut in the pixels", file[..file.len() - 20].to_vec(), Refused("ends within the image")),
        case("no width", patched(&file, 18, &[0; 4]), Refused("0x6")),
        case("no height", patched(&file, 22, &[0; 4]), Refused("9x0")),
        case("a negative width", patched(&file, 18, &[0xFF; 4]), Refused("damaged")),
        case("the most negative height", patched(&file, 22, &[0, 0, 0, 0x80]), Refused("damaged")),
        case(
            "2 GiB by width and height",
            patched(&file, 18, &[5, 0xB5, 0, 0, 5, 0xB5, 0, 0]),
            Refused("bytes of voxels expected"),
        ),
        case("7 bits per pixel", patched(&file, 28, &[7, 0]), Refused("")),
        case("an unknown compression", patched(&file, 30, &[99]), Refused("")),
        case("pixels beyond the end", patched(&file, 10, &[0xFF, 0xFF, 0xFF, 0x7F]), Refused("damaged")),
    ]
}
