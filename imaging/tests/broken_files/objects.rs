//! Segmentations, contours, reports and documents.

use crate::good::{self, PIXEL_DATA, place, places};
use crate::{Case, Expected, Refused, Warned};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = cuts();
    cases.extend(segmentation());
    cases.extend(contours());
    cases.extend(documents());
    cases
}

fn object(name: &str, mutation: &str, bytes: Vec<u8>, expected: Expected) -> Case {
    Case::file(format!("{name}: {mutation}"), name, bytes, expected)
}

/// Every kind of object, cut in its longest element and in the file's first third.
fn cuts() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, path) in [
        ("seg.dcm", "dicom/seg-pm/seg_image_ct_binary.dcm"),
        ("rtstruct.dcm", "dicom/rt/rtstruct.dcm"),
        ("report.dcm", "dicom/sr-wave-other/reportsi.dcm"),
        ("document.dcm", "dicom/sr-wave-other/encapsulated_pdf.dcm"),
    ] {
        let file = good::read(path);
        for (mutation, part) in [("a third", 3), ("half", 2)] {
            let at = (file.len() / part) | 1;
            cases.push(object(
                name,
                &format!("cut to {mutation}"),
                file[..at].to_vec(),
                Refused("in the middle of the header"),
            ));
        }
    }
    cases
}

/// Replaces the bytes of one element's value, keeping its length.
fn with_value(file: &[u8], tag: u32, value: &[u8]) -> Vec<u8> {
    let place = place(file, tag);
    let mut padded = value.to_vec();
    padded.resize(place.len, b' ');
    good::patched(file, place.value_at, &padded)
}

fn segmentation() -> Vec<Case> {
    let name = "seg.dcm";
    let file = good::read("dicom/seg-pm/seg_image_ct_binary.dcm");
    let pixels = place(&file, PIXEL_DATA);
    let us = |tag: u32, value: u16| with_value(&file, tag, &value.to_le_bytes());
    let without = |tag: u32| {
        let place = place(&file, tag);
        [&file[..place.at], &file[place.end()..]].concat()
    };
    vec![
        object(name, "no rows", us(0x0028_0010, 0), Refused("rows")),
        object(
            name,
            "65535 rows and columns",
            {
                let tall = us(0x0028_0010, 65535);
                with_value(&tall, 0x0028_0011, &65535u16.to_le_bytes())
            },
            Refused("truncated"),
        ),
        object(name, "no pixels", file[..pixels.at].to_vec(), Refused("pixel data")),
        object(
            name,
            "pixels cut after two bytes",
            file[..pixels.value_at + 2].to_vec(),
            Refused("truncated"),
        ),
        object(name, "without per-frame headers", without(0x5200_9230), Warned("0 per-frame headers")),
        object(name, "without segments", without(0x0062_0002), Warned("segment")),
        object(name, "of an unknown type", with_value(&file, 0x0062_0001, b"PINK"), Refused("PINK")),
        object(name, "9 bits allocated", us(0x0028_0100, 9), Refused("9 bits allocated")),
        object(name, "a million frames", with_value(&file, 0x0028_0008, b"99"), Warned("says 99 frames")),
    ]
}

fn contours() -> Vec<Case> {
    let name = "rtstruct.dcm";
    let file = good::read("dicom/rt/rtstruct.dcm");
    let find = |tag: [u8; 4]| file.windows(4).position(|bytes| bytes == tag).unwrap();
    // Implicit VR: tag, length of four bytes, value.
    let points = find([0x06, 0x30, 0x50, 0x00]);
    let explicit = file[points + 4].is_ascii_uppercase();
    let value_at = points + 8;
    let _ = explicit;
    vec![
        object(name, "contour points in words", good::patched(&file, value_at, b"abc\\"), Warned("left out")),
        object(
            name,
            "a contour longer than the file",
            {
                let at = if explicit { points + 6 } else { points + 4 };
                good::patched(&file, at, &[0xFE, 0xFF])
            },
            Refused("in the middle of the header"),
        ),
        object(
            name,
            "without contours",
            {
                let last = places_or_end(&file, 0x3006_0039);
                file[..last].to_vec()
            },
            Warned(""),
        ),
    ]
}

/// Where an element of the outermost data set begins.
fn places_or_end(file: &[u8], tag: u32) -> usize {
    places(file).iter().find(|place| place.tag == tag).map_or(file.len(), |place| place.at)
}

fn documents() -> Vec<Case> {
    let name = "document.dcm";
    let file = good::read("dicom/sr-wave-other/encapsulated_pdf.dcm");
    let document = place(&file, 0x0042_0011);
    vec![
        object(
            name,
            "a document of 4 GiB by its length",
            document.with_length(&file, 0xFFFF_FFFE),
            Refused("document"),
        ),
        object(
            name,
            "a document of no length",
            document.with_length(&file[..document.value_at], 0),
            Refused("document"),
        ),
        object(name, "no document", file[..document.at].to_vec(), Refused("document")),
        object(
            name,
            "a document cut in the middle",
            file[..document.value_at + document.len / 2].to_vec(),
            Refused("document"),
        ),
    ]
}
