//! Files cut at every structural point: before, inside and after tag, length and value of each element.

use crate::good::{self, PIXEL_DATA, tag_text};
use crate::{Case, Expected, Refused};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = elements();
    cases.extend(starts());
    for (name, file) in [
        ("implicit.dcm", good::read("dicom/codec-other/MR_small_implicit.dcm")),
        ("big.dcm", good::read("dicom/codec-other/MR_small_bigendian.dcm")),
    ] {
        // 64 × 64 samples of two bytes end the file.
        let pixels_at = file.len() - 8192;
        for percent in [25, 50, 75] {
            let at = (pixels_at * percent / 100) | 1;
            let mutation = format!("{name}: header cut at {percent} percent");
            cases.push(Case::file(mutation, name, file[..at].to_vec(), Refused("middle of the header")));
            let at = pixels_at + 8192 * percent / 100;
            let mutation = format!("{name}: pixels cut at {percent} percent");
            let expected = Refused("8192 bytes of voxels expected");
            cases.push(Case::file(mutation, name, file[..at].to_vec(), expected));
        }
    }
    cases
}

/// The classic slice, cut at four points of each of its elements.
fn elements() -> Vec<Case> {
    let file = good::classic().file();
    let mut cases = Vec::new();
    for place in good::places(&file) {
        let tag = tag_text(place.tag);
        let is_meta = place.tag >> 16 == 2;
        let points = [
            ("before", place.at),
            ("inside the tag of", place.at + 3),
            ("inside the length of", place.value_at - 1),
            ("before the value of", place.value_at),
            ("inside the value of", place.value_at + place.len / 2),
        ];
        for (what, at) in points {
            if what == "inside the value of" && place.len < 2 {
                continue;
            }
            let expected: Expected = match place.tag {
                PIXEL_DATA if at >= place.value_at => Refused("512 bytes of voxels expected"),
                _ if is_meta => Refused("file header"),
                _ if at == place.at => Refused("holds no pixel data"),
                _ => Refused("in the middle of the header"),
            };
            cases.push(Case::file(
                format!("classic.dcm: cut {what} {tag}"),
                "classic.dcm",
                file[..at].to_vec(),
                expected,
            ));
        }
    }
    cases
}

/// Files that end before anything is said.
fn starts() -> Vec<Case> {
    let file = good::classic().file();
    vec![
        Case::file("classic.dcm: nothing", "classic.dcm", Vec::new(), Refused("the file is empty")),
        Case::file("classic.dcm: one byte", "classic.dcm", file[..1].to_vec(), Refused("unknown format")),
        Case::file("classic.dcm: preamble", "classic.dcm", file[..128].to_vec(), Refused("unknown format")),
        Case::file(
            "classic.dcm: half the mark",
            "classic.dcm",
            file[..130].to_vec(),
            Refused("unknown format"),
        ),
        Case::file("classic.dcm: the mark alone", "x", file[..132].to_vec(), Refused("file header")),
    ]
}
