//! The samples of a run that need light, closed up.
//!
//! Light costs more than anything else about a sample, and in many runs only a few lanes have something to show. Their
//! samples move together, are lit eight at a time, and the colours go back to their lanes.

use super::composite::{RUN, unpack};
use super::lanes::{GATHERED, Lanes, SCATTERED, WIDTH, axes};
use super::patch::{Patch, PatchSampler};
use super::shading::{RayShading, Shading};

/// Room for all samples of a run.
const ROOM: usize = RUN * WIDTH;

/// Samples of one run that need light.
pub(crate) struct LightQueue {
    len: usize,
    index: [i32; ROOM],
    weights_x: [i32; ROOM],
    fy: [f32; ROOM],
    fz: [f32; ROOM],
    packed: [i32; ROOM],
    half_index: [[f32; ROOM]; 3],
    colors: [[f32; ROOM]; 3],
}

impl Default for LightQueue {
    fn default() -> Self {
        Self {
            len: 0,
            index: [0; ROOM],
            weights_x: [0; ROOM],
            fy: [0.0; ROOM],
            fz: [0.0; ROOM],
            packed: [0; ROOM],
            half_index: [[0.0; ROOM]; 3],
            colors: [[0.0; ROOM]; 3],
        }
    }
}

impl LightQueue {
    /// Forgets all samples.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }

    /// Adds the samples of some lanes. At most [`RUN`] times after [`LightQueue::clear`].
    #[inline(always)]
    pub(crate) fn push<L: Lanes>(
        &mut self,
        l: L,
        bits: u32,
        patch: &Patch<L>,
        packed: L::I,
        ray: &RayShading<L>,
    ) {
        let order = l.order(&GATHERED, bits);
        let at = self.len;
        put(&mut self.index, at, l.int_array(l.permute(patch.index, order)));
        put(&mut self.weights_x, at, l.int_array(l.permute(patch.weights_x, order)));
        put(&mut self.fy, at, l.float_array(l.permute_floats(patch.fy, order)));
        put(&mut self.fz, at, l.float_array(l.permute_floats(patch.fz, order)));
        put(&mut self.packed, at, l.int_array(l.permute(packed, order)));
        for axis in 0..3 {
            put(&mut self.half_index[axis], at, l.float_array(l.permute_floats(ray.half_index[axis], order)));
        }
        self.len += bits.count_ones() as usize;
    }

    /// Lights all samples.
    #[inline(always)]
    pub(crate) fn light<L: Lanes>(&mut self, l: L, sampler: &PatchSampler<'_, L>, shading: &Shading) {
        for at in (0..self.len).step_by(WIDTH) {
            let patch = Patch {
                index: l.ints(eight(&self.index, at)),
                weights_x: l.ints(eight(&self.weights_x, at)),
                fy: l.floats(eight(&self.fy, at)),
                fz: l.floats(eight(&self.fz, at)),
            };
            let ray = RayShading { half_index: axes!(axis => l.floats(eight(&self.half_index[axis], at))) };
            let color = unpack(l, l.ints(eight(&self.packed, at)));
            let lit = shading.lit(l, &ray, sampler.differences(&patch), color);
            for (to, channel) in self.colors.iter_mut().zip(lit) {
                put(to, at, l.float_array(channel));
            }
        }
    }

    /// Colours of the samples from `from` on, taken back to their lanes; other lanes hold anything finite.
    #[inline(always)]
    pub(crate) fn colors<L: Lanes>(&self, l: L, from: usize, bits: u32) -> [L::F; 3] {
        let order = l.order(&SCATTERED, bits);
        axes!(c => l.permute_floats(l.floats(eight(&self.colors[c], from)), order))
    }
}

/// The eight numbers from `at` on, or the last eight.
#[inline(always)]
fn eight<T>(from: &[T; ROOM], at: usize) -> &[T; WIDTH] {
    let at = at.min(ROOM - WIDTH);
    from[at..].first_chunk().expect("eight numbers are left")
}

/// Writes eight numbers from `at` on, or to the end.
#[inline(always)]
fn put<T: Copy>(to: &mut [T; ROOM], at: usize, numbers: [T; WIDTH]) {
    let at = at.min(ROOM - WIDTH);
    *to[at..].first_chunk_mut().expect("eight numbers are left") = numbers;
}
