//! How good the next frame of a volume view is: reduced while the user turns it, then refined to a noise-free still.
//!
//! Pure decisions without threads or clocks: the caller says what it wants to show, whether the user is interacting
//! and what time it is, draws the [`FramePlan`] it gets (on a worker), and tells how long that took. Reduced pictures
//! are scaled up by whoever shows them. Full frames of an unchanged scene are averaged over jittered ray starts and
//! pixel positions (see [`Accumulation`](crate::Accumulation)), which removes step artefacts and smooths edges.

use std::time::Duration;

mod cost;

use cost::{Level, Quality};

use crate::scene::{MAX_PICTURE_PX, VolumeScene};

/// What a [`Progressive`] aims for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProgressiveOptions {
    /// Longest time for a frame while turning; 33 ms leaves room below the 42 ms of 24 frames per second.
    pub interactive_budget: Duration,
    /// Full frames that make the final still, as far as there is time for them.
    pub still_frames: u32,
    /// How long after the last change the still may go on refining. The first full frame is free of noise by itself
    /// and is always drawn; further ones smooth steps and edges, and only those are begun that should be done in time.
    pub refine_budget: Duration,
    /// How long the scene must stay unchanged before full frames start although the user still holds on.
    pub rest: Duration,
}

impl Default for ProgressiveOptions {
    fn default() -> Self {
        Self {
            interactive_budget: Duration::from_millis(33),
            still_frames: 12,
            refine_budget: Duration::from_millis(2500),
            rest: Duration::from_millis(120),
        }
    }
}

/// The next frame to draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FramePlan {
    /// Picture size to draw; smaller than the view's for reduced frames.
    pub size_px: [u32; 2],
    /// Multiplies the scene's full-quality step.
    pub step_factor: f64,
    /// See [`VolumeScene::jitter_frame`].
    pub jitter_frame: u32,
    /// Whether size and step are the full ones, so that the frame counts for the still.
    pub is_full: bool,
    /// Which state of the scene the frame belongs to.
    generation: u64,
}

impl FramePlan {
    /// The scene as this frame draws it; `scene` has the view's full size and step.
    pub fn apply(&self, scene: &VolumeScene) -> VolumeScene {
        VolumeScene {
            size_px: self.size_px,
            step_mm: scene.step_mm * self.step_factor,
            jitter_frame: self.jitter_frame,
            ..scene.clone()
        }
    }
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Next {
    /// Draw this frame.
    Draw(FramePlan),
    /// Nothing yet; ask again at this time at the latest.
    WaitUntil(Duration),
    /// The still is complete.
    Settled,
}

/// Keeps track of one volume view. `K` is whatever identifies a picture: camera, transfer function, size, …
#[derive(Debug, Clone)]
pub struct Progressive<K> {
    options: ProgressiveOptions,
    key: Option<K>,
    generation: u64,
    changed_at: Duration,
    /// From when the time for the still counts: the last change, or the end of a rest with the button down.
    still_began_at: Duration,
    quality: Quality,
    /// Whether a frame of this generation was planned while interacting.
    has_interactive: bool,
    /// Whether changes come faster than full frames, so that a reduced one comes first.
    is_hurried: bool,
    summed: u32,
    /// Whether no further full frame fits the time for the still.
    is_out_of_time: bool,
    full_size_px: [u32; 2],
    in_flight: Option<u32>,
}

impl<K: PartialEq> Progressive<K> {
    /// Nothing drawn yet.
    pub fn new(options: ProgressiveOptions) -> Self {
        Self {
            options,
            key: None,
            generation: 0,
            changed_at: Duration::ZERO,
            still_began_at: Duration::ZERO,
            quality: Quality::new(),
            has_interactive: false,
            is_hurried: false,
            summed: 0,
            is_out_of_time: false,
            full_size_px: [1; 2],
            in_flight: None,
        }
    }

    /// Decides the next frame of the view `key` at `size_px`. `now` may be counted from any moment.
    ///
    /// Call when the last planned frame has been [delivered](Self::deliver) or given up.
    pub fn next(&mut self, key: K, size_px: [u32; 2], is_interacting: bool, now: Duration) -> Next {
        let size_px = size_px.map(|n| n.clamp(1, MAX_PICTURE_PX));
        if self.key.as_ref() != Some(&key) || self.full_size_px != size_px {
            self.key = Some(key);
            self.full_size_px = size_px;
            self.generation += 1;
            self.changed_at = now;
            self.has_interactive = false;
            self.is_hurried = self.in_flight.take().is_some();
            self.summed = 0;
            self.is_out_of_time = false;
        }
        let rested_at = self.changed_at + self.options.rest;
        if is_interacting && now < rested_at {
            if self.has_interactive {
                return Next::WaitUntil(rested_at);
            }
            self.has_interactive = true;
            return Next::Draw(self.interactive_plan());
        }
        if std::mem::take(&mut self.is_hurried) {
            return Next::Draw(self.interactive_plan());
        }
        if self.is_settled() {
            return Next::Settled;
        }
        if self.summed == 0 && self.in_flight.is_none() {
            self.still_began_at = if is_interacting { now } else { self.changed_at };
        }
        self.in_flight = Some(self.summed);
        Next::Draw(self.plan(Level::FULL, self.summed))
    }

    /// Takes note of a frame drawn by `now` and the time it took; returns whether to show its picture.
    ///
    /// Frames of an earlier state of the scene are shown (a turning volume is always a little late) unless the still
    /// of the new state has begun; they never become part of it. A full frame to be shown belongs into the mean:
    /// frame 0 starts a new one.
    pub fn deliver(&mut self, plan: &FramePlan, took: Duration, now: Duration) -> bool {
        if plan.is_full {
            self.quality.learn_full(megapixels(plan.size_px), took);
        } else {
            self.quality.learn(megapixels(plan.size_px), plan.step_factor, took);
        }
        if plan.generation != self.generation || !plan.is_full {
            return self.summed == 0;
        }
        if self.in_flight.take() != Some(plan.jitter_frame) {
            return false;
        }
        self.summed += 1;
        self.is_out_of_time = now + took > self.still_began_at + self.options.refine_budget;
        true
    }

    /// Whether a full frame of the present state has been drawn: the picture has every pixel and step it will have,
    /// and what follows only smooths it.
    pub fn is_sharp(&self) -> bool {
        self.summed > 0
    }

    /// Whether the still is complete: all frames, or as many as there was time for.
    pub fn is_settled(&self) -> bool {
        self.summed >= self.options.still_frames.max(1) || (self.summed > 0 && self.is_out_of_time)
    }

    /// Share of the still that is done, `0.0..=1.0`.
    pub fn progress(&self) -> f32 {
        if self.is_settled() { 1.0 } else { self.summed as f32 / self.options.still_frames.max(1) as f32 }
    }

    fn interactive_plan(&mut self) -> FramePlan {
        let level = self.quality.choose(megapixels(self.full_size_px), self.options.interactive_budget);
        FramePlan { is_full: false, ..self.plan(level, 0) }
    }

    fn plan(&self, level: Level, jitter_frame: u32) -> FramePlan {
        let scaled = |n: u32| ((f64::from(n) * level.edge).round() as u32).max(1);
        FramePlan {
            size_px: self.full_size_px.map(scaled),
            step_factor: level.step,
            jitter_frame,
            is_full: true,
            generation: self.generation,
        }
    }
}

fn megapixels([width, height]: [u32; 2]) -> f64 {
    f64::from(width) * f64::from(height) * 1e-6
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: [u32; 2] = [1000, 800];

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn view() -> Progressive<u32> {
        Progressive::new(ProgressiveOptions::default())
    }

    fn plan(next: Next) -> FramePlan {
        match next {
            Next::Draw(plan) => plan,
            other => panic!("expected a frame, got {other:?}"),
        }
    }

    /// A machine that needs `full_ms` for a full frame, turning for `frames` frames; the slowest of the last half.
    fn slowest_turning_frame(full_ms: f64, frames: u32) -> f64 {
        let (mut view, mut now, mut slowest) = (view(), 0.0, 0.0f64);
        for i in 0..frames {
            let plan = plan(view.next(i, SIZE, true, Duration::from_secs_f64(now * 1e-3)));
            let area = f64::from(plan.size_px[0] * plan.size_px[1]) / f64::from(SIZE[0] * SIZE[1]);
            let took = full_ms * area / plan.step_factor;
            now += took;
            let end = Duration::from_secs_f64(now * 1e-3);
            view.deliver(&plan, Duration::from_secs_f64(took * 1e-3), end);
            if i >= frames / 2 {
                slowest = slowest.max(took);
            }
        }
        slowest
    }

    #[test]
    fn turning_stays_above_24_frames_per_second_on_slow_and_fast_machines() {
        for full_ms in [5.0, 40.0, 90.0, 200.0, 400.0, 1500.0] {
            let slowest = slowest_turning_frame(full_ms, 20);
            assert!(slowest <= 1000.0 / 24.0, "{full_ms} ms for a full frame: {slowest:.1} ms while turning");
        }
    }

    #[test]
    fn fast_machine_turns_at_full_quality() {
        let mut view = view();
        for i in 0..4 {
            let p = plan(view.next(i, SIZE, true, ms(u64::from(i) * 10)));
            view.deliver(&p, ms(2), ms(u64::from(i) * 10 + 2));
        }
        let p = plan(view.next(9, SIZE, true, ms(90)));
        assert_eq!((p.size_px, p.step_factor), (SIZE, 1.0));
    }

    #[test]
    fn first_frame_after_letting_go_is_full_and_plain() {
        let mut view = view();
        let p = plan(view.next(1, SIZE, true, ms(0)));
        assert!(!p.is_full);
        view.deliver(&p, ms(30), ms(30));
        let p = plan(view.next(1, SIZE, false, ms(31)));
        assert!(p.is_full);
        assert_eq!((p.size_px, p.step_factor, p.jitter_frame), (SIZE, 1.0, 0));
    }

    #[test]
    fn still_takes_its_frames_in_order_and_then_settles() {
        let mut view = view();
        let n = ProgressiveOptions::default().still_frames;
        for i in 0..n {
            let p = plan(view.next(7, [4, 2], false, ms(u64::from(i))));
            assert_eq!(p.jitter_frame, i);
            assert!(view.deliver(&p, ms(1), ms(u64::from(i))));
        }
        assert_eq!(view.next(7, [4, 2], false, ms(99)), Next::Settled);
        assert!(view.is_settled() && view.progress() == 1.0);
        assert_eq!(plan(view.next(8, [4, 2], false, ms(100))).jitter_frame, 0, "a change starts anew");
    }

    /// When the still is complete, and of how many frames, on a machine that needs `full_ms` for each.
    fn settled(full_ms: u64, is_held: bool) -> (u64, u32) {
        let mut view = view();
        let mut now = 0;
        let p = plan(view.next(1, SIZE, true, ms(now)));
        now += 20;
        view.deliver(&p, ms(20), ms(now));
        let mut frames = 0;
        loop {
            match view.next(1, SIZE, is_held, ms(now)) {
                Next::Draw(p) => {
                    assert!(p.is_full);
                    now += full_ms;
                    frames += 1;
                    assert!(view.deliver(&p, ms(full_ms), ms(now)));
                }
                Next::WaitUntil(time) => now = time.as_millis() as u64,
                Next::Settled => return (now, frames),
            }
        }
    }

    #[test]
    fn still_is_refined_as_far_as_there_is_time_and_then_left_alone() {
        let all = ProgressiveOptions::default().still_frames;
        for (full_ms, wanted) in [(2, all), (16, all), (90, all), (150, all), (400, 6), (2000, 1)] {
            for (is_held, rest_ms) in [(false, 0), (true, 120)] {
                let (at, frames) = settled(full_ms, is_held);
                assert_eq!(frames, wanted, "{full_ms} ms per frame, held: {is_held}");
                assert!(at <= 2500 + rest_ms, "{full_ms} ms per frame: complete by {at} ms");
            }
        }
    }

    #[test]
    fn picture_is_sharp_with_its_first_full_frame() {
        let mut view = view();
        let reduced = plan(view.next(1, SIZE, true, ms(0)));
        view.deliver(&reduced, ms(30), ms(30));
        assert!(!view.is_sharp());
        let full = plan(view.next(1, SIZE, false, ms(31)));
        view.deliver(&full, ms(90), ms(121));
        assert!(view.is_sharp() && !view.is_settled());
        assert!(!plan(view.next(2, SIZE, true, ms(130))).is_full);
        assert!(!view.is_sharp(), "a change begins anew");
    }

    #[test]
    fn a_volume_that_was_prepared_first_is_smoothed_too() {
        let mut view = view();
        let first = plan(view.next(1, SIZE, false, ms(0)));
        assert!(view.deliver(&first, ms(600), ms(600)));
        assert!(!view.is_settled());
        let mut now = 600;
        while let Next::Draw(p) = view.next(1, SIZE, false, ms(now)) {
            now += 90;
            view.deliver(&p, ms(90), ms(now));
        }
        assert_eq!(view.summed, ProgressiveOptions::default().still_frames, "all by {now} ms");
    }

    #[test]
    fn changes_that_come_faster_than_full_frames_are_shown_reduced() {
        let mut view = view();
        assert!(plan(view.next(1, SIZE, false, ms(0))).is_full);
        let p = plan(view.next(2, SIZE, false, ms(20)));
        assert!(!p.is_full, "the full frame before was given up");
        assert!(view.deliver(&p, ms(10), ms(30)));
        assert!(plan(view.next(2, SIZE, false, ms(30))).is_full);
    }

    #[test]
    fn frame_that_was_given_up_is_drawn_again() {
        let mut view = view();
        let given_up = plan(view.next(7, [4, 2], false, ms(0)));
        let again = plan(view.next(7, [4, 2], false, ms(1)));
        assert_eq!(given_up, again);
        assert!(view.deliver(&again, ms(1), ms(2)));
    }

    #[test]
    fn holding_still_refines_after_a_rest_even_with_the_button_down() {
        let mut view = view();
        let p = plan(view.next(1, SIZE, true, ms(500)));
        view.deliver(&p, ms(20), ms(520));
        assert_eq!(view.next(1, SIZE, true, ms(521)), Next::WaitUntil(ms(620)));
        assert!(plan(view.next(1, SIZE, true, ms(620))).is_full);
    }

    #[test]
    fn late_frames_of_an_old_scene_are_shown_until_the_still_has_begun() {
        let mut view = view();
        let old = plan(view.next(1, [2, 2], false, ms(0)));
        let reduced = plan(view.next(2, [2, 2], false, ms(5)));
        assert!(view.deliver(&old, ms(5), ms(6)) && view.deliver(&reduced, ms(5), ms(7)));
        let new = plan(view.next(2, [2, 2], false, ms(8)));
        assert!(new.is_full && view.deliver(&new, ms(5), ms(9)));
        assert!(!view.deliver(&old, ms(5), ms(10)), "the still has begun");
        assert_eq!(
            plan(view.next(2, [2, 2], false, ms(12))).jitter_frame,
            1,
            "the old frame is not part of it"
        );
    }

    #[test]
    fn resized_view_starts_a_new_still_of_its_size() {
        let mut view = view();
        let p = plan(view.next(1, [4, 4], false, ms(0)));
        view.deliver(&p, ms(1), ms(1));
        let p = plan(view.next(1, [6, 5], false, ms(1)));
        assert_eq!((p.size_px, p.jitter_frame), ([6, 5], 0));
        let p = plan(view.next(1, [0, 0], true, ms(2)));
        assert_eq!(p.size_px, [1, 1]);
    }
}
