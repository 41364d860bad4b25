//! ZIP archives and DICOMDIRs.

use crate::dicom_writer::Item;
use crate::good::{self, classic, patched, place, slice};
use crate::{Case, Expected, Refused, Shown, Warned};

pub(crate) fn cases() -> Vec<Case> {
    [archives(), names(), directories()].into_iter().flatten().collect()
}

/// One member, with what its headers say about it.
#[derive(Clone)]
struct Member {
    name: String,
    data: Vec<u8>,
    flags: u16,
    method: u16,
    size: u32,
    packed: u32,
}

impl Member {
    fn stored(name: &str, data: Vec<u8>) -> Self {
        let size = data.len() as u32;
        Self { name: name.to_owned(), data, flags: 0, method: 0, size, packed: size }
    }

    /// From flags to the length of the name, as in both headers.
    fn fields(&self) -> Vec<u8> {
        let mut bytes =
            [self.flags, self.method, 0, 0x21].iter().flat_map(|n| n.to_le_bytes()).collect::<Vec<_>>();
        for number in [crc32(&self.data), self.packed, self.size] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend((self.name.len() as u16).to_le_bytes());
        bytes
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, byte: &u8| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { c >> 1 ^ 0xEDB8_8320 } else { c >> 1 })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// Where the parts of an archive lie.
struct Archive {
    bytes: Vec<u8>,
    directory: usize,
    end: usize,
}

/// A ZIP archive (APPNOTE.TXT 4.3): members, directory, end record.
fn archive(members: &[Member]) -> Archive {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let at = bytes.len() as u32;
        bytes.extend(b"PK\x03\x04\x14\0");
        bytes.extend(member.fields());
        bytes.extend([0, 0]);
        bytes.extend(member.name.as_bytes());
        bytes.extend(&member.data);
        directory.extend(b"PK\x01\x02\x14\0\x14\0");
        directory.extend(member.fields());
        directory.extend([0; 12]);
        directory.extend(at.to_le_bytes());
        directory.extend(member.name.as_bytes());
    }
    let start = bytes.len();
    bytes.extend(&directory);
    let end = bytes.len();
    let count = (members.len() as u16).to_le_bytes();
    bytes.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &count, &count].concat());
    bytes.extend((directory.len() as u32).to_le_bytes());
    bytes.extend((start as u32).to_le_bytes());
    bytes.extend([0, 0]);
    Archive { bytes, directory: start, end }
}

fn members() -> Vec<Member> {
    (0..3).map(|i| Member::stored(&format!("{i}.dcm"), slice(i + 1, i as f64 * 2.0).file())).collect()
}

fn archives() -> Vec<Case> {
    let name = "archive.zip";
    let good = archive(&members());
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    let with = |change: &dyn Fn(&mut Member)| {
        let mut members = members();
        change(&mut members[1]);
        archive(&members).bytes
    };
    let number = |at: usize, value: u32| patched(&good.bytes, at, &value.to_le_bytes());
    let middle = good.bytes.len() / 2;
    vec![
        case("cut in the first member", good.bytes[..200].to_vec(), Refused("Zip")),
        case("cut in the middle", good.bytes[..middle].to_vec(), Refused("Zip")),
        case("cut before the directory", good.bytes[..good.directory].to_vec(), Refused("Zip")),
        case("cut in the directory", good.bytes[..good.directory + 20].to_vec(), Refused("Zip")),
        case("cut in the end record", good.bytes[..good.end + 10].to_vec(), Refused("Zip")),
        case("a directory beyond the end", number(good.end + 16, 0x7FFF_FFFF), Refused("Zip")),
        case(
            "a directory that is the first member",
            number(good.end + 16, 0),
            Refused("Invalid local file header"),
        ),
        case(
            "65535 members by the end record",
            patched(&good.bytes, good.end + 8, &[0xFF; 4]),
            Refused("Zip"),
        ),
        case("a member that begins beyond the end", number(good.directory + 42, 0x7FFF_FFFF), Warned("Zip")),
        case(
            "a member that begins in the directory",
            number(good.directory + 42, good.directory as u32),
            Warned("Zip"),
        ),
        case(
            "all members in one place",
            {
                let entry = 46 + 5;
                let zeros = 0u32.to_le_bytes();
                let once = patched(&good.bytes, good.directory + entry + 42, &zeros);
                patched(&once, good.directory + 2 * entry + 42, &zeros)
            },
            Warned("checksum"),
        ),
        case("a member of 2 GiB by its size", with(&|m| m.size = 0x8000_0000), Warned("claims to unpack")),
        case(
            "a member of half its size",
            with(&|m| (m.size, m.packed) = (m.size / 2, m.packed / 2)),
            Warned(""),
        ),
        case(
            "a wrong checksum",
            {
                let at = 30 + 5 + members()[0].data.len() - 1;
                patched(&good.bytes, at, &[!good.bytes[at]])
            },
            Warned("checksum"),
        ),
        case("an encrypted member", with(&|m| m.flags = 1), Warned("Password")),
        case("an unknown method", with(&|m| m.method = 77), Warned("ompression")),
        case("deflate by its label, stored in fact", with(&|m| m.method = 8), Warned("")),
        case("a damaged member", with(&|m| m.data.truncate(700)), Warned("")),
        case(
            "a text among the members",
            with(&|m| *m = Member::stored("read.me", b"a text".to_vec())),
            Warned("missing"),
        ),
        case(
            "an archive in the archive",
            with(&|m| *m = Member::stored("more.zip", archive(&[]).bytes)),
            Warned("missing"),
        ),
        case(
            "nothing but folders",
            archive(&[Member::stored("a/", Vec::new())]).bytes,
            Refused("no image found"),
        ),
        case("no members", archive(&[]).bytes, Refused("")),
    ]
}

/// Names that lead out of the archive; nothing is ever written, so they only must not matter.
fn names() -> Vec<Case> {
    let escapes = [
        "../../../../etc/passwd.dcm",
        "/etc/passwd.dcm",
        "C:\\windows\\a.dcm",
        "..\\..\\a.dcm",
        "a/../../b.dcm",
        "",
        "a\0b.dcm",
        "con",
    ];
    let case = |name: &str| {
        let mut members = members();
        members[1].name = name.to_owned();
        let mutation = format!("archive.zip: a member named `{}`", name.escape_debug());
        Case::file(mutation, "archive.zip", archive(&members).bytes, Shown)
    };
    escapes.iter().map(|name| case(name)).collect()
}

const FILE_ID: u32 = 0x0004_1500;
const RECORDS: u32 = 0x0004_1220;
const NEXT: u32 = 0x0004_1400;

/// A directory record that refers to a file.
fn record(file_id: &str) -> Item {
    Item::default().ul(NEXT, &[0]).text(0x0004_1430, b"CS", "IMAGE").text(FILE_ID, b"CS", file_id)
}

fn directory(records: &[Item]) -> Item {
    Item::default().text(0x0004_1130, b"CS", "MADE").ul(0x0004_1200, &[0]).sequence(RECORDS, records)
}

fn directories() -> Vec<Case> {
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("DICOMDIR: {mutation}"), "DICOMDIR", bytes, expected)
            .beside("IMAGES/IM1", classic().file())
    };
    let good = directory(&[record("IMAGES\\IM1")]).file();
    let records = place(&good, RECORDS);
    // Offsets link records to a tree; the list of records itself has an end whatever they say.
    let offsets = |first: u32, next: u32| {
        let loops = record("IMAGES\\IM1").ul(NEXT, &[next]).ul(0x0004_1420, &[next]);
        directory(&[loops.clone(), loops]).ul(0x0004_1200, &[first]).file()
    };
    let at = records.value_at as u32;
    vec![
        case("records that follow themselves", offsets(at, at), Shown),
        case("records that contain themselves", offsets(at, at + 8), Shown),
        case("offsets beyond the end", offsets(0xFFFF_FFF0, 0xFFFF_FFF0), Shown),
        case("no first record", offsets(0, 0), Shown),
        case("a file that is missing", directory(&[record("IMAGES\\IM2")]).file(), Refused("missing")),
        case(
            "one of two files missing",
            directory(&[record("IMAGES\\IM1"), record("IMAGES\\IM2")]).file(),
            Warned("missing"),
        ),
        case("a thousand times the same file", directory(&vec![record("IMAGES\\IM1"); 1000]).file(), Shown),
        case(
            "a file above the folder",
            directory(&[record("..\\..\\etc\\passwd")]).file(),
            Refused("outside"),
        ),
        case(
            "a file above the folder and one below",
            directory(&[record("IMAGES\\IM1"), record("..\\IM1")]).file(),
            Warned("outside"),
        ),
        case("an absolute path", directory(&[record("/etc/passwd")]).file(), Refused("outside")),
        case("a folder instead of a file", directory(&[record("IMAGES")]).file(), Refused("missing")),
        case("itself", directory(&[record("DICOMDIR")]).file(), Refused("DICOMDIR")),
        case("an empty name", directory(&[record("\\\\")]).file(), Refused("")),
        case("no records", directory(&[]).file(), Refused("DICOMDIR")),
        case("cut in the records", good[..records.value_at + 20].to_vec(), Refused("")),
        case("records longer than the file", records.with_length(&good, 0x7FFF_FFFF), Refused("")),
        case("a file that is no image", directory(&[record("IMAGES\\TEXT")]).file(), Refused(""))
            .beside("IMAGES/TEXT", b"a text".to_vec()),
        Case::file(
            "DICOMDIR: two that refer to each other",
            "DICOMDIR",
            directory(&[record("B\\DICOMDIR")]).file(),
            Refused("DICOMDIR"),
        )
        .beside("B/DICOMDIR", directory(&[record("..\\DICOMDIR")]).file()),
        Case::folder(
            "DICOMDIR: cut, among good files",
            vec![
                ("DICOMDIR".to_owned(), good[..records.value_at + 20].to_vec()),
                ("IM1".to_owned(), good::classic().file()),
            ],
            Warned(""),
        ),
    ]
}
