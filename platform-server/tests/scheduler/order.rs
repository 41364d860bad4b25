//! Who goes first, who may pass whom, and for how long.

use platform_api::job::JobPriority::{Higher, Immediate, Lower, Normal};
use platform_server::scheduler::{Effect, Event, GpuId, RunToken};

use crate::stage::{Stage, chain, cores, gpus, job, machine, plan, run};

/// A machine of one core that is taken by job 0.
fn busy() -> Stage {
    let mut stage = Stage::new(machine(1, &[]));
    stage.add(0, Immediate, chain(1));
    stage
}

/// Ends what runs, one after the other, and lists the jobs that come.
fn drained(stage: &mut Stage, mut at_work: RunToken) -> Vec<u128> {
    let mut order = Vec::new();
    loop {
        stage.completed(at_work);
        match stage.launched()[..] {
            [] => return order,
            [next] => at_work = next,
            ref several => panic!("one core, and {several:?}"),
        }
        order.push(at_work.job.to_bits());
    }
}

#[test]
fn priorities_go_first_and_inside_of_one_the_oldest_start() {
    let mut stage = busy();
    for (number, priority) in
        [(1, Lower), (2, Normal), (3, Immediate), (4, Higher), (5, Normal), (6, Immediate), (7, Lower)]
    {
        stage.create(number, priority, chain(1)).unwrap();
    }
    for number in [7, 6, 5, 4, 3, 2, 1] {
        stage.start(number).unwrap();
    }
    assert_eq!(drained(&mut stage, run(0, 0, 1)), [6, 3, 4, 5, 2, 7, 1]);
}

#[test]
fn a_changed_priority_counts_and_the_place_by_start_stays() {
    let mut stage = busy();
    for number in 1..=4 {
        stage.add(number, Normal, chain(1));
    }
    for (number, priority) in [(4, Higher), (2, Higher), (1, Lower), (3, Higher)] {
        stage.send(Event::SetPriority { job: job(number), priority }).unwrap();
    }
    stage.create(5, Lower, chain(1)).unwrap();
    stage.send(Event::SetPriority { job: job(5), priority: Immediate }).unwrap();
    stage.start(5).unwrap();
    assert_eq!(drained(&mut stage, run(0, 0, 1)), [5, 2, 3, 4, 1]);
}

#[test]
fn what_was_begun_goes_before_what_is_new_of_the_same_priority() {
    let mut stage = busy();
    stage.add(1, Normal, chain(3));
    stage.add(2, Normal, chain(2));
    stage.add(3, Higher, chain(1));
    assert_eq!(drained(&mut stage, run(0, 0, 1)), [3, 1, 1, 1, 2, 2]);
}

#[test]
fn a_long_begun_job_is_not_interrupted_by_new_ones_of_its_priority() {
    let mut stage = busy();
    stage.add(1, Normal, chain(100));
    stage.add(2, Normal, chain(1));
    let order = drained(&mut stage, run(0, 0, 1));
    assert_eq!(order.iter().position(|number| *number == 2), Some(100));
}

#[test]
fn small_operators_pass_a_big_one_that_waits() {
    let mut stage = Stage::new(machine(2, &[]));
    stage.add(1, Normal, chain(1));
    stage.add(2, Normal, plan(&[(cores(2), &[])]));
    assert!(stage.launched().is_empty());
    stage.add(3, Normal, chain(1));
    assert_eq!(stage.launched(), [run(3, 0, 1)]);
}

/// Keeps two of two cores busy with small jobs of `priority`, and counts how many are launched until job 1 is.
fn launches_until_job_1_runs(
    stage: &mut Stage,
    priority: platform_api::job::JobPriority,
    most: u128,
) -> u128 {
    let mut at_work = stage.launched();
    for launches in 0..=most {
        stage.now_ms += 1000;
        stage.add(1000 + launches, priority, chain(1));
        at_work.extend(stage.launched());
        stage.completed(at_work.remove(0));
        at_work.extend(stage.launched());
        if at_work.iter().any(|run| run.job == job(1)) {
            return launches;
        }
        if at_work.is_empty() {
            panic!("nothing runs");
        }
    }
    panic!("job 1 starves after {most} others");
}

#[test]
fn a_big_job_is_passed_a_bounded_number_of_times_by_a_stream_of_small_ones() {
    for (priority, patience) in [(Higher, 8), (Normal, 16), (Lower, 32)] {
        let mut stage = Stage::new(machine(2, &[]));
        stage.add(900, priority, chain(1));
        stage.add(901, priority, chain(1));
        let begun = [run(900, 0, 1), run(901, 0, 1)];
        stage.add(1, priority, plan(&[(cores(2), &[])]));
        stage.effects = begun.iter().map(launch).collect();
        let launches = launches_until_job_1_runs(&mut stage, priority, 1000);
        assert!(launches <= patience + 2, "{launches} launches, {priority:?}");
        assert!(launches >= patience, "it is passed while there is patience: {launches}");
    }
}

fn launch(run: &RunToken) -> Effect {
    Effect::Launch { run: *run, request: cores(1), gpus: Vec::new() }
}

#[test]
fn a_stream_of_higher_jobs_does_not_starve_lower_ones() {
    for (priority, patience) in [(Normal, 16), (Lower, 32)] {
        let mut stage = Stage::new(machine(2, &[]));
        stage.add(900, Higher, chain(1));
        stage.add(901, Higher, chain(1));
        stage.add(1, priority, chain(1));
        stage.effects = [run(900, 0, 1), run(901, 0, 1)].iter().map(launch).collect();
        let launches = launches_until_job_1_runs(&mut stage, Higher, 1000);
        assert_eq!(launches, patience, "{priority:?}");
    }
}

#[test]
fn a_deep_queue_of_normal_jobs_yields_to_a_higher_one_but_for_a_turn_now_and_then() {
    let mut stage = busy();
    for number in 1..=200 {
        stage.add(number, Normal, chain(1));
    }
    for number in 1001..=1100 {
        stage.add(number, Higher, chain(1));
    }
    let order = drained(&mut stage, run(0, 0, 1));
    let normal_among_higher = order.iter().take(106).filter(|number| **number < 1000).count();
    assert_eq!(normal_among_higher, 6, "one in seventeen");
    let normal: Vec<_> = order.iter().copied().filter(|number| *number < 1000).collect();
    assert_eq!(normal, (1..=200).collect::<Vec<_>>());
}

#[test]
fn immediate_jobs_always_go_first_and_nobody_passes_them_in_what_they_are_short_of() {
    let mut stage = Stage::new(machine(4, &["a"]));
    stage.add(1, Normal, plan(&[(gpus(1), &[])]));
    stage.add(2, Immediate, plan(&[(gpus(1), &[])]));
    assert!(stage.launched().is_empty());
    // Short of a GPU, and one core is kept for it: four less one at work less one kept.
    for number in 3..=6 {
        stage.add(number, Higher, chain(1));
        assert_eq!(stage.launched().len(), usize::from(number < 5), "job {number}");
    }
    stage.add(7, Higher, plan(&[(gpus(1), &[])]));
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.launched(), [run(2, 0, 1), run(5, 0, 1)]);
}

#[test]
fn a_reservation_for_a_gpu_leaves_the_rest_of_the_machine_at_work() {
    let mut stage = Stage::new(machine(8, &["a"]));
    stage.add(1, Normal, plan(&[(gpus(1), &[])]));
    stage.add(2, Normal, plan(&[(gpus(1), &[])]));
    for number in 10..200 {
        stage.add(number, Normal, chain(1));
        match stage.launched()[..] {
            [launched] => stage.completed(launched),
            ref other => panic!("job {number}: {other:?}"),
        }
    }
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.launched(), [run(2, 0, 1)]);
}

#[test]
fn gpus_are_exclusive_and_named_in_the_launch() {
    let mut stage = Stage::new(machine(8, &["a", "b", "c"]));
    stage.add(1, Normal, plan(&[(gpus(2), &[])]));
    let of = |stage: &Stage| {
        stage.effects.iter().find_map(|effect| match effect {
            Effect::Launch { gpus, .. } => Some(gpus.iter().map(GpuId::to_string).collect::<Vec<_>>()),
            _ => None,
        })
    };
    assert_eq!(of(&stage).unwrap(), ["a", "b"]);
    stage.add(2, Normal, plan(&[(cores(1), &[])]));
    assert_eq!(of(&stage).unwrap(), Vec::<String>::new());
    stage.add(3, Normal, plan(&[(gpus(1), &[])]));
    assert_eq!(of(&stage).unwrap(), ["c"]);
    stage.add(4, Normal, plan(&[(gpus(1), &[])]));
    assert_eq!(of(&stage), None);
    stage.completed(run(1, 0, 1));
    assert_eq!(of(&stage).unwrap(), ["a"]);
}
