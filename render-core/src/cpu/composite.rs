//! Front-to-back compositing of eight rays at once.

use super::grid::{CELL_SHIFT, Grid};
use super::lanes::{Lanes, WIDTH, axes};
use super::patch::{PAIR_ONE, PatchSampler, Place};
use super::rays::{Packet, RayQueue};
use super::shading::Shading;
use super::skip::SkipMap;
use super::traverse::Traverse;
use crate::transfer_function::{LUT_ENTRIES, TransferLut};

/// A ray ends where no more than this of what lies behind could be seen.
pub(crate) const OPAQUE: f32 = 0.995;

/// Samples taken before cells are asked again.
const RUN: usize = 4;

/// A transfer function's table in the form kernels read.
#[derive(Debug)]
pub(crate) struct PackedLut {
    /// Entry of a sample: `sample * scale + bias`, to be clamped and truncated.
    scale: f32,
    bias: f32,
    /// Low word: opacity as `f32`. High word: square roots of linear red, green and blue in 11, 11 and 10 bits.
    entries: Vec<u64>,
}

impl PackedLut {
    /// For samples of a grid, see [`super::patch`] for their unit.
    pub(crate) fn new(lut: &TransferLut, grid: &Grid) -> Self {
        let per_value = (LUT_ENTRIES - 1) as f64 / (lut.high - lut.low);
        let root = |v: f32, steps: f32| (v.clamp(0.0, 1.0).sqrt() * steps + 0.5) as u32;
        let pack =
            |[r, g, b, _]: &[f32; 4]| root(*r, 2047.0) << 21 | root(*g, 2047.0) << 10 | root(*b, 1023.0);
        Self {
            scale: (grid.rescale.slope * per_value / f64::from(PAIR_ONE)) as f32,
            bias: ((grid.rescale.intercept - lut.low) * per_value + 0.5) as f32,
            entries: lut
                .entries
                .iter()
                .map(|e| u64::from(pack(e)) << 32 | u64::from(e[3].to_bits()))
                .collect(),
        }
    }

    /// Opacity and packed colour of samples.
    #[inline(always)]
    #[expect(unsafe_code, reason = "the entry is clamped to the table")]
    fn lookup<L: Lanes>(&self, l: L, sample: L::F) -> (L::F, L::I) {
        let t = l.mul_add(sample, l.float(self.scale), l.float(self.bias));
        let last = (self.entries.len() - 1) as f32;
        let entry = l.truncate(l.min(l.max(t, l.float(0.0)), l.float(last)));
        // SAFETY: clamped to the table just above; NaN became 0.
        let [opacity, color] = unsafe { l.gather_wide(&self.entries, entry) };
        (l.float_of_bits(opacity), color)
    }
}

/// Linear red, green and blue of packed colours.
#[inline(always)]
fn unpack<L: Lanes>(l: L, packed: L::I) -> [L::F; 3] {
    let red = l.and(l.shr::<21>(packed), l.int(0x7ff));
    let green = l.and(l.shr::<10>(packed), l.int(0x7ff));
    let blue = l.and(packed, l.int(0x3ff));
    [squared_share(l, red, 2047.0), squared_share(l, green, 2047.0), squared_share(l, blue, 1023.0)]
}

#[inline(always)]
fn squared_share<L: Lanes>(l: L, bits: L::I, steps: f32) -> L::F {
    let root = l.mul(l.to_float(bits), l.float(1.0 / steps));
    l.mul(root, root)
}

/// What all packets of a composited picture share.
pub(crate) struct CompositeView<'a> {
    pub(crate) grid: &'a Grid,
    pub(crate) skip: &'a SkipMap,
    pub(crate) lut: &'a PackedLut,
    pub(crate) shading: Option<&'a Shading>,
}

/// Lanes that must be free before waiting rays move in; moving costs about as much as one sample.
const FREE: u32 = 3;

/// Lanes that must have something to see before samples are taken, while others are still leaping.
const FULL: u32 = 6;

/// Samples ahead of the current one whose voxels are asked for early.
const AHEAD: i32 = 6;

/// Draws all rays of a queue: linear colours, premultiplied, go to their pixels.
///
/// A ray that is done makes room for the next one, so that lanes are rarely idle.
#[inline(always)]
pub(crate) fn composite<L: Lanes>(
    l: L,
    view: &CompositeView<'_>,
    sampler: &PatchSampler<'_, L>,
    queue: &mut RayQueue,
    pixels: &mut [[f32; 4]],
) {
    let mut packet = Packet::EMPTY;
    let mut targets = [None; WIDTH];
    let mut sums = [[0.0; WIDTH]; 4];
    loop {
        let mut is_done = true;
        for lane in 0..WIDTH {
            if packet.first[lane] >= packet.end[lane] {
                if let Some(pixel) = targets[lane].and_then(|i: usize| pixels.get_mut(i)) {
                    *pixel = sums.map(|sum| sum[lane]);
                }
                targets[lane] = queue.pop(&mut packet, lane);
                for sum in &mut sums {
                    sum[lane] = 0.0;
                }
            }
            is_done &= targets[lane].is_none();
        }
        if is_done {
            return;
        }
        let free = if queue.is_empty() { WIDTH as u32 } else { FREE };
        march(l, view, sampler, &mut packet, &mut sums, free);
    }
}

/// Takes eight rays onwards until so many of them are done.
#[inline(always)]
fn march<L: Lanes>(
    l: L,
    view: &CompositeView<'_>,
    sampler: &PatchSampler<'_, L>,
    packet: &mut Packet,
    sums: &mut [[f32; WIDTH]; 4],
    free: u32,
) {
    let mut traverse = Traverse::<L, CELL_SHIFT>::new(l, view.grid.cells, packet);
    // Not `map`: a closure would be compiled without the kernel's processor features.
    let ray_shading = match view.shading {
        Some(shading) => Some(shading.for_rays(l, &packet.direction_lps)),
        None => None,
    };
    let zero = l.float(0.0);
    let [mut red, mut green, mut blue, mut alpha] =
        [l.floats(&sums[0]), l.floats(&sums[1]), l.floats(&sums[2]), l.floats(&sums[3])];
    loop {
        let active = traverse.active();
        if l.mask_bits(active).count_ones() + free <= WIDTH as u32 {
            break;
        }
        let place = sampler.place(traverse.position());
        let word = traverse.word(sampler, &place, &view.skip.cells);
        let visible = l.and(active, octant_bit(l, word, &place));
        let hidden = l.and_not(active, visible);
        if l.mask_bits(hidden) != 0 {
            traverse.leap(&place, l.and(word, l.int(0xff)), hidden);
            if l.mask_bits(visible).count_ones() < FULL {
                continue;
            }
        }
        // Neighbouring samples rarely differ in visibility, so cells are asked only now and then. A sample in an
        // invisible cell is wasted, not wrong. All samples of a run are read before any is blended: whether a ray
        // has become opaque then delays no reading.
        let mut places = [place; RUN];
        let mut run = [(zero, l.int(0)); RUN];
        let mut patches = [None; RUN];
        sampler.prefetch(&sampler.place(traverse.position_after(AHEAD)));
        for step in 0..RUN {
            if step > 0 {
                places[step] = sampler.place(traverse.position_after(step as i32));
            }
            let (value, patch) = sampler.sample(&places[step]);
            patches[step] = Some(patch);
            run[step] = view.lut.lookup(l, value);
        }
        for step in 0..RUN {
            let sampled = l.and(visible, traverse.active());
            let (opacity, packed) = run[step];
            let shown = l.and(sampled, l.lt(zero, opacity));
            let shown_bits = l.mask_bits(shown);
            traverse.step(sampled);
            if shown_bits == 0 {
                continue;
            }
            let mut color = unpack(l, packed);
            if let (Some(shading), Some(ray), Some(patch)) = (view.shading, &ray_shading, &patches[step]) {
                let g = sampler.differences(&places[step], patch, shown_bits);
                color = shading.lit(l, ray, g, color);
            }
            let weight = l.select(shown, l.mul(l.sub(l.float(1.0), alpha), opacity), zero);
            red = l.mul_add(weight, color[0], red);
            green = l.mul_add(weight, color[1], green);
            blue = l.mul_add(weight, color[2], blue);
            alpha = l.add(alpha, weight);
            traverse.stop(l.lt(l.float(OPAQUE), alpha));
        }
    }
    packet.first = l.int_array(traverse.number());
    packet.end = l.int_array(traverse.end());
    *sums = [l.float_array(red), l.float_array(green), l.float_array(blue), l.float_array(alpha)];
}

/// Mask of the places whose octant may show anything, by the words of their cells.
#[inline(always)]
fn octant_bit<L: Lanes>(l: L, word: L::I, place: &Place<L>) -> L::I {
    let half = axes!(axis => l.and(l.shr::<{ CELL_SHIFT - 1 }>(place.base[axis]), l.int(1)));
    let octant = l.or(half[0], l.or(l.shl::<1>(half[1]), l.shl::<2>(half[2])));
    let bit = l.and(l.shr_by(l.shr::<8>(word), octant), l.int(1));
    l.ieq(bit, l.int(1))
}
