//! NRRD files against what SimpleITK and pynrrd read from them.

mod expected;

use expected::{check_all, made, open, refusal, refusal_after, replace, truths};

#[test]
fn every_made_file_has_the_values_and_the_place_that_others_find() {
    check_all("nrrd/");
}

#[test]
fn labels_as_nrrd_lie_on_the_same_voxels_at_the_same_place_as_nifti() {
    let (folder, _) = truths().remove(0);
    let volume = open(&folder.join("head-mr-brain1_label.nrrd")).unwrap();
    let twin = open(&folder.join("head-mr-brain1_label.nii.gz")).unwrap();
    assert_eq!(volume.voxels(), twin.voxels());
    assert!(volume.geometry().lps_from_index().abs_diff_eq(twin.geometry().lps_from_index(), 1e-4));
}

#[test]
fn what_cannot_be_shown_is_refused_by_name() {
    let check = |name: &str, text: &str| {
        let message = refusal(&made(name));
        assert!(message.contains(text), "{name}: {message}");
    };
    check("nrrd/bzip2.nrrd", "the NRRD encoding `bzip2` is not supported");
    check("nrrd/claims_2_gib.nrrd", "file is truncated: 2147483648 bytes of voxels expected, 1800 found");
    check("nrrd/bomb.nrrd", "file is truncated: 2147483648 bytes of voxels expected");
    let message = refusal(&made("nrrd/missing_data.nhdr"));
    assert!(message.contains("gone.raw") && message.contains("cannot read"), "{message}");
}

#[test]
fn broken_headers_say_what_is_wrong() {
    let check = |from: &str, to: &str, text: &str| {
        let message = refusal_after("nrrd/LPS.nrrd", |bytes| replace(bytes, from, to));
        assert!(message.contains(text), "{from} → {to}: {message}");
    };
    check("sizes: 5 4 3", "sizes: 5 -4 3", "`sizes` cannot be `5 -4 3`");
    check("sizes: 5 4 3", "sizes: 5 four 3", "`sizes` cannot be `5 four 3`");
    check("sizes: 5 4 3", "sizes: 5 0 3", "`sizes` cannot be `5 0 3`");
    check("sizes: 5 4 3", "sizes: 5 4", "`sizes` cannot be `5 4`");
    check("sizes: 5 4 3\n", "", "`sizes` is missing");
    check("dimension: 3", "dimension: 17", "`dimension` cannot be `17`");
    check("sizes: 5 4 3", "sizes: 4294967296 4294967296 3", "too large for any memory");
    check("type: short", "type: block", "the NRRD type `block` is not supported");
    check("encoding: raw", "encoding: hex", "the NRRD encoding `hex` is not supported");
    check("endian: little\n", "", "`endian` is missing");
    check("endian: little", "endian: middle", "`endian` cannot be `middle`");
    check("(0,0.5,0)", "(0,half,0)", "`space directions` cannot be");
    check("(0,0.5,0)", "(0,0.5,0", "`space directions` cannot be");
    check("(0,0.5,0) ", "", "`space directions` cannot be");
    check("(0,0.5,0)", "(0,inf,0)", "unusable geometry");
    check("space origin: (1,2,3)", "space origin: nowhere", "`space origin` cannot be `nowhere`");
    check("encoding: raw", "encoding: raw\nbyte skip: -2", "`byte skip` cannot be `-2`");
    check("encoding: raw", "encoding: raw\nline skip: 4000", "the file has fewer lines");
    check("encoding: raw", "encoding: raw\ndata file: a%09d.raw 1 999999999 1", "names 999999999 files");
    check("encoding: raw", "encoding: raw\nkinds: domain domain complex", "complex numbers along axis 3");
    check("NRRD0004", "NRRDnone", "no NRRD header");
    let cut = refusal_after("nrrd/LPS.nrrd", |b| b.truncate(b.len() - 1));
    assert!(cut.contains("120 bytes of voxels expected, 119 found"), "{cut}");
    let wrong = refusal_after("nrrd/text.nrrd", |b| *b.last_mut().unwrap() = b'x');
    assert!(wrong.contains("is not a voxel value of its type"), "{wrong}");
}
