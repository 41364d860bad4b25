//! The volume pass: bands of packets on all cores, in AVX2 where the processor has it.
#![expect(unsafe_code, reason = "calls the kernels compiled for AVX2")]

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use super::composite::{CompositeView, composite};
use super::grid::{Grid, Samples, with_samples};
use super::lanes::{Avx2, Lanes, PairSample, Portable, WIDTH};
use super::mip::{MipView, maximum};
use super::rays::{PACKET_HEIGHT, PACKET_WIDTH, RayMaker};
use super::sampler::Sampler;
use crate::image::{ImageF32, decode_srgb};
use crate::scene::GreyMapping;

/// Rows of pixels that one task draws.
const BAND: usize = 8;
/// Packets are drawn in columns of this many pixels, so that neighbours meet in the cache.
const TILE: usize = 16;

/// What a packet becomes.
pub(crate) enum Pass<'a> {
    Composite(CompositeView<'a>),
    Mip(MipView<'a>, GreyMapping),
}

/// Draws all pixels; `None` if cancelled on the way.
pub(crate) fn draw(
    pass: &Pass<'_>,
    grid: &Grid,
    samples: Samples<'_>,
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
        let band = Band { pass, dims: grid.dims, rays, first_row: band * BAND, width, pixels };
        with_samples!(samples, typed => match avx2 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the token proves that AVX2 and FMA are there.
            Some(avx2) => unsafe { draw_band_avx2(avx2, typed, band) },
            _ => draw_band(Portable, typed, band),
        });
    });
    (!options.is_cancelled()).then_some(image)
}

struct Band<'a> {
    pass: &'a Pass<'a>,
    dims: [usize; 3],
    rays: &'a RayMaker,
    first_row: usize,
    width: usize,
    pixels: &'a mut [[f32; 4]],
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn draw_band_avx2<S: PairSample>(lanes: Avx2, samples: &[S], band: Band<'_>) {
    draw_band(lanes, samples, band);
}

#[inline(always)]
fn draw_band<L: Lanes, S: PairSample>(l: L, samples: &[S], band: Band<'_>) {
    let Some(sampler) = Sampler::new(l, samples, band.dims) else { return };
    match band.pass {
        Pass::Composite(view) => draw_composite(l, &sampler, view, band),
        Pass::Mip(view, grey) => draw_mip(l, &sampler, view, grey, band),
    }
}

#[inline(always)]
fn packets(width: usize, rows: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..width).step_by(TILE).flat_map(move |tile| {
        (0..rows)
            .step_by(PACKET_HEIGHT)
            .flat_map(move |y| (tile..(tile + TILE).min(width)).step_by(PACKET_WIDTH).map(move |x| (x, y)))
    })
}

#[inline(always)]
fn draw_composite<L: Lanes, S: PairSample>(
    l: L,
    sampler: &Sampler<'_, L, S>,
    view: &CompositeView<'_>,
    band: Band<'_>,
) {
    let rows = band.pixels.len() / band.width;
    for (x, y) in packets(band.width, rows) {
        let packet = band.rays.packet(x, band.first_row + y);
        if packet.is_empty() {
            continue;
        }
        let [r, g, b, a] = composite(l, view, sampler, &packet);
        for i in 0..WIDTH {
            let (px, py) = (x + i % PACKET_WIDTH, y + i / PACKET_WIDTH);
            if px < band.width && py < rows {
                band.pixels[py * band.width + px] = [r[i], g[i], b[i], a[i]];
            }
        }
    }
}

#[inline(always)]
fn draw_mip<L: Lanes, S: PairSample>(
    l: L,
    sampler: &Sampler<'_, L, S>,
    view: &MipView<'_>,
    grey: &GreyMapping,
    band: Band<'_>,
) {
    let rows = band.pixels.len() / band.width;
    let mut peak = [0; WIDTH];
    for (x, y) in packets(band.width, rows) {
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
