//! Whether a long queue makes scheduling dearer.

use std::time::Instant;

use super::clock::median;
use super::load::{KINDS, Load};
use super::report::Report;

const TURNS: u32 = 4000;
const ROUNDS: usize = 9;

pub(crate) fn measure(report: &mut Report) {
    report.section("Scheduler: one job's whole life, µs");
    for (name, kinds) in KINDS {
        let mut loads = [100, 10_000].map(|queued| Load::new(queued, kinds));
        let mut times = [Vec::new(), Vec::new()];
        // In turns, so that both have the same neighbours.
        for _ in 0..ROUNDS {
            for (load, times) in loads.iter_mut().zip(&mut times) {
                let begun = Instant::now();
                (0..TURNS).for_each(|_| load.turn());
                times.push(begun.elapsed().as_secs_f64() * 1e6 / f64::from(TURNS));
            }
        }
        let [short, long] = times.map(median);
        let floor = format!("{long:.2} with 10 000 queued, {short:.2} with 100");
        report.at_most(&format!("{name}, 10 000 to 100"), long / short, 1.5, "×", &floor);
    }
}
