//! Front-to-back compositing of eight rays at once.

use super::grid::{CELL_SHIFT, Grid};
use super::lanes::{Lanes, PairSample, WIDTH};
use super::rays::Packet;
use super::sampler::{PAIR_ONE, Sampler};
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
    /// For samples of a grid, see [`super::sampler`] for their unit.
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

/// Colours of eight rays, linear and premultiplied.
#[inline(always)]
pub(crate) fn composite<L: Lanes, S: PairSample>(
    l: L,
    view: &CompositeView<'_>,
    sampler: &Sampler<'_, L, S>,
    packet: &Packet,
) -> [[f32; WIDTH]; 4] {
    let mut traverse = Traverse::<L, CELL_SHIFT>::new(l, view.grid.cells, packet);
    #[expect(
        clippy::manual_map,
        reason = "a closure would be compiled without the kernel's processor features"
    )]
    let ray_shading = match view.shading {
        Some(shading) => Some(shading.for_rays(l, &packet.direction_lps)),
        None => None,
    };
    let zero = l.float(0.0);
    let (mut red, mut green, mut blue, mut alpha) = (zero, zero, zero, zero);
    loop {
        let active = traverse.active();
        if l.mask_bits(active) == 0 {
            break;
        }
        let mut place = sampler.place(traverse.position());
        let distance = traverse.distance(sampler, &place, &view.skip.distances);
        let visible = l.and(active, l.ieq(distance, l.int(0)));
        if l.mask_bits(visible) == 0 {
            traverse.leap(&place, distance, visible);
            continue;
        }
        traverse.leap(&place, distance, visible);
        // Neighbouring samples rarely differ in visibility, so cells are asked only now and then. A sample in an
        // invisible cell is wasted, not wrong.
        for step in 0..RUN {
            let sampled = l.and(visible, traverse.active());
            if l.mask_bits(sampled) == 0 {
                break;
            }
            if step > 0 {
                place = sampler.place(traverse.position());
            }
            let (value, patch) = sampler.sample(&place);
            let (opacity, packed) = view.lut.lookup(l, value);
            let shown = l.and(sampled, l.lt(zero, opacity));
            let shown_bits = l.mask_bits(shown);
            traverse.step(sampled);
            if shown_bits == 0 {
                continue;
            }
            let mut color = unpack(l, packed);
            if let (Some(shading), Some(ray)) = (view.shading, &ray_shading) {
                let g = sampler.differences(&place, &patch, shown_bits);
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
    [l.float_array(red), l.float_array(green), l.float_array(blue), l.float_array(alpha)]
}
