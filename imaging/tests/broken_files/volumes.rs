//! NIfTI, MetaImage and NRRD: headers that lie, data that is missing or too short.

use crate::good::{patched, read};
use crate::{Case, Expected, Refused, Shown, Warned};

pub(crate) fn cases() -> Vec<Case> {
    [nifti(), nifti_compressed(), nifti_pairs(), metaimage(), metaimage_detached(), nrrd(), nrrd_detached()]
        .into_iter()
        .flatten()
        .collect()
}

/// 5 × 4 × 3 values of 16 bits behind a header of 352 bytes.
fn nifti() -> Vec<Case> {
    let name = "int16.nii";
    let file = read("made/nifti/int16_le.nii");
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    let short = |mutation: &str, at: usize, value: i16, expected| {
        case(mutation, patched(&file, at, &value.to_le_bytes()), expected)
    };
    let float = |mutation: &str, at: usize, value: f32, expected| {
        case(mutation, patched(&file, at, &value.to_le_bytes()), expected)
    };
    let sizes = |x: i16, y: i16, z: i16| {
        let bytes: Vec<u8> = [3, x, y, z].iter().flat_map(|n: &i16| n.to_le_bytes()).collect();
        patched(&file, 40, &bytes)
    };
    let zeros = |ranges: &[(usize, usize)]| {
        let mut file = file.clone();
        for &(at, len) in ranges {
            file[at..at + len].fill(0);
        }
        file
    };
    let two = read("made/nifti/two.nii");
    let long = |mutation: &str, at: usize, value: i64| {
        Case::file(
            format!("two.nii: {mutation}"),
            "two.nii",
            patched(&two, at, &value.to_le_bytes()),
            Refused("damaged"),
        )
    };
    vec![
        case("nothing", Vec::new(), Refused("the file is empty")),
        case("cut in the head", file[..100].to_vec(), Refused("header ends after 100 of 348 bytes")),
        case(
            "cut one byte before the end of the header",
            file[..347].to_vec(),
            Refused("header ends after 347 of 348 bytes"),
        ),
        case("cut after the header", file[..348].to_vec(), Refused("120 bytes of voxels expected, 0 found")),
        case("cut before the voxels", file[..352].to_vec(), Refused("120 bytes of voxels expected, 0 found")),
        case("cut in the voxels", file[..400].to_vec(), Refused("120 bytes of voxels expected, 48 found")),
        case(
            "cut before the last byte",
            file[..file.len() - 1].to_vec(),
            Refused("120 bytes of voxels expected, 119 found"),
        ),
        case(
            "a header of 349 bytes by its size",
            patched(&file, 0, &349i32.to_le_bytes()),
            Refused("no NIfTI header"),
        ),
        case("no mark", zeros(&[(344, 4)]), Refused("ANALYZE")),
        short("no dimensions", 40, 0, Refused("number of dimensions is `0`")),
        short("eight dimensions", 40, 8, Refused("number of dimensions is `8`")),
        short("minus one dimensions", 40, -1, Refused("number of dimensions is `-1`")),
        short("a size of zero", 42, 0, Refused("dimension 1 has the size `0`")),
        short("a negative size", 44, -4, Refused("dimension 2 has the size `-4`")),
        case(
            "2 GiB by its sizes",
            sizes(1024, 1024, 1024),
            Refused("2147483648 bytes of voxels expected, 120 found"),
        ),
        case(
            "the largest sizes",
            sizes(i16::MAX, i16::MAX, i16::MAX),
            Refused("bytes of voxels expected, 120 found"),
        ),
        case("one slice too many", sizes(5, 4, 4), Refused("160 bytes of voxels expected, 120 found")),
        short("no data type", 70, 0, Refused("data type `0`")),
        short("an unknown data type", 70, 999, Refused("data type `999`")),
        short("single bits", 70, 1, Refused("binary")),
        short("complex numbers", 70, 32, Refused("complex64")),
        short("64-bit numbers by the type", 70, 64, Refused("480 bytes of voxels expected, 120 found")),
        float("voxels before the header", 108, -400.0, Refused("voxels begin at byte `-400`")),
        float("voxels beyond the end", 108, 1e9, Refused("0 found")),
        float("voxels at no number", 108, f32::NAN, Refused("voxels begin at byte `NaN`")),
        float("voxels at infinity", 108, f32::INFINITY, Refused("voxels begin at byte `inf`")),
        float("voxels at half a byte", 108, 352.5, Shown),
        float("slope that is no number", 112, f32::NAN, Warned("")),
        float("infinite slope", 112, f32::INFINITY, Warned("")),
        case("no orientation", zeros(&[(252, 4)]), Warned("orientation is unknown")),
        case("a matrix of zeros", zeros(&[(280, 48)]), Warned("sform")),
        float("a matrix with a hole", 280, f32::NAN, Warned("sform")),
        float("an infinite matrix", 284, f32::INFINITY, Warned("sform")),
        case("spacing of zero and no orientation", zeros(&[(252, 4), (80, 12)]), Warned("spacing")),
        long("a size of zero", 24, 0),
        long("a negative size", 24, -1),
        long("a size of 2^62", 24, 1 << 62),
        long("the largest size", 24, i64::MAX),
        long("voxels at 2^62", 168, 1 << 62),
        long("voxels before the file", 168, -1),
        long("a hundred dimensions", 16, 100),
    ]
}

fn nifti_compressed() -> Vec<Case> {
    let name = "compressed.nii.gz";
    let file = read("made/nifti/compressed.nii.gz");
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected).deflated()
    };
    let len = file.len();
    vec![
        case("cut in the gzip head", file[..6].to_vec(), Refused("compressed")),
        case("cut in the NIfTI header", file[..30].to_vec(), Refused("NIfTI")),
        case("cut in the voxels", file[..len - 40].to_vec(), Refused("120 bytes of voxels expected")),
        // All voxels are there; what cannot be checked is not held against them.
        case("cut in the checksum", file[..len - 6].to_vec(), Shown),
        case("a wrong checksum", patched(&file, len - 8, &[1, 2, 3, 4]), Refused("compressed")),
        case("a flipped bit", patched(&file, len - 30, &[!file[len - 30]]), Refused("compressed")),
        case("a stream of ones", patched(&file, 10, &[0xFF; 16]), Refused("compressed")),
        case(
            "gzip of nothing",
            vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            Refused("NIfTI"),
        ),
        case("a name without compression", read("made/nifti/int16_le.nii"), Shown),
        case(
            "2 GiB claimed by 2 KiB",
            read("made/nifti/claims_2_gib.nii.gz"),
            Refused("bytes of voxels expected"),
        ),
    ]
}

fn nifti_pairs() -> Vec<Case> {
    let header = read("made/nifti/pair.hdr");
    let voxels = read("made/nifti/pair.img");
    let case = |mutation: &str, expected: Expected| {
        Case::file(format!("pair.hdr: {mutation}"), "pair.hdr", header.clone(), expected)
    };
    vec![
        case("no voxels beside it", Refused("pair.img")),
        case("half the voxels beside it", Refused("120 bytes of voxels expected, 60 found"))
            .beside("pair.img", voxels[..60].to_vec()),
        case("no bytes beside it", Refused("120 bytes of voxels expected, 0 found"))
            .beside("pair.img", Vec::new()),
        case("a folder instead of voxels", Refused("pair.img")).beside("pair.img/file", Vec::new()),
        Case::file("pair.hdr: cut", "pair.hdr", header[..200].to_vec(), Refused(""))
            .beside("pair.img", voxels.clone()),
    ]
}

/// Replaces one line of a text header.
fn with_line(file: &[u8], start: &str, line: &str) -> Vec<u8> {
    let at = file.windows(start.len()).position(|bytes| bytes == start.as_bytes()).unwrap();
    let end = at + file[at..].iter().position(|&byte| byte == b'\n').unwrap();
    [&file[..at], line.as_bytes(), &file[end..]].concat()
}

/// Leaves one line of a text header out.
fn without_line(file: &[u8], start: &str) -> Vec<u8> {
    let at = file.windows(start.len()).position(|bytes| bytes == start.as_bytes()).unwrap();
    let end = at + file[at..].iter().position(|&byte| byte == b'\n').unwrap();
    [&file[..at], &file[end + 1..]].concat()
}

fn metaimage() -> Vec<Case> {
    let name = "plain.mha";
    let header = String::from_utf8(read("made/metaimage/detached.mhd")).unwrap();
    let header = header.replace("detached.raw", "LOCAL");
    let file = [header.as_bytes(), &read("made/metaimage/detached.raw")].concat();
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    let line = |start: &str, line: &str, expected| case(line, with_line(&file, start, line), expected);
    let without = |start: &str, expected| case(&format!("no {start}"), without_line(&file, start), expected);
    let compressed = read("made/metaimage/int16.mha");
    let packed = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("int16.mha: {mutation}"), "int16.mha", bytes, expected).deflated()
    };
    let data = compressed.len() - 131;
    vec![
        case("cut in the first line", file[..7].to_vec(), Refused("ElementDataFile")),
        case("cut before the sizes", file[..200].to_vec(), Refused("ElementDataFile")),
        case("cut after the sizes", file[..header.len() - 20].to_vec(), Refused("ElementDataFile")),
        case(
            "cut after the header",
            file[..header.len()].to_vec(),
            Refused("120 bytes of voxels expected, 0 found"),
        ),
        case(
            "cut in the voxels",
            file[..file.len() - 20].to_vec(),
            Refused("120 bytes of voxels expected, 100 found"),
        ),
        without("NDims", Refused("`NDims` is missing")),
        without("ElementType", Refused("`ElementType` is missing")),
        without("ElementDataFile", Refused("ElementDataFile")),
        without("ElementSpacing", Warned("spacing")),
        line("NDims", "NDims = 0", Refused("`NDims` cannot be `0`")),
        line("NDims", "NDims = 1", Refused("one dimension")),
        line("NDims", "NDims = 99", Refused("`NDims` cannot be `99`")),
        line("NDims", "NDims = three", Refused("`NDims` cannot be `three`")),
        line("NDims", "NDims = -3", Refused("`NDims` cannot be `-3`")),
        line("NDims", "NDims = 4", Refused("`DimSize` cannot be")),
        line("DimSize", "DimSize = 5 4", Refused("`DimSize` cannot be")),
        line("DimSize", "DimSize = 0 4 3", Refused("`DimSize` cannot be")),
        line("DimSize", "DimSize = -5 4 3", Refused("`DimSize` cannot be")),
        line("DimSize", "DimSize = 5 4 x", Refused("`DimSize` cannot be")),
        line(
            "DimSize",
            "DimSize = 1024 1024 1024",
            Refused("2147483648 bytes of voxels expected, 120 found"),
        ),
        line("DimSize", "DimSize = 4294967296 4294967296 4294967296", Refused("too large for any memory")),
        line("DimSize", "DimSize = 99999999999999999999 4 3", Refused("`DimSize` cannot be")),
        line("DimSize", "DimSize = 5 4 4", Refused("160 bytes of voxels expected, 120 found")),
        line("ElementType", "ElementType = MET_PINK", Refused("`MET_PINK`")),
        line("ElementType", "ElementType = MET_DOUBLE", Refused("480 bytes of voxels expected, 120 found")),
        line("ElementSpacing", "ElementSpacing = 0 0 0", Refused("spacing 0 × 0 × 0 mm is not positive")),
        line("ElementSpacing", "ElementSpacing = nan nan nan", Refused("spacing NaN × NaN × NaN mm")),
        line("ElementSpacing", "ElementSpacing = 1 1", Refused("`ElementSpacing` cannot be")),
        line("ElementSpacing", "ElementSpacing = 1e999 1 1", Refused("spacing inf × 1 × 1 mm")),
        line("TransformMatrix", "TransformMatrix = 0 0 0 0 0 0 0 0 0", Refused("geometry")),
        line("TransformMatrix", "TransformMatrix = 1 0 0 1 0 0 0 0 1", Refused("geometry")),
        line("TransformMatrix", "TransformMatrix = 1 0 0", Refused("`TransformMatrix` cannot be")),
        line("Offset", "Offset = here", Refused("`Offset` cannot be `here`")),
        line("CompressedData", "CompressedData = True", Refused("cannot be inflated")),
        line("BinaryData =", "BinaryData = False", Refused("is not a voxel value of its type")),
        line("ObjectType", "ObjectType = Tube", Refused("")),
        line(
            "ElementDataFile",
            "ElementNumberOfChannels = 0\nElementDataFile = LOCAL",
            Refused("`ElementNumberOfChannels` cannot be `0`"),
        ),
        line("ElementDataFile", "ElementNumberOfChannels = 4294967295\nElementDataFile = LOCAL", Refused("")),
        line(
            "ElementDataFile",
            "HeaderSize = -2\nElementDataFile = LOCAL",
            Refused("`HeaderSize` cannot be `-2`"),
        ),
        line(
            "ElementDataFile",
            "HeaderSize = 999999999\nElementDataFile = LOCAL",
            Refused("bytes of voxels expected"),
        ),
        packed(
            "cut in the compressed voxels",
            compressed[..data + 60].to_vec(),
            Refused("120 bytes of voxels expected"),
        ),
        packed(
            "voxels that are no zlib stream",
            patched(&compressed, data, &[0xFF; 8]),
            Refused("cannot be inflated"),
        ),
        packed(
            "a flipped bit",
            patched(&compressed, data + 70, &[!compressed[data + 70]]),
            Refused("cannot be inflated"),
        ),
        packed(
            "2 GiB claimed by 2 KiB",
            read("made/metaimage/claims_2_gib.mha"),
            Refused("bytes of voxels expected"),
        ),
        packed(
            "a bomb that unpacks to 2 GiB",
            read("made/metaimage/bomb.mha"),
            Refused("2147483648 bytes of voxels expected"),
        ),
    ]
}

fn metaimage_detached() -> Vec<Case> {
    let detached = read("made/metaimage/detached.mhd");
    let list = read("made/metaimage/list.mhd");
    let voxels = read("made/metaimage/detached.raw");
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("detached.mhd: {mutation}"), "detached.mhd", bytes, expected)
    };
    let named = |name: &str| with_line(&detached, "ElementDataFile", &format!("ElementDataFile = {name}"));
    let slice = |name: &str| read(&format!("made/metaimage/{name}"));
    vec![
        case("no voxels beside it", detached.clone(), Refused("detached.raw")),
        case(
            "half the voxels beside it",
            detached.clone(),
            Refused("120 bytes of voxels expected, 60 found"),
        )
        .beside("detached.raw", voxels[..60].to_vec()),
        case("its own header as voxels", named("detached.mhd"), Warned("")),
        case("a folder as voxels", named("."), Refused("")),
        case("no name", named(""), Refused("not a file")),
        case("a name with a NUL", named("a\0b"), Refused("")),
        case("a file of the system", named("/dev/zero"), Refused("not a file")),
        case(
            "a pattern of a million files",
            named("s%d.raw 0 1000000 1"),
            Refused("more than there are rows"),
        ),
        case("a pattern that runs backwards", named("s%d.raw 9 1 1"), Refused("`ElementDataFile` cannot be")),
        case("a pattern with no step", named("s%d.raw 1 3 0"), Refused("`ElementDataFile` cannot be")),
        case("a pattern of letters", named("s%s.raw 1 3 1"), Refused("`ElementDataFile` cannot be")),
        case(
            "a pattern a million wide",
            named("s%0999999d.raw 1 3 1"),
            Refused("`ElementDataFile` cannot be"),
        ),
        case("a list that misses a file", list.clone(), Refused("slice12.raw"))
            .beside("slice08.raw", slice("slice08.raw"))
            .beside("slice10.raw", slice("slice10.raw")),
        case("a list with a short file", list.clone(), Refused("40 bytes of voxels expected, 10 found"))
            .beside("slice08.raw", slice("slice08.raw"))
            .beside("slice10.raw", slice("slice10.raw")[..10].to_vec())
            .beside("slice12.raw", slice("slice12.raw")),
        case(
            "a list of one file too few",
            list[..list.len() - "slice12.raw\n".len()].to_vec(),
            Refused("lists 2 files, 3 are needed"),
        ),
    ]
}

fn nrrd() -> Vec<Case> {
    let name = "plain.nrrd";
    let header = String::from_utf8(read("made/nrrd/pattern.nhdr")).unwrap();
    let header = header.replace("data file: slice%03d.raw 0 2 1\n", "\n");
    let voxels: Vec<u8> = (0..3).flat_map(|i| read(&format!("made/nrrd/slice00{i}.raw"))).collect();
    let file = [header.as_bytes(), &voxels].concat();
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, bytes, expected)
    };
    let line = |start: &str, line: &str, expected| case(line, with_line(&file, start, line), expected);
    let without = |start: &str, expected| case(&format!("no {start}"), without_line(&file, start), expected);
    vec![
        case("cut in the first line", file[..5].to_vec(), Refused("no NRRD header")),
        case("cut in the header", file[..60].to_vec(), Refused("is missing")),
        case(
            "cut after the header",
            file[..header.len()].to_vec(),
            Refused("120 bytes of voxels expected, 0 found"),
        ),
        case(
            "cut in the voxels",
            file[..file.len() - 20].to_vec(),
            Refused("120 bytes of voxels expected, 100 found"),
        ),
        without("type", Refused("`type` is missing")),
        without("dimension", Refused("`dimension` is missing")),
        without("sizes", Refused("`sizes` is missing")),
        without("encoding", Refused("`encoding` is missing")),
        without("endian", Refused("`endian` is missing")),
        line("dimension", "dimension: 0", Refused("`dimension` cannot be `0`")),
        line("dimension", "dimension: 999", Refused("`dimension` cannot be `999`")),
        line("dimension", "dimension: three", Refused("`dimension` cannot be `three`")),
        line("dimension", "dimension: 2", Refused("`sizes` cannot be")),
        line("sizes", "sizes: 5 4", Refused("`sizes` cannot be")),
        line("sizes", "sizes: 5 4 0", Refused("`sizes` cannot be")),
        line("sizes", "sizes: 5 4 -3", Refused("`sizes` cannot be")),
        line("sizes", "sizes: 5 4 NaN", Refused("`sizes` cannot be")),
        line("sizes", "sizes: 1024 1024 1024", Refused("2147483648 bytes of voxels expected, 120 found")),
        line("sizes", "sizes: 4294967296 4294967296 4294967296", Refused("too large for any memory")),
        line("sizes", "sizes: 5 4 4", Refused("160 bytes of voxels expected, 120 found")),
        line("type", "type: pink", Refused("`pink`")),
        line("type", "type: block", Refused("`block`")),
        line("type", "type: double", Refused("480 bytes of voxels expected, 120 found")),
        line("encoding", "encoding: pink", Refused("encoding `pink`")),
        line("encoding", "encoding: bzip2", Refused("encoding `bzip2`")),
        line("encoding", "encoding: gzip", Refused("")),
        line("encoding", "encoding: text", Refused("")),
        line("endian", "endian: middle", Refused("`endian` cannot be `middle`")),
        line("space directions", "space directions: (0,0,0) (0,0,0) (0,0,0)", Refused("0 axes in space")),
        line("space directions", "space directions: (1,0,0) (1,0,0) (0,0,1)", Refused("geometry")),
        line("space directions", "space directions: (1,0,0)", Refused("`space directions` cannot be")),
        line(
            "space directions",
            "space directions: (1,0,0) (0,1,0) (0,0",
            Refused("`space directions` cannot be"),
        ),
        line(
            "space directions",
            "space directions: (nan,0,0) (0,1,0) (0,0,1)",
            Refused("`space directions` cannot be"),
        ),
        line("space origin", "space origin: (1,2)", Refused("`space origin` cannot be")),
        line("space origin", "space origin: here", Refused("`space origin` cannot be `here`")),
        line("space origin", "byte skip: 999999999", Refused("bytes of voxels expected")),
        line("space origin", "byte skip: -2", Refused("`byte skip` cannot be `-2`")),
        line("space origin", "line skip: 4000000000", Refused("fewer lines")),
        line("space origin", "no field at all", Refused("is no NRRD field")),
        case(
            "a bomb that unpacks to 2 GiB",
            read("made/nrrd/bomb.nrrd"),
            Refused("2147483648 bytes of voxels expected"),
        )
        .deflated(),
        case(
            "2 GiB claimed by 2 KiB",
            read("made/nrrd/claims_2_gib.nrrd"),
            Refused("bytes of voxels expected"),
        )
        .deflated(),
    ]
}

fn nrrd_detached() -> Vec<Case> {
    let list = read("made/nrrd/list.nhdr");
    let pattern = read("made/nrrd/pattern.nhdr");
    let case = |mutation: &str, bytes: Vec<u8>, expected: Expected| {
        Case::file(format!("detached.nhdr: {mutation}"), "detached.nhdr", bytes, expected)
    };
    let named = |name: &str| with_line(&pattern, "data file", &format!("data file: {name}"));
    let slice = |i: usize| (format!("slice00{i}.raw"), read(&format!("made/nrrd/slice00{i}.raw")));
    let ((first, a), (second, b)) = (slice(0), slice(1));
    vec![
        case("no voxels beside it", named("voxels.raw"), Refused("voxels.raw")),
        case("a file of the system", named("/dev/zero"), Refused("not a file")),
        case("a list that misses a file", list.clone(), Refused("slice002.raw"))
            .beside(&first, a.clone())
            .beside(&second, b.clone()),
        case("a pattern that misses a file", pattern.clone(), Refused("slice002.raw"))
            .beside(&first, a.clone())
            .beside(&second, b),
        case(
            "a pattern of a million files",
            named("s%d.raw 0 1000000 1"),
            Refused("more than there are rows"),
        ),
        case("a pattern that runs backwards", named("s%d.raw 9 1 1"), Refused("`data file` cannot be")),
        case("a list of no files", list[..list.len() - 39].to_vec(), Refused("")),
        case("a list with a short file", list, Refused("bytes of voxels expected"))
            .beside(&first, a.clone())
            .beside(&second, a[..10].to_vec())
            .beside("slice002.raw", a),
    ]
}
