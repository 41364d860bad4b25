//! What a frame costs, learned from the frames drawn so far, and which quality fits a budget.
//!
//! A frame takes a fixed time (waking threads, a look-up of what is visible) and a time for each sample column. Both
//! are learned: a small frame says little about a large one if all of its time is taken for pixels.

use std::time::Duration;

/// A level of quality: share of the picture's edge, and factor on the step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Level {
    pub(super) edge: f64,
    pub(super) step: f64,
}

/// Levels from full quality down to an eighth of the edge.
const LEVELS: u8 = 15;
/// From one level's edge to the next: three quarters of the pixels.
const EDGE_RATIO: f64 = 0.866;
/// The coarsest picture.
const MIN_EDGE: f64 = 0.125;

impl Level {
    pub(super) const FULL: Self = Self { edge: 1.0, step: 1.0 };

    /// Edges first: a coarse picture of a turning volume reads better than a noisy one.
    fn new(index: u8) -> Self {
        // Not `powi`, whose last bit depends on how a program was compiled: levels are compared.
        let edge = (0..index).fold(1.0, |edge: f64, _| edge * EDGE_RATIO).max(MIN_EDGE);
        Self { edge, step: (0.5 / edge).clamp(1.0, 2.0) }
    }

    /// Work relative to a full frame.
    fn work(self) -> f64 {
        self.edge * self.edge / self.step
    }
}

/// Weight of the newest frame in the mean time of a level.
const NEWEST_SHARE: f64 = 0.35;
/// A single frame counts as at most this many times the expected one: others use the machine too.
const MOST_SURPRISE: f64 = 2.0;
/// What is left of a frame's weight in the learned slope after the next one.
const MEMORY: f64 = 0.93;
/// Least share of a frame's time that grows with its pixels, whatever a few measurements say.
const LEAST_SLOPE: f64 = 0.25;

/// Share of a frame's time that grows with its pixels as long as only one size was seen.
const FIRST_SLOPE: f64 = 0.75;

/// Seconds of a frame as a line over its work, in megapixels of full step: through the mean of the latest frames
/// while turning, with a slope from all frames.
#[derive(Debug, Clone, Copy, Default)]
struct Cost {
    /// Work and mean time of the latest frames at the level in use.
    latest: Option<(f64, f64)>,
    /// Whether that is from frames while turning.
    is_turning: bool,
    /// Sums of a least-squares line, by relative error: of 1, work, work², time, work · time.
    sums: [f64; 5],
}

impl Cost {
    fn learn(&mut self, work: f64, took: f64, is_turning: bool) {
        let Some((work_before, _)) = self.latest else {
            (self.latest, self.is_turning) = (Some((work, took)), is_turning);
            return self.sum_up(work, took);
        };
        let took = took.min(self.secs(work) * MOST_SURPRISE);
        self.sum_up(work, took);
        if is_turning || !self.is_turning {
            let is_same_level = is_turning == self.is_turning && (work / work_before - 1.0).abs() < 0.05;
            let before = self.latest.filter(|_| is_same_level);
            let mean = before.map_or(took, |(_, secs)| secs + (took - secs) * NEWEST_SHARE);
            (self.latest, self.is_turning) = (Some((work, mean)), is_turning);
        }
    }

    fn sum_up(&mut self, work: f64, took: f64) {
        let weight = 1.0 / (took * took).max(1e-8);
        let terms = [1.0, work, work * work, took, work * took];
        for (sum, term) in self.sums.iter_mut().zip(terms) {
            *sum = *sum * MEMORY + term * weight;
        }
    }

    /// Seconds per megapixel, between what all of the time and what a small part of it makes.
    fn slope(&self, (work, secs): (f64, f64)) -> f64 {
        let [ones, w, ww, t, wt] = self.sums;
        let most = secs / work.max(1e-9);
        let spread = ones * ww - w * w;
        let slope = if spread > 1e-3 * ww * ones { (ones * wt - w * t) / spread } else { most * FIRST_SLOPE };
        slope.clamp(most * LEAST_SLOPE, most)
    }

    fn secs(&self, work: f64) -> f64 {
        self.latest.map_or(0.0, |latest| latest.1 + self.slope(latest) * (work - latest.0))
    }
}

/// A level is taken up only if its frames should need no more than this share of the budget, so that quality does not
/// go to and fro.
const CLIMB_SHARE: f64 = 0.85;
/// Levels climbed at once.
const LONGEST_CLIMB: u8 = 4;
/// A level is given up once its frames need more than this share of the budget: a few uneven frames do not.
const FALL_SHARE: f64 = 1.1;
/// Least share of a frame's time that is taken to go with its pixels when quality falls: rather a second fall than one
/// too deep.
const FALL_SLOPE: f64 = 0.6;
/// Frames without a step up after one up.
const REST_UP: u16 = 2;
/// Frames without a step up after one down; twice as many if it comes soon after another.
const REST_DOWN: u16 = 4;
const LONGEST_REST: u16 = 64;
/// So many frames later a step down has nothing to do with the one before.
const CALM: u16 = 120;

/// Chooses the best level whose frames keep within a budget.
#[derive(Debug, Clone)]
pub(super) struct Quality {
    cost: Cost,
    index: u8,
    /// Frames until quality may rise.
    rest: u16,
    /// What that was after the last fall, and frames since then.
    last_rest: u16,
    since_fall: u16,
}

impl Quality {
    pub(super) fn new() -> Self {
        Self { cost: Cost::default(), index: LEVELS / 2, rest: 0, last_rest: 0, since_fall: CALM }
    }

    /// Takes note of a frame while turning, of `mpx` megapixels, whose steps were `step_factor` times the full ones.
    pub(super) fn learn(&mut self, mpx: f64, step_factor: f64, took: Duration) {
        self.cost.learn(mpx / step_factor, took.as_secs_f64(), true);
    }

    /// Takes note of a full frame of `mpx` megapixels.
    pub(super) fn learn_full(&mut self, mpx: f64, took: Duration) {
        self.cost.learn(mpx, took.as_secs_f64(), false);
    }

    /// The level for the next frame of a view of `full_mpx` megapixels.
    pub(super) fn choose(&mut self, full_mpx: f64, budget: Duration) -> Level {
        let Some((work, mean)) = self.cost.latest else { return Level::new(self.index) };
        let budget = budget.as_secs_f64();
        let secs = |index: u8| {
            let asked = full_mpx * Level::new(index).work();
            let share = asked / work.max(1e-9);
            // However little is known: time grows at most as fast as the work.
            let most = if share > 1.0 { mean * share } else { mean * (1.0 - FALL_SLOPE * (1.0 - share)) };
            self.cost.secs(asked).min(most)
        };
        self.rest = self.rest.saturating_sub(1);
        self.since_fall = self.since_fall.saturating_add(1);
        if secs(self.index) > budget * FALL_SHARE {
            while self.index + 1 < LEVELS && secs(self.index) > budget * CLIMB_SHARE {
                self.index += 1;
            }
            let longer = (self.last_rest * 2).clamp(REST_DOWN, LONGEST_REST);
            self.rest = if self.since_fall < CALM { longer } else { REST_DOWN };
            (self.last_rest, self.since_fall) = (self.rest, 0);
        } else if self.rest == 0 {
            let most = self.index.min(LONGEST_CLIMB);
            let climb =
                (1..=most).take_while(|by| secs(self.index - by) <= budget * CLIMB_SHARE).count() as u8;
            if climb > 0 {
                self.index -= climb;
                self.rest = REST_UP;
            }
        }
        Level::new(self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 24 pictures a second.
    const SLOWEST: f64 = 1.0 / 24.0;
    const BUDGET: Duration = Duration::from_millis(33);

    /// A machine that needs `fixed` seconds for each frame and `full` more for the work of a full one.
    #[derive(Clone, Copy)]
    struct Machine {
        fixed: f64,
        full: f64,
        mpx: f64,
        /// Share by which times differ at random, up and down.
        noise: f64,
        seed: u32,
    }

    impl Machine {
        fn new(fixed_ms: f64, full_ms: f64) -> Self {
            Self { fixed: fixed_ms * 1e-3, full: full_ms * 1e-3, mpx: 1.4, noise: 0.0, seed: 5 }
        }

        fn quiet_secs(&self, level: Level) -> f64 {
            self.fixed + self.full * level.work()
        }

        /// Turns for `frames` frames: level and time of each.
        fn turn(&mut self, quality: &mut Quality, frames: usize) -> Vec<(Level, f64)> {
            let draw = |_| {
                let level = quality.choose(self.mpx, BUDGET);
                self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let random = f64::from(self.seed >> 8) / f64::from(1 << 23) - 1.0;
                let took = self.quiet_secs(level) * (1.0 + self.noise * random);
                let mpx = self.mpx * level.edge * level.edge;
                quality.learn(mpx, level.step, Duration::from_secs_f64(took));
                (level, took)
            };
            (0..frames).map(draw).collect()
        }

        /// Edge of the best level within the budget.
        fn best_edge(&self, budget: Duration) -> f64 {
            let levels = (0..LEVELS).map(Level::new);
            let mut fits = levels.filter(|level| self.quiet_secs(*level) <= budget.as_secs_f64());
            fits.next().unwrap_or(Level::new(LEVELS - 1)).edge
        }
    }

    fn changes(frames: &[(Level, f64)]) -> usize {
        frames.windows(2).filter(|pair| pair[0].0 != pair[1].0).count()
    }

    const MACHINES: [(f64, f64); 9] = [
        (0.5, 5.0),
        (1.0, 40.0),
        (5.0, 90.0),
        (12.0, 90.0),
        (2.0, 200.0),
        (15.0, 200.0),
        (8.0, 400.0),
        (20.0, 400.0),
        (4.0, 1500.0),
    ];

    #[test]
    fn within_half_a_second_quality_is_about_the_best_that_keeps_24_pictures_a_second() {
        for (fixed, full) in MACHINES {
            let mut machine = Machine::new(fixed, full);
            let mut quality = Quality::new();
            let frames = machine.turn(&mut quality, 60);
            let late = &frames[15..];
            let slowest = late.iter().map(|f| f.1).fold(0.0, f64::max);
            assert!(slowest <= SLOWEST, "{fixed} + {full} ms: {:.1} ms", slowest * 1e3);
            let least = machine.best_edge(BUDGET.mul_f64(0.7));
            let coarsest = late.iter().map(|f| f.0.edge).fold(1.0, f64::min);
            assert!(
                coarsest >= least,
                "{fixed} + {full} ms: {coarsest:.2} of the edge, {least:.2} was possible"
            );
            assert_eq!(changes(late), 0, "{fixed} + {full} ms: quality goes to and fro");
        }
    }

    #[test]
    fn first_frame_that_prepares_the_volume_does_not_keep_quality_down() {
        for first_ms in [30, 300, 3000] {
            let mut machine = Machine::new(8.0, 150.0);
            let mut quality = Quality::new();
            quality.learn_full(machine.mpx, Duration::from_millis(first_ms));
            let frames = machine.turn(&mut quality, 20);
            let edge = frames[19].0.edge;
            assert!(edge >= machine.best_edge(BUDGET.mul_f64(0.7)), "after {first_ms} ms: {edge:.2}");
        }
    }

    #[test]
    fn quality_falls_at_once_when_the_machine_gets_busy_and_rises_again() {
        let mut machine = Machine::new(6.0, 150.0);
        let mut quality = Quality::new();
        machine.turn(&mut quality, 30);
        let mut busy = Machine { fixed: machine.fixed * 2.5, full: machine.full * 2.5, ..machine };
        let frames = busy.turn(&mut quality, 40);
        assert!(frames[6..].iter().all(|f| f.1 <= SLOWEST), "six slow pictures at most");
        let frames = machine.turn(&mut quality, 30);
        assert!(frames[29].0.edge >= machine.best_edge(BUDGET.mul_f64(0.7)), "within a second");
    }

    #[test]
    fn quality_stays_where_it_is_though_times_vary() {
        for (fixed, full) in MACHINES {
            let mut machine = Machine { noise: 0.25, ..Machine::new(fixed, full) };
            let mut quality = Quality::new();
            machine.turn(&mut quality, 30);
            let frames = machine.turn(&mut quality, 300);
            let n = changes(&frames);
            assert!(n <= 6, "{fixed} + {full} ms: {n} changes in ten seconds");
            let mean = frames.iter().map(|f| f.1).sum::<f64>() / 300.0;
            assert!(mean <= SLOWEST * 0.9, "{fixed} + {full} ms: {:.1} ms", mean * 1e3);
        }
    }

    #[test]
    fn one_slow_frame_among_many_changes_little() {
        let mut machine = Machine::new(6.0, 150.0);
        let mut quality = Quality::new();
        let before = machine.turn(&mut quality, 30)[29].0.edge;
        quality.learn(machine.mpx * before * before, Level::new(0).step, Duration::from_millis(400));
        let after = machine.turn(&mut quality, 1)[0].0.edge;
        assert!(after >= before * 0.7, "{before:.2} to {after:.2} of the edge");
    }
}
