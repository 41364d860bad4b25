//! The volume pass: bands of packets on all cores, in AVX2 where the processor has it.
#![expect(unsafe_code, reason = "calls the kernels compiled for AVX2")]

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::bricks::{BrickTable, Bricks};
use super::composite::{CompositeView, Pool, composite, seek};
use super::lanes::{Avx2, Lanes, Portable, WIDTH};
use super::mip::{MipView, maximum};
use super::patch::PatchSampler;
use super::rays::{PACKET_HEIGHT, PACKET_WIDTH, Packet, Ray, RayMaker};
use crate::image::{ImageF32, decode_srgb};
use crate::scene::GreyMapping;

/// Rows of pixels that one task draws.
const BAND: usize = 8;
/// A band is drawn in tiles of this many pixels across, so that neighbours meet in the cache.
const TILE: usize = 128;

/// What a packet becomes.
pub(crate) enum Pass<'a> {
    Composite(CompositeView<'a>),
    Mip(MipView<'a>, GreyMapping),
}

/// Draws all pixels; `None` if cancelled on the way.
pub(crate) fn draw(
    pass: &Pass<'_>,
    voxels: (&Bricks, &BrickTable),
    rays: &RayMaker,
    size_px: [u32; 2],
    options: super::Options<'_>,
) -> Option<ImageF32> {
    let mut image = ImageF32::new(size_px[0], size_px[1]);
    let width = size_px[0] as usize;
    let avx2 = if options.is_portable { None } else { Avx2::detect() };
    image.pixels.par_chunks_mut(width * BAND).enumerate().for_each(|(band, pixels)| {
        if options.is_cancelled() {
            return;
        }
        let band = Band { pass, voxels, rays, first_row: band * BAND, width, pixels };
        match avx2 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token proves that AVX2 and FMA are there.
            Some(avx2) => unsafe { draw_band_avx2(avx2, band) },
            _ => draw_band(Portable, band),
        }
    });
    (!options.is_cancelled()).then_some(image)
}

struct Band<'a> {
    pass: &'a Pass<'a>,
    voxels: (&'a Bricks, &'a BrickTable),
    rays: &'a RayMaker,
    first_row: usize,
    width: usize,
    pixels: &'a mut [[f32; 4]],
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn draw_band_avx2(lanes: Avx2, band: Band<'_>) {
    draw_band(lanes, band);
}

#[inline(always)]
fn draw_band<L: Lanes>(l: L, band: Band<'_>) {
    let (bricks, table) = band.voxels;
    let sampler = PatchSampler::new(l, bricks, table);
    match band.pass {
        Pass::Composite(view) => draw_composite(l, &sampler, view, band),
        Pass::Mip(view, grey) => draw_mip(l, &sampler, view, grey, band),
    }
}

/// Corners of the packets of a tile.
#[inline(always)]
fn packets(columns: Range<usize>, rows: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..rows)
        .step_by(PACKET_HEIGHT)
        .flat_map(move |y| columns.clone().step_by(PACKET_WIDTH).map(move |x| (x, y)))
}

#[inline(always)]
fn draw_composite<L: Lanes>(l: L, sampler: &PatchSampler<'_, L>, view: &CompositeView<'_>, band: Band<'_>) {
    let rows = band.pixels.len() / band.width;
    let mut pool = Pool::default();
    for tile in (0..band.width).step_by(TILE) {
        pool.clear();
        let mut pair = [Packet::EMPTY; 2];
        let mut corners = [[0; 2]; 2];
        let mut count = 0;
        for (x, y) in packets(tile..(tile + TILE).min(band.width), rows) {
            let packet = band.rays.packet(x, band.first_row + y);
            if packet.is_empty() {
                continue;
            }
            (pair[count], corners[count]) = (packet, [x, y]);
            count += 1;
            if count == pair.len() {
                seek_and_add(l, sampler, view, &mut pool, &mut pair, corners, band.width);
                count = 0;
            }
        }
        if count > 0 {
            pair[count..].fill(Packet::EMPTY);
            seek_and_add(l, sampler, view, &mut pool, &mut pair, corners, band.width);
        }
        composite(l, view, sampler, &mut pool);
        for ray in pool.rays() {
            if let Some(pixel) = band.pixels.get_mut(ray.pixel as usize) {
                *pixel = ray.sums;
            }
        }
    }
}

/// Sends a pair of packets ahead and puts their rays into a pool.
#[inline(always)]
fn seek_and_add<L: Lanes>(
    l: L,
    sampler: &PatchSampler<'_, L>,
    view: &CompositeView<'_>,
    pool: &mut Pool,
    pair: &mut [Packet; 2],
    corners: [[usize; 2]; 2],
    width: usize,
) {
    let searching = seek(l, view, sampler, pair);
    for i in 0..pair.len() {
        let [x, y] = corners[i];
        for lane in 0..WIDTH {
            let (px, py) = (x + lane % PACKET_WIDTH, y + lane / PACKET_WIDTH);
            if let Some(ray) = Ray::of_lane(&pair[i], lane, py * width + px) {
                pool.add(ray, searching[i] >> lane & 1 == 1);
            }
        }
    }
}

#[inline(always)]
fn draw_mip<L: Lanes>(
    l: L,
    sampler: &PatchSampler<'_, L>,
    view: &MipView<'_>,
    grey: &GreyMapping,
    band: Band<'_>,
) {
    let rows = band.pixels.len() / band.width;
    let mut peak = [0; WIDTH];
    let tiles = (0..band.width).step_by(TILE).map(|x| x..(x + TILE).min(band.width));
    for (x, y) in tiles.flat_map(|tile| packets(tile, rows)) {
        let packet = band.rays.packet(x, band.first_row + y);
        if packet.is_empty() {
            continue;
        }
        let highest = maximum(l, view, sampler, &packet, &mut peak);
        for (i, signed) in highest.into_iter().enumerate() {
            let (px, py) = (x + i % PACKET_WIDTH, y + i / PACKET_WIDTH);
            if px < band.width && py < rows && packet.has_samples[i] {
                let linear = decode_srgb(grey.apply(view.modality(signed)) as f32);
                band.pixels[py * band.width + px] = [linear, linear, linear, 1.0];
            }
        }
    }
}

/// Whether somebody asked to stop.
pub(crate) fn is_set(flag: Option<&AtomicBool>) -> bool {
    flag.is_some_and(|f| f.load(Ordering::Relaxed))
}
