//! Front-to-back compositing of eight rays at once.

use super::grid::{CELL_SHIFT, Grid};
use super::lanes::{Lanes, WIDTH, axes};
use super::light_queue::LightQueue;
use super::patch::{PAIR_ONE, PatchSampler, Place};
use super::rays::{Packet, Ray, Team};
use super::shading::Shading;
use super::skip::SkipMap;
use super::traverse::Traverse;
use crate::transfer_function::{LUT_ENTRIES, TransferLut};

/// A ray ends where no more than this of what lies behind could be seen.
pub(crate) const OPAQUE: f32 = 0.995;

/// Samples taken before cells are asked again.
pub(crate) const RUN: usize = 6;

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
pub(crate) fn unpack<L: Lanes>(l: L, packed: L::I) -> [L::F; 3] {
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
    /// Whether it pays to ask for the voxels of every sample early: rays are too far apart to find what their
    /// neighbours have read, and little else is done with a sample.
    pub(crate) is_sparse: bool,
}

/// Lanes that must be free before waiting rays move in; moving costs about as much as one sample.
const FREE: u32 = 2;

/// Rays that a team at the end of its queue leaves for the next round.
const LAST: u32 = 3;

/// Samples ahead of the current one whose voxels are asked for early.
const AHEAD: i32 = RUN as i32;

/// Of so many samples of dense rays one asks; its lines of the cache mostly hold the next ones as well.
const ASKED: usize = 3;

/// The rays of a tile; keeps its memory from tile to tile.
#[derive(Default)]
pub(crate) struct Pool {
    rays: Vec<Ray>,
    hidden: Vec<u32>,
    visible: Vec<u32>,
    next_hidden: Vec<u32>,
    next_visible: Vec<u32>,
    queue: LightQueue,
}

impl Pool {
    /// Forgets all rays.
    pub(crate) fn clear(&mut self) {
        self.rays.clear();
        self.hidden.clear();
        self.visible.clear();
    }

    /// Adds a ray; whether it still has to look for something to see is only a guess.
    #[inline(always)]
    pub(crate) fn add(&mut self, ray: Ray, is_hidden: bool) {
        let queue = if is_hidden { &mut self.hidden } else { &mut self.visible };
        queue.push(self.rays.len() as u32);
        self.rays.push(ray);
    }

    /// All rays.
    pub(crate) fn rays(&self) -> &[Ray] {
        &self.rays
    }
}

/// Takes fresh packets through what is invisible until nearly all of their rays may see something or end; tells which
/// are still on their way.
///
/// Each leap waits for the memory that says how far it may go, so two packets go at once.
#[inline(always)]
pub(crate) fn seek<L: Lanes>(
    l: L,
    view: &CompositeView<'_>,
    sampler: &PatchSampler<'_, L>,
    packets: &mut [Packet; 2],
) -> [u32; 2] {
    let [a, b] = packets;
    let mut first = Traverse::<L, CELL_SHIFT>::new(l, view.grid.cells, a);
    let mut second = Traverse::<L, CELL_SHIFT>::new(l, view.grid.cells, b);
    loop {
        let searching = [leap(l, view, sampler, &mut first), leap(l, view, sampler, &mut second)];
        if searching[0].count_ones().max(searching[1].count_ones()) <= LAST {
            a.first = l.int_array(first.number());
            b.first = l.int_array(second.number());
            // They wait in the pool while these voxels come.
            sampler.prefetch(&sampler.place(first.position()));
            sampler.prefetch(&sampler.place(second.position()));
            return searching;
        }
    }
}

/// Moves those rays by a leap that can see nothing where they are; tells which.
#[inline(always)]
fn leap<L: Lanes>(
    l: L,
    view: &CompositeView<'_>,
    sampler: &PatchSampler<'_, L>,
    traverse: &mut Traverse<L, CELL_SHIFT>,
) -> u32 {
    let place = sampler.place(traverse.position());
    let word = traverse.word(sampler, &place, &view.skip.cells);
    let hidden = l.and_not(traverse.active(), octant_bit(l, word, &place));
    traverse.leap(&place, l.and(word, l.int(0xff)), hidden);
    l.mask_bits(hidden)
}

/// Takes all rays of a pool to their ends.
///
/// Rays that look for something to see and rays that sample it go in separate teams of eight, so that all lanes of a
/// team have the same to do. A ray that is done, or has to change teams, makes room for the next one.
#[inline(always)]
pub(crate) fn composite<L: Lanes>(
    l: L,
    view: &CompositeView<'_>,
    sampler: &PatchSampler<'_, L>,
    pool: &mut Pool,
) {
    let Pool { rays, hidden, visible, next_hidden, next_visible, queue } = pool;
    while !(hidden.is_empty() && visible.is_empty()) {
        next_hidden.clear();
        next_visible.clear();
        send(l, view, sampler, Task::Search, rays, queue, [hidden, visible, next_hidden]);
        send(l, view, sampler, Task::Sample, rays, queue, [visible, next_hidden, next_visible]);
        std::mem::swap(hidden, next_hidden);
        std::mem::swap(visible, next_visible);
    }
}

/// Lanes that must be free before a team breaks up.
///
/// The last rays of a queue wait for the next round instead of marching on in a team that is nearly empty, if there
/// is something else to do meanwhile.
#[inline(always)]
fn free_lanes(is_queue_empty: bool, has_other_work: bool) -> u32 {
    match (is_queue_empty, has_other_work) {
        (false, _) => FREE,
        (true, true) => WIDTH as u32 - LAST,
        (true, false) => WIDTH as u32,
    }
}

/// What all rays of a team do.
#[derive(Clone, Copy)]
enum Task {
    /// Go through what is invisible until something may be seen.
    Search,
    /// Sample until nothing may be seen.
    Sample,
}

/// Sends the waiting rays through a task: those that end it with samples left go to `done`, the last few that have
/// not ended it to `left`.
#[inline(always)]
fn send<L: Lanes>(
    l: L,
    view: &CompositeView<'_>,
    sampler: &PatchSampler<'_, L>,
    task: Task,
    rays: &mut [Ray],
    queue: &mut LightQueue,
    [waiting, done, left]: [&mut Vec<u32>; 3],
) {
    let mut waiting = waiting.iter();
    let mut team = Team::EMPTY;
    loop {
        team.fill(rays, &mut waiting);
        if team.used == 0 {
            return;
        }
        let is_last = waiting.len() == 0;
        let free = free_lanes(is_last, !done.is_empty());
        let busy = match task {
            Task::Search => search(l, view, sampler, &mut team, free),
            Task::Sample => march(l, view, sampler, queue, &mut team, free),
        };
        team.leave(!busy, rays, done);
        if is_last {
            team.leave(busy, rays, left);
        }
    }
}

/// Takes a team through what is invisible until so many of its rays may see something or end; tells which go on.
#[inline(always)]
fn search<L: Lanes>(
    l: L,
    view: &CompositeView<'_>,
    sampler: &PatchSampler<'_, L>,
    team: &mut Team,
    free: u32,
) -> u32 {
    let mut traverse = Traverse::<L, CELL_SHIFT>::new(l, view.grid.cells, &team.packet);
    loop {
        let searching = leap(l, view, sampler, &mut traverse);
        if searching.count_ones() + free <= WIDTH as u32 {
            team.packet.first = l.int_array(traverse.number());
            sampler.prefetch(&sampler.place(traverse.position()));
            return searching;
        }
    }
}

/// Samples along a team's rays until so many of them see nothing more; tells which still do.
#[inline(always)]
fn march<L: Lanes>(
    l: L,
    view: &CompositeView<'_>,
    sampler: &PatchSampler<'_, L>,
    queue: &mut LightQueue,
    team: &mut Team,
    free: u32,
) -> u32 {
    let mut traverse = Traverse::<L, CELL_SHIFT>::new(l, view.grid.cells, &team.packet);
    // Not `map`: a closure would be compiled without the kernel's processor features.
    let ray_shading = match view.shading {
        Some(shading) => Some(shading.for_rays(l, &team.packet.direction_lps)),
        None => None,
    };
    let zero = l.float(0.0);
    let sums = &team.sums;
    let [mut red, mut green, mut blue, mut alpha] =
        [l.floats(&sums[0]), l.floats(&sums[1]), l.floats(&sums[2]), l.floats(&sums[3])];
    let mut visible = traverse.active();
    let mut place = sampler.place(traverse.position());
    let seeing = loop {
        // Neighbouring samples rarely differ in visibility, so cells are asked only now and then. A sample in an
        // invisible cell is wasted, not wrong. All samples of a run are read before any is blended: whether a ray
        // has become opaque then delays no reading.
        let mut run = [(zero, l.int(0)); RUN];
        let mut patches = [sampler.patch(&place); RUN];
        for step in 0..RUN {
            if step % ASKED == 0 || view.is_sparse {
                sampler.prefetch(&sampler.place(traverse.position_after(step as i32 + AHEAD)));
            }
            if step > 0 {
                place = sampler.place(traverse.position_after(step as i32));
            }
            let (value, patch) = sampler.sample(&place);
            patches[step] = patch;
            if view.shading.is_some() {
                sampler.prefetch_neighbours(&patch);
            }
            run[step] = view.lut.lookup(l, value);
        }
        let mut weights = [zero; RUN];
        let mut shown_bits = [0; RUN];
        for step in 0..RUN {
            let sampled = l.and(visible, traverse.active());
            let opacity = run[step].0;
            let shown = l.and(sampled, l.lt(zero, opacity));
            traverse.step(sampled);
            let weight = l.select(shown, l.mul(l.sub(l.float(1.0), alpha), opacity), zero);
            weights[step] = weight;
            shown_bits[step] = l.mask_bits(shown);
            alpha = l.add(alpha, weight);
            traverse.stop(l.lt(l.float(OPAQUE), alpha));
        }
        let mut colors = [[zero; 3]; RUN];
        match (view.shading, &ray_shading) {
            (Some(shading), Some(ray)) => {
                queue.clear();
                for step in 0..RUN {
                    queue.push(l, shown_bits[step], &patches[step], run[step].1, ray);
                }
                queue.light(l, sampler, shading);
                let mut from = 0;
                for step in 0..RUN {
                    colors[step] = queue.colors(l, from, shown_bits[step]);
                    from += shown_bits[step].count_ones() as usize;
                }
            }
            _ => {
                for step in 0..RUN {
                    colors[step] = unpack(l, run[step].1);
                }
            }
        }
        for step in 0..RUN {
            red = l.mul_add(weights[step], colors[step][0], red);
            green = l.mul_add(weights[step], colors[step][1], green);
            blue = l.mul_add(weights[step], colors[step][2], blue);
        }
        place = sampler.place(traverse.position());
        let word = traverse.word(sampler, &place, &view.skip.cells);
        visible = l.and(l.and(visible, traverse.active()), octant_bit(l, word, &place));
        let seeing = l.mask_bits(visible);
        if seeing.count_ones() + free <= WIDTH as u32 {
            break seeing;
        }
    };
    team.packet.first = l.int_array(traverse.number());
    team.packet.end = l.int_array(traverse.end());
    team.sums = [l.float_array(red), l.float_array(green), l.float_array(blue), l.float_array(alpha)];
    seeing
}

/// Mask of the places whose octant may show anything, by the words of their cells.
#[inline(always)]
fn octant_bit<L: Lanes>(l: L, word: L::I, place: &Place<L>) -> L::I {
    let half = axes!(axis => l.and(l.shr::<{ CELL_SHIFT - 1 }>(place.base[axis]), l.int(1)));
    let octant = l.or(half[0], l.or(l.shl::<1>(half[1]), l.shl::<2>(half[2])));
    let bit = l.and(l.shr_by(l.shr::<8>(word), octant), l.int(1));
    l.ieq(bit, l.int(1))
}
