//! Blinn-Phong for eight samples at once; see [`crate::reference::shade`] for the definition.
//!
//! Works on gradients in index space: with `M = index_from_lps` the LPS gradient is `Mᵀ g`, so its product with a
//! direction `v` is `g · (M v)` and its squared length is `gᵀ (M Mᵀ) g`.

use glam::{DMat3, Vec3};
use imaging::volume::Rescale;

use super::lanes::{Lanes, WIDTH, axes, exp2, log2};
use super::patch::PAIR_ONE;
use crate::camera::Camera;
use crate::scene::Lighting;

/// Light and grid of one picture.
#[derive(Debug, Clone)]
pub(crate) struct Shading {
    light: Lighting,
    index_from_lps: [Vec3; 3],
    metric: [Vec3; 3],
    lamp_lps: Vec3,
    lamp_index: Vec3,
    /// Gradient length in modality units per mm, over full shading, of one unit of sample difference.
    weight_scale: f32,
}

/// The parts that depend on the ray only.
#[derive(Clone, Copy)]
pub(crate) struct RayShading<L: Lanes> {
    pub(crate) half_index: [L::F; 3],
}

impl Shading {
    pub(crate) fn new(
        light: Lighting,
        camera: &Camera,
        index_from_lps: DMat3,
        rescale: Rescale,
        full_at: f64,
    ) -> Self {
        let basis = camera.basis();
        let [x, y, z] = light.towards_lamp.map(f64::from);
        let lamp_lps = (basis.right * x + basis.up * y - basis.forward * z).normalize_or(-basis.forward);
        let unit = rescale.slope.abs() * 0.5 / f64::from(PAIR_ONE);
        Self {
            light,
            index_from_lps: rows(&index_from_lps),
            metric: rows(&(index_from_lps * index_from_lps.transpose())),
            lamp_lps: lamp_lps.as_vec3(),
            lamp_index: (index_from_lps * lamp_lps).as_vec3(),
            weight_scale: (unit / full_at) as f32,
        }
    }

    /// Half-way vectors of eight rays.
    #[inline(always)]
    pub(crate) fn for_rays<L: Lanes>(&self, l: L, direction_lps: &[[f32; WIDTH]; 3]) -> RayShading<L> {
        let lamp = self.lamp_lps;
        let mut half = axes!(axis => l.sub(l.float(lamp[axis]), l.floats(&direction_lps[axis])));
        let length = l.sqrt(dot(l, half, half));
        let is_degenerate = l.lt(length, l.float(1e-6));
        let inverse = l.div(l.float(1.0), l.max(length, l.float(1e-6)));
        for axis in 0..3 {
            half[axis] = l.select(is_degenerate, l.float(lamp[axis]), l.mul(half[axis], inverse));
        }
        RayShading { half_index: axes!(axis => dot(l, vector(l, self.index_from_lps[axis]), half)) }
    }

    /// Lights `color` of samples whose neighbours differ by `g` (see [`super::patch::PatchSampler::differences`]).
    #[inline(always)]
    pub(crate) fn lit<L: Lanes>(
        &self,
        l: L,
        ray: &RayShading<L>,
        g: [L::F; 3],
        color: [L::F; 3],
    ) -> [L::F; 3] {
        let squared = dot(l, g, axes!(axis => dot(l, vector(l, self.metric[axis]), g)));
        let length = l.sqrt(l.max(squared, l.float(1e-20)));
        let inverse = l.div(l.float(1.0), length);
        let diffuse = l.mul(l.abs(dot(l, g, vector(l, self.lamp_index))), inverse);
        let towards_half = l.mul(l.abs(dot(l, g, ray.half_index)), inverse);
        let highlight = l.mul(power(l, towards_half, self.light.shininess), l.float(self.light.specular));
        let matt = l.mul_add(diffuse, l.float(self.light.diffuse), l.float(self.light.ambient));
        let weight = l.min(l.mul(length, l.float(self.weight_scale)), l.float(1.0));
        axes!(c => l.mul_add(l.sub(l.mul_add(color[c], matt, highlight), color[c]), weight, color[c]))
    }
}

fn rows(m: &DMat3) -> [Vec3; 3] {
    [m.row(0).as_vec3(), m.row(1).as_vec3(), m.row(2).as_vec3()]
}

/// The same vector in all lanes.
#[inline(always)]
fn vector<L: Lanes>(l: L, v: Vec3) -> [L::F; 3] {
    axes!(axis => l.float(v[axis]))
}

#[inline(always)]
pub(crate) fn dot<L: Lanes>(l: L, a: [L::F; 3], b: [L::F; 3]) -> L::F {
    l.mul_add(a[0], b[0], l.mul_add(a[1], b[1], l.mul(a[2], b[2])))
}

/// `x^exponent` for `0.0..=1.0`; whole exponents by repeated squaring.
#[inline(always)]
fn power<L: Lanes>(l: L, x: L::F, exponent: f32) -> L::F {
    if exponent.fract() == 0.0 && (0.0..=256.0).contains(&exponent) {
        let mut rest = exponent as u32;
        let (mut result, mut square) = (l.float(1.0), x);
        while rest > 0 {
            if rest & 1 == 1 {
                result = l.mul(result, square);
            }
            square = l.mul(square, square);
            rest >>= 1;
        }
        return result;
    }
    exp2(l, l.mul(log2(l, l.max(x, l.float(1e-30))), l.float(exponent)))
}
