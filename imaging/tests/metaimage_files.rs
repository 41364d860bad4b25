//! MetaImage files against what SimpleITK reads from them.

mod expected;

use expected::{check_all, made, open, refusal, refusal_after, replace};

#[test]
fn every_made_file_has_the_values_and_the_place_that_simpleitk_finds() {
    check_all("metaimage/");
}

#[test]
fn what_cannot_be_shown_is_refused_by_name() {
    let check = |name: &str, text: &str| {
        let message = refusal(&made(name));
        assert!(message.contains(text), "{name}: {message}");
    };
    check("metaimage/text.mha", "file is truncated: 120 bytes of voxels expected, 6 found");
    check("metaimage/tube.mha", "a MetaIO object of type `Tube` is not supported");
    check("metaimage/claims_2_gib.mha", "file is truncated: 2147483648 bytes of voxels expected, 1800 found");
    check("metaimage/bomb.mha", "file is truncated: 2147483648 bytes of voxels expected");
    let message = refusal(&made("metaimage/missing_data.mhd"));
    assert!(message.contains("gone.raw") && message.contains("cannot read"), "{message}");
}

#[test]
fn voxels_written_as_text_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("text.mha");
    let mut bytes = std::fs::read(made("metaimage/text.mha")).unwrap();
    let values: Vec<i16> = (0..60).map(|i| i * 7 - 200).collect();
    let text: Vec<String> = values.iter().map(i16::to_string).collect();
    replace(&mut bytes, "1 2 3\n", &format!("{}\n", text.join(" ")));
    std::fs::write(&path, &bytes).unwrap();
    assert_eq!(*open(&path).unwrap().voxels(), values.into());
    replace(&mut bytes, "-200 ", "minus ");
    std::fs::write(&path, &bytes).unwrap();
    assert!(refusal(&path).contains("`minus` is not a voxel value"), "{}", refusal(&path));
}

#[test]
fn broken_headers_say_what_is_wrong() {
    let check = |from: &str, to: &str, text: &str| {
        let message = refusal_after("metaimage/big_endian.mha", |bytes| replace(bytes, from, to));
        assert!(message.contains(text), "{from} → {to}: {message}");
    };
    check("DimSize = 5 4 3", "DimSize = 5 -4 3", "`DimSize` cannot be `5 -4 3`");
    check("DimSize = 5 4 3", "DimSize = 5 four 3", "`DimSize` cannot be `5 four 3`");
    check("DimSize = 5 4 3", "DimSize = 5 0 3", "`DimSize` cannot be `5 0 3`");
    check("DimSize = 5 4 3", "DimSize = 5 4", "`DimSize` cannot be `5 4`");
    check("DimSize = 5 4 3\n", "", "`DimSize` is missing");
    check("NDims = 3", "NDims = 99999999999", "`NDims` cannot be `99999999999`");
    check("DimSize = 5 4 3", "DimSize = 4294967296 4294967296 3", "too large for any memory");
    check("Offset = 1 2 3", "Offset = 1 2", "`Offset` cannot be `1 2`");
    check("Offset = 1 2 3", "Offset = 1 2 nan", "unusable geometry");
    check("ElementSpacing = 0.5 0.75 2", "ElementSpacing = 0.5 0 2", "is not positive and finite");
    check("MET_SHORT", "MET_QUATERNION", "the MetaImage element type `MET_QUATERNION` is not supported");
    check("ElementDataFile", "ElementDateFile", "the MetaImage header has no `ElementDataFile`");
    check("LOCAL", "a%09d.raw 1 999999999 1", "names 999999999 files, more than there are rows");
    check("LOCAL", "LIST", "files, 3 are needed");
    check("MET_SHORT", "MET_SHORT\nElementNumberOfChannels = 0", "`ElementNumberOfChannels` cannot be `0`");
    let cut = refusal_after("metaimage/big_endian.mha", |b| b.truncate(b.len() - 1));
    assert!(cut.contains("120 bytes of voxels expected, 119 found"), "{cut}");
    let cut = refusal_after("metaimage/int16.mha", |b| b.truncate(b.len() - 30));
    assert!(cut.contains("file is truncated: 120 bytes of voxels expected"), "{cut}");
}
