//! Rays of a picture, eight at a time, in continuous index and whole steps.
//!
//! The arithmetic is that of [`crate::reference::visible_segment`], hoisted: in `f64` up to the first sample, so that
//! a camera far away loses no precision, and in `f32` from there.

use glam::{DVec2, DVec3};

use super::lanes::WIDTH;
use crate::camera::Projection;
use crate::scene::{CropBox, MAX_RAY_SAMPLES, VolumeScene, pixel_offset, start_offset};

/// A packet covers this many pixels across.
pub(crate) const PACKET_WIDTH: usize = 4;
/// A packet covers this many pixels down.
pub(crate) const PACKET_HEIGHT: usize = WIDTH / PACKET_WIDTH;

/// Eight rays: sample k lies at `start + k * delta` for `first <= k < end`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Packet {
    /// Continuous index of sample 0; one array per axis.
    pub(crate) start: [[f32; WIDTH]; 3],
    /// Continuous index from one sample to the next.
    pub(crate) delta: [[f32; WIDTH]; 3],
    /// Unit view direction, LPS.
    pub(crate) direction_lps: [[f32; WIDTH]; 3],
    /// First sample that can show anything.
    pub(crate) first: [i32; WIDTH],
    /// One past the last sample that can show anything.
    pub(crate) end: [i32; WIDTH],
    /// Whether the ray has any sample at all, visible or not.
    pub(crate) has_samples: [bool; WIDTH],
}

impl Packet {
    /// Rays without samples.
    pub(crate) const EMPTY: Self = Self {
        start: [[0.0; WIDTH]; 3],
        delta: [[0.0; WIDTH]; 3],
        direction_lps: [[0.0; WIDTH]; 3],
        first: [0; WIDTH],
        end: [0; WIDTH],
        has_samples: [false; WIDTH],
    };

    /// Whether no ray can show anything.
    #[inline(always)]
    pub(crate) fn is_empty(&self) -> bool {
        (0..WIDTH).all(|i| self.first[i] >= self.end[i])
    }
}

/// A ray on its way: everything that is kept of it while it has no lane. As large as a line of the cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Ray {
    start: [f32; 3],
    delta: [f32; 3],
    direction_lps: [f32; 3],
    /// Number of the current sample.
    k: i32,
    /// One past the last sample.
    end: i32,
    /// Linear red, green and blue, premultiplied, and opacity so far.
    pub(crate) sums: [f32; 4],
    /// Where the colour goes.
    pub(crate) pixel: u32,
}

impl Ray {
    /// A lane of a packet; `None` if it has no samples.
    #[inline(always)]
    pub(crate) fn of_lane(packet: &Packet, lane: usize, pixel: usize) -> Option<Self> {
        (packet.first[lane] < packet.end[lane]).then(|| Self {
            start: [packet.start[0][lane], packet.start[1][lane], packet.start[2][lane]],
            delta: [packet.delta[0][lane], packet.delta[1][lane], packet.delta[2][lane]],
            direction_lps: [
                packet.direction_lps[0][lane],
                packet.direction_lps[1][lane],
                packet.direction_lps[2][lane],
            ],
            k: packet.first[lane],
            end: packet.end[lane],
            sums: [0.0; 4],
            pixel: pixel as u32,
        })
    }
}

/// Eight rays side by side, or fewer.
#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) packet: Packet,
    pub(crate) sums: [[f32; WIDTH]; 4],
    /// Which ray is in a lane.
    ids: [u32; WIDTH],
    /// Bits of lanes that hold a ray.
    pub(crate) used: u32,
}

impl Team {
    /// No rays.
    pub(crate) const EMPTY: Self =
        Self { packet: Packet::EMPTY, sums: [[0.0; WIDTH]; 4], ids: [0; WIDTH], used: 0 };

    /// Puts waiting rays into free lanes.
    #[inline(always)]
    pub(crate) fn fill(&mut self, rays: &[Ray], waiting: &mut std::slice::Iter<'_, u32>) {
        for lane in 0..WIDTH {
            if self.used >> lane & 1 == 1 {
                continue;
            }
            let Some((&id, ray)) = waiting.next().and_then(|id| Some((id, rays.get(*id as usize)?))) else {
                // An empty lane must not march on.
                self.packet.first[lane] = 0;
                self.packet.end[lane] = 0;
                continue;
            };
            for axis in 0..3 {
                self.packet.start[axis][lane] = ray.start[axis];
                self.packet.delta[axis][lane] = ray.delta[axis];
                self.packet.direction_lps[axis][lane] = ray.direction_lps[axis];
            }
            self.packet.first[lane] = ray.k;
            self.packet.end[lane] = ray.end;
            for channel in 0..4 {
                self.sums[channel][lane] = ray.sums[channel];
            }
            self.ids[lane] = id;
            self.used |= 1 << lane;
        }
    }

    /// Takes the rays of some lanes out, and queues those with samples left.
    #[inline(always)]
    pub(crate) fn leave(&mut self, lanes: u32, rays: &mut [Ray], queue: &mut Vec<u32>) {
        for lane in 0..WIDTH {
            if lanes & self.used & 1 << lane == 0 {
                continue;
            }
            self.used &= !(1 << lane);
            let id = self.ids[lane];
            let Some(ray) = rays.get_mut(id as usize) else { continue };
            ray.k = self.packet.first[lane];
            ray.end = self.packet.end[lane];
            for channel in 0..4 {
                ray.sums[channel] = self.sums[channel][lane];
            }
            if ray.k < ray.end {
                queue.push(id);
            }
        }
    }
}

/// A camera and the visible part of a volume, prepared for making packets.
#[derive(Debug, Clone)]
pub(crate) struct RayMaker {
    size_px: [u32; 2],
    jitter_frame: u32,
    shift_px: DVec2,
    step_mm: f64,
    perspective_height: Option<f64>,
    orthographic_height: f64,
    axes_lps: [DVec3; 3],
    axes_index: [DVec3; 3],
    origin_index: DVec3,
    crop: CropBox,
    planes: Vec<PlaneTerms>,
    bounds: [[f64; 3]; 2],
}

/// A clip plane against the camera: distance of its position and rates along forward, right and up.
#[derive(Debug, Clone, Copy)]
struct PlaneTerms {
    distance: f64,
    rates: [f64; 3],
}

impl RayMaker {
    /// Rays of a scene, restricted to samples inside `bounds` (continuous index).
    pub(crate) fn new(scene: &VolumeScene, bounds: [[f64; 3]; 2]) -> Self {
        let geometry = scene.volume.geometry();
        let to_index = geometry.index_from_lps();
        let basis = scene.camera.basis();
        let axes_lps = [basis.forward, basis.right, basis.up];
        let position = scene.camera.position_lps;
        let plane_terms = |plane: &crate::scene::ClipPlane| PlaneTerms {
            distance: plane.normal_lps.dot(position) - plane.offset_mm,
            rates: axes_lps.map(|axis| plane.normal_lps.dot(axis)),
        };
        let (perspective_height, orthographic_height) = match scene.camera.projection {
            Projection::Perspective { vertical_fov_rad } => (Some(2.0 * (vertical_fov_rad * 0.5).tan()), 0.0),
            Projection::Orthographic { height_mm } => (None, height_mm),
        };
        Self {
            size_px: scene.size_px,
            jitter_frame: scene.jitter_frame,
            shift_px: DVec2::from_array(pixel_offset(scene.jitter_frame)),
            step_mm: scene.effective_step_mm(),
            perspective_height,
            orthographic_height,
            axes_lps,
            axes_index: axes_lps.map(|axis| to_index.transform_vector3(axis)),
            origin_index: to_index.transform_point3(position),
            crop: scene.crop.intersection(CropBox::whole(geometry)),
            planes: scene.clip_planes.iter().map(plane_terms).collect(),
            bounds,
        }
    }

    /// The rays of the pixels from (`x`, `y`) on; pixels beyond the picture get no samples.
    #[inline(always)]
    pub(crate) fn packet(&self, x: usize, y: usize) -> Packet {
        let mut lanes = Segments::default();
        let size = [f64::from(self.size_px[0]), f64::from(self.size_px[1])];
        let [forward, right, up] = self.axes_index;
        let (mut across, mut upward) = ([0.0; WIDTH], [0.0; WIDTH]);
        for i in 0..WIDTH {
            let px = (x + i % PACKET_WIDTH) as f64 + 0.5 + self.shift_px.x;
            let py = (y + i / PACKET_WIDTH) as f64 + 0.5 + self.shift_px.y;
            across[i] = (px - size[0] * 0.5) / size[1];
            upward[i] = -((py - size[1] * 0.5) / size[1]);
        }
        let mut inverse_length = [1.0; WIDTH];
        match self.perspective_height {
            Some(height) => {
                for i in 0..WIDTH {
                    let (a, b) = (across[i] * height, upward[i] * height);
                    (across[i], upward[i]) = (a, b);
                    inverse_length[i] = 1.0 / (1.0 + a * a + b * b).sqrt();
                }
                for axis in 0..3 {
                    for i in 0..WIDTH {
                        let d = forward[axis] + right[axis] * across[i] + up[axis] * upward[i];
                        lanes.direction[axis][i] = d * inverse_length[i];
                        lanes.origin[axis][i] = self.origin_index[axis];
                    }
                }
                lanes.entry = [0.0; WIDTH];
            }
            None => {
                let height = self.orthographic_height;
                for axis in 0..3 {
                    for i in 0..WIDTH {
                        let offset = (right[axis] * across[i] + up[axis] * upward[i]) * height;
                        lanes.direction[axis][i] = forward[axis];
                        lanes.origin[axis][i] = self.origin_index[axis] + offset;
                    }
                }
                lanes.entry = [f64::NEG_INFINITY; WIDTH];
            }
        }
        lanes.exit = [f64::INFINITY; WIDTH];
        lanes.clip_to_box(self.crop);
        for plane in &self.planes {
            self.clip_to_plane(&mut lanes, plane, &across, &upward, &inverse_length);
        }
        if !(0..WIDTH).any(|i| lanes.entry[i] < lanes.exit[i]) {
            return Packet::EMPTY;
        }
        self.in_steps(&lanes, [x, y], [&across, &upward, &inverse_length])
    }

    #[inline(always)]
    fn clip_to_plane(
        &self,
        lanes: &mut Segments,
        plane: &PlaneTerms,
        across: &[f64; WIDTH],
        upward: &[f64; WIDTH],
        inverse_length: &[f64; WIDTH],
    ) {
        let [forward, right, up] = plane.rates;
        for i in 0..WIDTH {
            let sideways = right * across[i] + up * upward[i];
            let (distance, rate) = match self.perspective_height {
                Some(_) => (plane.distance, (forward + sideways) * inverse_length[i]),
                None => (plane.distance + sideways * self.orthographic_height, forward),
            };
            if rate.abs() < 1e-12 {
                if distance < 0.0 {
                    lanes.exit[i] = f64::NEG_INFINITY;
                }
            } else if rate > 0.0 {
                lanes.entry[i] = lanes.entry[i].max(-distance / rate);
            } else {
                lanes.exit[i] = lanes.exit[i].min(-distance / rate);
            }
        }
    }

    /// Turns millimetres into whole steps and skips those outside the bounds.
    #[inline(always)]
    fn in_steps(&self, lanes: &Segments, [x, y]: [usize; 2], rays: [&[f64; WIDTH]; 3]) -> Packet {
        let mut packet = Packet::EMPTY;
        let [width, height] = self.size_px.map(|n| n as usize);
        let step = self.step_mm;
        let (mut first_mm, mut from, mut to) = ([0.0; WIDTH], [0.0f64; WIDTH], [0.0f64; WIDTH]);
        for i in 0..WIDTH {
            let (px, py) = (x + i % PACKET_WIDTH, y + i / PACKET_WIDTH);
            let offset = match self.jitter_frame {
                0 => 0.5,
                frame => f64::from(start_offset(px as u32, py as u32, frame)),
            };
            first_mm[i] = lanes.entry[i] + offset * step;
            let is_hit =
                lanes.entry[i] < lanes.exit[i] && first_mm[i].is_finite() && px < width && py < height;
            let count = ((lanes.exit[i] - first_mm[i]) / step).ceil();
            to[i] = if is_hit { count.clamp(0.0, f64::from(2 * MAX_RAY_SAMPLES)) } else { 0.0 };
            if to[i] == 0.0 {
                first_mm[i] = 0.0;
            }
            packet.has_samples[i] = to[i] > 0.0;
        }
        for axis in 0..3 {
            let [low, high] = [self.bounds[0][axis], self.bounds[1][axis]];
            for i in 0..WIDTH {
                let start = lanes.origin[axis][i] + lanes.direction[axis][i] * first_mm[i];
                let delta = lanes.direction[axis][i] * step;
                packet.start[axis][i] = start as f32;
                packet.delta[axis][i] = delta as f32;
                let is_parallel = delta.abs() < 1e-9;
                let inverse = 1.0 / if is_parallel { 1.0 } else { delta };
                let (a, b) = ((low - start) * inverse, (high - start) * inverse);
                let is_outside = is_parallel && (start < low || start > high);
                from[i] = if is_parallel { from[i] } else { greater(lesser(a, b).floor(), from[i]) };
                to[i] = if is_parallel { to[i] } else { lesser(greater(a, b).floor() + 1.0, to[i]) };
                to[i] = if is_outside { 0.0 } else { to[i] };
            }
        }
        let [across, upward, inverse_length] = rays;
        for i in 0..WIDTH {
            packet.first[i] = from[i] as i32;
            packet.end[i] = to[i] as i32;
        }
        let [forward, right, up] = self.axes_lps;
        for axis in 0..3 {
            for i in 0..WIDTH {
                let sideways = match self.perspective_height {
                    Some(_) => right[axis] * across[i] + up[axis] * upward[i],
                    None => 0.0,
                };
                packet.direction_lps[axis][i] = ((forward[axis] + sideways) * inverse_length[i]) as f32;
            }
        }
        packet
    }
}

/// The lesser number, or `b` if either is NaN; one instruction, unlike `f64::min`.
#[inline(always)]
fn lesser(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// The greater number, or `b` if either is NaN.
#[inline(always)]
fn greater(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// Eight rays in continuous index per mm, and the visible part of each in mm.
#[derive(Debug, Default)]
struct Segments {
    origin: [[f64; WIDTH]; 3],
    direction: [[f64; WIDTH]; 3],
    entry: [f64; WIDTH],
    exit: [f64; WIDTH],
}

impl Segments {
    #[inline(always)]
    fn clip_to_box(&mut self, crop: CropBox) {
        for axis in 0..3 {
            let (low, high) = (crop.min_index[axis], crop.max_index[axis]);
            for i in 0..WIDTH {
                let (o, d) = (self.origin[axis][i], self.direction[axis][i]);
                let is_parallel = d.abs() < 1e-12;
                let divisor = if is_parallel { 1.0 } else { d };
                let (a, b) = ((low - o) / divisor, (high - o) / divisor);
                let is_outside = is_parallel && (o < low || o > high);
                let (near, far) = if is_parallel {
                    (f64::NEG_INFINITY, f64::INFINITY)
                } else {
                    (lesser(a, b), greater(a, b))
                };
                self.entry[i] = greater(near, self.entry[i]);
                self.exit[i] = lesser(if is_outside { f64::NEG_INFINITY } else { far }, self.exit[i]);
            }
        }
    }
}
