//! Compressed pixels and the ways to write a colour.
//!
//! The compressed frames lie in `assets/`, made by the script beside them; none of our decoders had a part in it.

use imaging::phantom::dicom_file::{Elements, object};
use imaging::volume::Volume;

use crate::phantoms::{SECONDARY_CAPTURE, indices, pixels, worst};
use crate::workplace::Workplace;
use crate::{Measured, SelftestError};

const GREY_SIZE: [usize; 2] = [32, 24];
const BLOCK_PX: usize = 16;
const BLOCKS: [[[u8; 3]; 4]; 2] = [
    [[200, 30, 60], [20, 180, 90], [40, 70, 220], [250, 240, 10]],
    [[255, 255, 255], [0, 0, 0], [128, 64, 192], [90, 160, 210]],
];
const COLOR_SIZE: [usize; 2] = [4 * BLOCK_PX, 2 * BLOCK_PX];

const RLE: &str = "1.2.840.10008.1.2.5";

fn grey_value(column: usize, row: usize) -> u16 {
    (100 * column + 41 * row) as u16
}

fn color_value(column: usize, row: usize) -> [u8; 3] {
    BLOCKS.get(row / BLOCK_PX).and_then(|line| line.get(column / BLOCK_PX)).copied().unwrap_or_default()
}

fn places([columns, rows]: [usize; 2]) -> impl Iterator<Item = (usize, usize)> {
    (0..rows).flat_map(move |row| (0..columns).map(move |column| (column, row)))
}

pub(super) fn grey(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let samples: Vec<u16> = places(GREY_SIZE).map(|(column, row)| grey_value(column, row)).collect();
    let high: Vec<u8> = samples.iter().map(|v| (v >> 8) as u8).collect();
    let low: Vec<u8> = samples.iter().map(|v| *v as u8).collect();
    let rle = rle_frame(&[&high, &low]);
    let cases: [(&str, &str, &[u8]); 5] = [
        ("JPEG lossless", "1.2.840.10008.1.2.4.70", include_bytes!("../../assets/grey.ljpg")),
        ("JPEG-LS", "1.2.840.10008.1.2.4.80", include_bytes!("../../assets/grey.jls")),
        ("JPEG 2000", "1.2.840.10008.1.2.4.90", include_bytes!("../../assets/grey.j2k")),
        ("HTJ2K", "1.2.840.10008.1.2.4.201", include_bytes!("../../assets/grey.jhc")),
        ("RLE", RLE, &rle),
    ];
    let mut deviation = 0.0f64;
    for (name, transfer_syntax, frame) in cases {
        let [columns, rows] = GREY_SIZE;
        let file = pixels(object(SECONDARY_CAPTURE, "OT"), columns, rows, 16).encapsulated(&[frame]);
        let (_, volume) = workplace.open(&[file.file_as(transfer_syntax)]).map_err(|e| named(name, &e))?;
        deviation = deviation.max(worst(indices(&volume).map(|[x, y, z]| {
            volume.value_at([x, y, z], 0, 0).map_or(f64::NAN, |v| v - f64::from(grey_value(x, y)))
        })));
    }
    Ok(Measured { deviation, limit: 0.0, unit: "stored units" })
}

fn named(name: &str, error: &SelftestError) -> SelftestError {
    let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
    SelftestError::unexpected(format!("{name}: {error}{cause}"))
}

fn colored(photometric: &str, is_planar: bool) -> Elements {
    let [columns, rows] = COLOR_SIZE;
    pixels(object(SECONDARY_CAPTURE, "OT"), columns, rows, 8)
        .us(0x0028_0002, &[3])
        .us(0x0028_0006, &[u16::from(is_planar)])
        .text(0x0028_0004, "CS", photometric)
}

fn color_deviation(volume: &Volume, is_counted: impl Fn(usize, usize) -> bool) -> f64 {
    worst(indices(volume).filter(|[x, y, _]| is_counted(*x, *y)).flat_map(|[x, y, z]| {
        let expected = color_value(x, y);
        let found = [0, 1, 2].map(|channel| volume.value_at([x, y, z], channel, 0).unwrap_or(f64::NAN));
        [0, 1, 2].map(|c| found[c] - f64::from(expected[c]))
    }))
}

pub(super) fn color(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let rgb: Vec<[u8; 3]> = places(COLOR_SIZE).map(|(column, row)| color_value(column, row)).collect();
    let channel = |c: usize| rgb.iter().map(|pixel| pixel[c]).collect::<Vec<u8>>();
    let planes = [channel(0), channel(1), channel(2)];
    let rle = rle_frame(&[&planes[0], &planes[1], &planes[2]]);
    let native = |elements: Elements, bytes: &[u8]| elements.bytes(0x7FE0_0010, "OB", bytes).file();
    let compressed = |photometric, uid: &str, frame: &[u8]| {
        colored(photometric, false).encapsulated(&[frame]).file_as(uid)
    };
    let jls = include_bytes!("../../assets/color.jls");
    let j2k = include_bytes!("../../assets/color.j2k");
    let cases = [
        ("RGB", native(colored("RGB", false), rgb.as_flattened())),
        ("planar RGB", native(colored("RGB", true), &planes.concat())),
        ("palette", palette()),
        ("RLE", compressed("RGB", RLE, &rle)),
        ("JPEG-LS", compressed("RGB", "1.2.840.10008.1.2.4.80", jls)),
        ("JPEG 2000", compressed("YBR_RCT", "1.2.840.10008.1.2.4.90", j2k)),
    ];
    let mut deviation = 0.0f64;
    for (name, file) in cases {
        let (_, volume) = workplace.open(&[file]).map_err(|e| named(name, &e))?;
        // Palettes have 16 bits per colour.
        let scale = if volume.voxels().type_name() == "uint16" { 257.0 } else { 1.0 };
        deviation = deviation.max(worst(indices(&volume).flat_map(|[x, y, z]| {
            let expected = color_value(x, y);
            [0, 1, 2].map(|c| {
                let found = volume.value_at([x, y, z], c, 0).unwrap_or(f64::NAN);
                found / scale - f64::from(expected[c])
            })
        })));
    }
    let ybr: Vec<u8> = rgb.iter().flat_map(|pixel| ybr_full(*pixel)).collect();
    let (_, volume) = workplace.open(&[native(colored("YBR_FULL", false), &ybr)])?;
    // The three numbers are rounded on the way there and on the way back.
    let rounded = color_deviation(&volume, |_, _| true);
    Ok(Measured { deviation: deviation.max((rounded - 2.0).max(0.0)), limit: 0.0, unit: "levels" })
}

/// Source: DICOM PS3.3 C.7.6.3.1.2.
fn ybr_full([r, g, b]: [u8; 3]) -> [u8; 3] {
    let [r, g, b] = [r, g, b].map(f64::from);
    let y = 0.299 * r + 0.587 * g + 0.114 * b;
    let cb = -0.168_736 * r - 0.331_264 * g + 0.5 * b + 128.0;
    let cr = 0.5 * r - 0.418_688 * g - 0.081_312 * b + 128.0;
    [y, cb, cr].map(|v| v.round().clamp(0.0, 255.0) as u8)
}

/// One palette entry per block, the first mapped value being 3.
fn palette() -> Vec<u8> {
    const FIRST: u16 = 3;
    let [columns, rows] = COLOR_SIZE;
    let entries: Vec<[u8; 3]> = BLOCKS.iter().flatten().copied().collect();
    let table = |c: usize| -> Vec<u8> {
        entries.iter().flat_map(|entry| (u16::from(entry[c]) * 257).to_le_bytes()).collect()
    };
    let stored: Vec<u8> = places(COLOR_SIZE)
        .map(|(column, row)| (row / BLOCK_PX * 4 + column / BLOCK_PX) as u8 + FIRST as u8)
        .collect();
    let mut file = pixels(object(SECONDARY_CAPTURE, "OT"), columns, rows, 8)
        .text(0x0028_0004, "CS", "PALETTE COLOR")
        .bytes(0x7FE0_0010, "OB", &stored);
    for (c, tag) in [0x0028_1101, 0x0028_1102, 0x0028_1103].into_iter().enumerate() {
        file = file.us(tag, &[entries.len() as u16, FIRST, 16]).bytes(tag + 0x100, "OW", &table(c));
    }
    file.file()
}

pub(super) fn color_jpeg(workplace: &Workplace) -> Result<Measured, SelftestError> {
    let frame = include_bytes!("../../assets/color.jpg");
    let file = colored("YBR_FULL_422", false).encapsulated(&[frame]).file_as("1.2.840.10008.1.2.4.50");
    let (_, volume) = workplace.open(&[file])?;
    // Decoders may smooth colour across the edges of blocks; their middles are flat.
    let is_middle = |i: usize| (4..12).contains(&(i % BLOCK_PX));
    let deviation = color_deviation(&volume, |x, y| is_middle(x) && is_middle(y));
    Ok(Measured { deviation, limit: 3.0, unit: "levels" })
}

/// An RLE frame of literal runs, one segment per byte plane. Source: DICOM PS3.5 Annex G.
fn rle_frame(planes: &[&[u8]]) -> Vec<u8> {
    let mut segments: Vec<Vec<u8>> = Vec::new();
    for plane in planes {
        let mut segment = Vec::new();
        for run in plane.chunks(128) {
            segment.push((run.len() - 1) as u8);
            segment.extend(run);
        }
        if segment.len() % 2 == 1 {
            // A byte that means nothing.
            segment.push(0x80);
        }
        segments.push(segment);
    }
    let mut header = [0u32; 16];
    header[0] = segments.len() as u32;
    let mut offset = 64;
    for (place, segment) in header.iter_mut().skip(1).zip(&segments) {
        *place = offset;
        offset += segment.len() as u32;
    }
    let mut frame: Vec<u8> = header.iter().flat_map(|v| v.to_le_bytes()).collect();
    frame.extend(segments.concat());
    frame
}
