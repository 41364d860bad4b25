//! Series of several files, and functional groups of enhanced objects.

use crate::dicom_writer::{ENHANCED_CT_CLASS, Item, image};
use crate::good::{self, PIXEL_DATA, place, slice};
use crate::{Case, Expected, Refused, Shown, Warned};

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = series();
    cases.extend(enhanced());
    cases
}

fn stack(count: i64) -> Vec<Item> {
    (0..count).map(|i| slice(i + 1, i as f64 * 2.0)).collect()
}

fn files(items: &[Item]) -> Vec<(String, Vec<u8>)> {
    items.iter().enumerate().map(|(i, item)| (format!("{i:03}.dcm"), item.file())).collect()
}

fn series() -> Vec<Case> {
    let case = |mutation: &str, items: Vec<Item>, expected: Expected| {
        Case::folder(format!("stack: {mutation}"), files(&items), expected)
    };
    let with = |i: usize, change: &dyn Fn(Item) -> Item| {
        let mut items = stack(8);
        items[i] = change(items[i].clone());
        items
    };
    let without = |i: usize| {
        let mut items = stack(8);
        items.remove(i);
        items
    };
    let mut broken = files(&stack(8));
    broken[3].1.truncate(451);
    let mut short = files(&stack(8));
    let len = short[3].1.len();
    short[3].1.truncate(len - 100);
    let mut text = files(&stack(8));
    text[3].1 = b"not at all an image".to_vec();
    let mut empty = files(&stack(8));
    empty[3].1.clear();
    vec![
        case("one slice missing", without(3), Warned("1 slice is missing (after slice 3)")),
        case("one slice twice", with(3, &|_| slice(3, 4.0)), Warned("duplicate")),
        case("one slice of another size", with(3, &|item| item.us(0x0028_0010, &[8])), Warned("split")),
        case(
            "one slice turned",
            with(3, &|item| item.ds(0x0020_0037, &[0.0, 1.0, 0.0, 0.0, 0.0, -1.0])),
            Warned("split"),
        ),
        case("one slice without position", with(3, &|item| item.without(0x0020_0032)), Warned("split")),
        case(
            "one slice 1e6 mm away",
            with(7, &|item| item.ds(0x0020_0032, &[-7.5, -7.5, 1e6])),
            Warned("lie far apart"),
        ),
        case(
            "one slice half a millimetre off",
            with(3, &|item| item.ds(0x0020_0032, &[-7.5, -7.5, 6.5])),
            Warned("slice spacing varies"),
        ),
        case(
            "one slice shifted sideways",
            with(3, &|item| item.ds(0x0020_0032, &[2.5, -7.5, 6.0])),
            Warned("shifted"),
        ),
        case(
            "one slice of other pixel spacing",
            with(3, &|item| item.ds(0x0028_0030, &[3.0, 3.0])),
            Warned("split"),
        ),
        case(
            "one slice of other rescale",
            with(3, &|item| item.ds(0x0028_1053, &[2.0])),
            Warned("rescale differs"),
        ),
        case(
            "one slice of another frame of reference",
            with(3, &|item| item.text(0x0020_0052, b"UI", "9.9")),
            Warned("frame of reference differs"),
        ),
        // Too few to tell a frame of reference from what de-identification leaves.
        case(
            "one of four slices of another frame of reference",
            stack(4)
                .into_iter()
                .enumerate()
                .map(|(i, item)| item.text(0x0020_0052, b"UI", if i == 3 { "9.9" } else { "9.8" }))
                .collect(),
            Warned("2 frames of reference"),
        ),
        case("one slice unsigned", with(3, &|item| item.us(0x0028_0103, &[0])), Warned("split")),
        case(
            "one slice of colour",
            with(3, &|item| item.text(0x0028_0004, b"CS", "RGB").us(0x0028_0002, &[3])),
            Warned(""),
        ),
        case("all slices at one place", (0..8).map(|i| slice(i + 1, 0.0)).collect(), Warned("")),
        case(
            "no positions at all",
            stack(8).into_iter().map(|item| item.without(0x0020_0032)).collect(),
            Warned("stacked by number"),
        ),
        case(
            "all instance numbers the same",
            stack(8).into_iter().map(|item| item.is(0x0020_0013, 1)).collect(),
            Shown,
        ),
        case(
            "all UIDs the same",
            stack(8).into_iter().map(|item| item.text(0x0008_0018, b"UI", "1.2")).collect(),
            Shown,
        ),
        case(
            "no UIDs",
            stack(8).into_iter().map(|item| item.without(0x0008_0018).without(0x0020_000E)).collect(),
            Shown,
        ),
        Case::folder("stack: one file cut in the header", broken, Warned("in the middle of the header")),
        Case::folder("stack: one file cut in the pixels", short, Warned("truncated")),
        Case::folder("stack: one file of text", text, Warned("unknown format")),
        Case::folder("stack: one file of nothing", empty, Warned("the file is empty")),
    ]
}

/// An enhanced CT of four frames, two millimetres apart.
fn multi_frame(frames: &[Item]) -> Item {
    let shared = Item::default()
        .sequence(0x0020_9116, &[Item::default().ds(0x0020_0037, &[1.0, 0.0, 0.0, 0.0, 1.0, 0.0])])
        .sequence(0x0028_9110, &[Item::default().ds(0x0028_0030, &[1.0, 1.0])]);
    image(8, 8)
        .text(0x0008_0016, b"UI", ENHANCED_CT_CLASS)
        .is(0x0028_0008, 4)
        .sequence(0x5200_9229, &[shared])
        .sequence(0x5200_9230, frames)
        .pixels(&[7; 256])
}

fn frame(z: f64) -> Item {
    Item::default().sequence(0x0020_9113, &[Item::default().ds(0x0020_0032, &[0.0, 0.0, z])])
}

fn enhanced() -> Vec<Case> {
    let name = "enhanced.dcm";
    let frames = || [0.0, 2.0, 4.0, 6.0].map(frame);
    let good = multi_frame(&frames());
    let case = |mutation: &str, item: &Item, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, item.file(), expected)
    };
    let file = good.file();
    let groups = place(&file, 0x5200_9230);
    let cut = |mutation: &str, at: usize, expected: Expected| {
        Case::file(format!("{name}: {mutation}"), name, file[..at].to_vec(), expected)
    };
    vec![
        case(
            "three per-frame headers for four frames",
            &multi_frame(&frames()[..3]),
            Warned("4 frames but 3 per-frame headers"),
        ),
        case("five frames claimed", &good.clone().is(0x0028_0008, 5), Warned("says 5 frames but holds 4")),
        case(
            "four billion frames claimed",
            &good.clone().text(0x0028_0008, b"IS", "4294967295"),
            Warned("but holds 4"),
        ),
        case("no per-frame headers", &good.clone().without(0x5200_9230), Warned("position")),
        case("no shared headers", &good.clone().without(0x5200_9229), Warned("spacing")),
        case(
            "empty per-frame headers",
            &multi_frame(&[0, 0, 0, 0].map(|_| Item::default())),
            Warned("position"),
        ),
        case(
            "a per-frame position that is no number",
            &multi_frame(&[frame(0.0), frame(f64::NAN), frame(4.0), frame(6.0)]),
            Warned("split"),
        ),
        case(
            "a frame 1e12 mm away",
            &multi_frame(&[frame(0.0), frame(2.0), frame(4.0), frame(1e12)]),
            Warned("position is missing in some"),
        ),
        case("all frames at one place", &multi_frame(&[0.0; 4].map(frame)), Warned("")),
        cut(
            "cut in the per-frame headers",
            groups.value_at + groups.len / 2,
            Refused("in the middle of the header"),
        ),
        cut("cut before the pixels", place(&file, PIXEL_DATA).at, Refused("no pixel data")),
        cut(
            "cut in the second frame",
            place(&file, PIXEL_DATA).value_at + 200,
            Warned("says 4 frames but holds 1"),
        ),
        cut(
            "cut in the first frame",
            place(&file, PIXEL_DATA).value_at + 100,
            Refused("128 bytes of voxels expected, 100 found"),
        ),
        Case::file(
            format!("{name}: per-frame headers longer than the file"),
            name,
            groups.with_length(&file, 0x7FFF_FFFF),
            Refused("in the middle of the header"),
        ),
        Case::file(
            format!("{name}: an item longer than its sequence"),
            name,
            good::patched(&file, groups.value_at + 4, &[0xFE, 0xFF, 0xFF, 0x7F]),
            Warned("4 frames but 1 per-frame headers"),
        ),
    ]
}
