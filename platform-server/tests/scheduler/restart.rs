//! A server that starts again: from its rows, and from what executors still know.

use std::collections::BTreeMap;

use platform_api::job::JobPriority::{Higher, Lower, Normal};
use platform_api::job::JobState::{Pending, Running, Stopped};
use platform_api::job::JobStatus::{Canceled, Evicted, Faulted, Healthy, Terminated};
use platform_api::job::OperatorStatus;
use platform_server::scheduler::{
    Capacity, Config, Fault, JobRecord, OnRestart, Outcome, RestoreError, RunFate, RunToken, Scheduler,
    Snapshot,
};

use crate::stage::{Stage, chain, cores, gpus, job, limited_plan, machine, plan, run};

fn records(stage: &Stage) -> Vec<JobRecord> {
    stage
        .jobs
        .values()
        .map(|(plan, row)| JobRecord {
            plan: plan.clone(),
            row: row.clone(),
            operators: stage
                .operators
                .range((row.job, 0)..=(row.job, u32::MAX))
                .map(|(_, row)| row.clone())
                .collect(),
        })
        .collect()
}

/// Starts again with the rows of `stage`; runs that are not named are gone without an outcome.
fn restarted(stage: &mut Stage, config: Config, capacity: Capacity, fates: &[(RunToken, RunFate)]) {
    let snapshot = Snapshot {
        jobs: records(stage),
        fates: fates.iter().copied().collect::<BTreeMap<_, _>>(),
        capacity,
        now_ms: stage.now_ms,
    };
    let (scheduler, effects) = Scheduler::restore(config, snapshot).unwrap();
    stage.scheduler = scheduler;
    stage.note(effects);
}

fn evicting() -> Config {
    Config { on_restart: OnRestart::Evict, ..Config::default() }
}

fn gone(outcome: Option<Outcome>) -> RunFate {
    RunFate::Gone { outcome, ended_ms: None }
}

#[test]
fn jobs_that_wait_keep_their_order_and_their_priorities() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.add(50, Normal, chain(1));
    for (number, priority) in [(9, Lower), (3, Normal), (7, Higher), (1, Normal), (5, Normal)] {
        stage.add(number, priority, chain(1));
    }
    stage.create(2, Higher, chain(1)).unwrap();
    for config in [Config::default(), evicting()] {
        restarted(&mut stage, config, machine(1, &[]), &[(run(50, 0, 1), RunFate::Reattached)]);
    }
    let mut at_work = run(50, 0, 1);
    let mut order = Vec::new();
    loop {
        stage.completed(at_work);
        let [next] = stage.launched()[..] else { break };
        order.push(next.job.to_bits());
        at_work = next;
    }
    assert_eq!(order, [7, 3, 1, 5, 9]);
    assert_eq!(stage.state(2), (Pending, Healthy));
    stage.start(2).unwrap();
    assert_eq!(stage.launched(), [run(2, 0, 1)]);
}

#[test]
fn a_run_that_is_still_there_goes_on_with_what_it_holds() {
    let mut stage = Stage::new(machine(4, &["a", "b"]));
    stage.add(1, Normal, plan(&[(gpus(1), &[]), (gpus(2), &[0])]));
    stage.add(2, Normal, plan(&[(gpus(2), &[])]));
    stage.started(run(1, 0, 1));
    restarted(&mut stage, Config::default(), machine(4, &["a", "b"]), &[(run(1, 0, 1), RunFate::Reattached)]);
    assert!(stage.launched().is_empty(), "one of two GPUs is taken");
    assert_eq!(stage.state(1), (Running, Healthy));
    stage.started(run(1, 0, 1));
    assert_eq!(stage.scheduler.ignored(), 1, "its beginning is no news");
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.launched(), [run(1, 1, 1)]);
}

#[test]
fn a_run_that_ended_meanwhile_counts_as_it_ended() {
    let table = [
        (Some(Outcome::Completed), (Running, Healthy), (OperatorStatus::Completed, None)),
        (
            Some(Outcome::Faulted(Fault::ExitCode(1))),
            (Stopped, Faulted),
            (OperatorStatus::Faulted, Some(Fault::ExitCode(1))),
        ),
        (Some(Outcome::Faulted(Fault::Lost)), (Running, Healthy), (OperatorStatus::Pending, None)),
        (None, (Stopped, Evicted), (OperatorStatus::Faulted, Some(Fault::Lost))),
    ];
    for (outcome, state, operator) in table {
        let mut stage = Stage::new(machine(1, &[]));
        stage.add(1, Normal, chain(2));
        stage.started(run(1, 0, 1));
        stage.now_ms += 5000;
        restarted(&mut stage, Config::default(), machine(1, &[]), &[(run(1, 0, 1), gone(outcome))]);
        assert_eq!((stage.state(1), stage.operator(1, 0)), (state, operator), "{outcome:?}");
        assert!(stage.canceled().is_empty(), "there is nothing to be asked");
    }
}

#[test]
fn the_last_operator_may_have_completed_while_no_server_was_there() {
    for config in [Config::default(), evicting()] {
        let mut stage = Stage::new(machine(1, &[]));
        stage.add(1, Normal, chain(1));
        stage.started(run(1, 0, 1));
        let started_ms = stage.now_ms;
        stage.now_ms += 5_000_000;
        let fate = RunFate::Gone { outcome: Some(Outcome::Completed), ended_ms: Some(started_ms + 700) };
        restarted(&mut stage, config, machine(1, &[]), &[(run(1, 0, 1), fate)]);
        assert_eq!(stage.state(1), (Stopped, Healthy));
        assert_eq!(stage.operators[&(job(1), 0)].ended_ms, Some(started_ms + 700));
        assert_eq!(stage.row(1).ran_ms, 700, "the time without a server is not its time");
    }
}

#[test]
fn with_eviction_what_had_begun_is_ended_and_what_waits_is_not() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.add(1, Normal, chain(2));
    stage.started(run(1, 0, 1));
    stage.add(2, Normal, chain(1));
    restarted(&mut stage, evicting(), machine(1, &[]), &[(run(1, 0, 1), RunFate::Reattached)]);
    assert_eq!(stage.state(1), (Running, Evicted));
    assert_eq!(stage.canceled(), [run(1, 0, 1)]);
    assert!(stage.launched().is_empty(), "it still holds the core");
    stage.faulted(run(1, 0, 1), Fault::Signal(15));
    assert_eq!(stage.state(1), (Stopped, Evicted));
    assert_eq!(stage.launched(), [run(2, 0, 1)]);
}

#[test]
fn a_job_that_was_being_stopped_is_stopped_to_its_end() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.add(1, Normal, chain(2));
    stage.started(run(1, 0, 1));
    stage.cancel(1).unwrap();
    restarted(&mut stage, Config::default(), machine(1, &[]), &[(run(1, 0, 1), RunFate::Reattached)]);
    assert_eq!(stage.canceled(), [run(1, 0, 1)], "asked again");
    stage.later(15_000);
    assert_eq!(stage.killed(), [run(1, 0, 1)]);
    restarted(&mut stage, Config::default(), machine(1, &[]), &[]);
    assert_eq!(stage.state(1), (Stopped, Canceled));
}

#[test]
fn the_time_limit_goes_on_across_a_restart() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.create_limited(1, Normal, chain(2), Some(1000)).unwrap();
    stage.start(1).unwrap();
    stage.started(run(1, 0, 1));
    stage.now_ms += 400;
    restarted(&mut stage, Config::default(), machine(1, &[]), &[(run(1, 0, 1), RunFate::Reattached)]);
    stage.later(599);
    assert_eq!(stage.state(1), (Running, Healthy));
    stage.later(1);
    assert_eq!(stage.state(1), (Running, Terminated));

    // Used up exactly when its first operator ended: the second does not begin.
    let mut stage = Stage::new(machine(1, &[]));
    stage.create_limited(1, Normal, chain(2), Some(1000)).unwrap();
    stage.start(1).unwrap();
    let ended_ms = Some(stage.now_ms + 1000);
    stage.now_ms += 9000;
    let fate = RunFate::Gone { outcome: Some(Outcome::Completed), ended_ms };
    restarted(&mut stage, Config::default(), machine(1, &[]), &[(run(1, 0, 1), fate)]);
    assert!(stage.launched().is_empty());
    assert_eq!(stage.state(1), (Stopped, Terminated));
}

#[test]
fn the_time_limit_of_an_operator_goes_on_across_a_restart() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.add(1, Normal, limited_plan(&[(cores(1), &[])], &[1_000]));
    stage.started(run(1, 0, 1));
    stage.now_ms += 400;
    restarted(&mut stage, Config::default(), machine(1, &[]), &[(run(1, 0, 1), RunFate::Reattached)]);
    stage.later(599);
    assert_eq!(stage.state(1), (Running, Healthy));
    stage.later(1);
    assert_eq!(stage.state(1), (Running, Terminated));
    assert_eq!(stage.canceled(), [run(1, 0, 1)]);
}

#[test]
fn attempts_are_never_numbered_twice() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.add(1, Normal, chain(1));
    stage.faulted(run(1, 0, 1), Fault::Lost);
    assert_eq!(stage.launched(), [run(1, 0, 2)]);
    let config = Config { lost_retries: 5, ..Config::default() };
    let lost = gone(Some(Outcome::Faulted(Fault::Lost)));
    restarted(&mut stage, config, machine(1, &[]), &[(run(1, 0, 2), lost)]);
    assert_eq!(stage.launched(), [run(1, 0, 3)]);
}

#[test]
fn a_machine_that_came_back_smaller_stops_what_can_never_run() {
    let mut stage = Stage::new(machine(4, &[]));
    stage.add(1, Normal, plan(&[(cores(4), &[])]));
    stage.add(2, Normal, plan(&[(cores(3), &[])]));
    stage.add(3, Normal, plan(&[(cores(2), &[])]));
    restarted(&mut stage, Config::default(), machine(2, &[]), &[(run(1, 0, 1), RunFate::Reattached)]);
    assert_eq!(stage.state(1), (Pending, Healthy), "it has its cores already");
    assert_eq!(stage.state(2), (Stopped, Faulted));
    assert!(stage.launched().is_empty());
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.launched(), [run(3, 0, 1)]);
}

#[test]
fn rows_that_contradict_each_other_are_refused() {
    type Damage = fn(&mut Vec<JobRecord>);
    let table: [(&str, Damage, RestoreError); 9] = [
        ("a job twice", |jobs| jobs.push(jobs[2].clone()), RestoreError::JobTwice { job: job(3) }),
        (
            "a place twice",
            |jobs| jobs[1].row.queue_position = jobs[0].row.queue_position,
            RestoreError::PlaceTwice { first: job(1), second: job(2) },
        ),
        (
            "a place without a successor",
            |jobs| jobs[1].row.queue_position = Some(u64::MAX),
            RestoreError::AbsurdPlace { job: job(2), position: u64::MAX },
        ),
        (
            "an attempt without a successor",
            |jobs| jobs[0].operators[0].attempt = u32::MAX,
            RestoreError::Operator { job: job(1), operator: 0 },
        ),
        (
            "an operator too few",
            |jobs| jobs[0].operators.truncate(1),
            RestoreError::OperatorCount { job: job(1), expected: 2, found: 1 },
        ),
        (
            "running without a run",
            |jobs| jobs[0].operators[0].run = None,
            RestoreError::Operator { job: job(1), operator: 0 },
        ),
        (
            "launched and never started",
            |jobs| jobs[0].row.queue_position = None,
            RestoreError::Operator { job: job(1), operator: 0 },
        ),
        (
            "failed in a healthy job",
            |jobs| {
                jobs[0].operators[1].status = OperatorStatus::Faulted;
                jobs[0].operators[1].fault = Some(Fault::Disk);
            },
            RestoreError::Operator { job: job(1), operator: 1 },
        ),
        (
            "one GPU for two",
            |jobs| jobs[1].operators[0].run = jobs[0].operators[0].run.clone(),
            RestoreError::GpuTwice { job: job(2), gpu: platform_server::scheduler::GpuId::new("a") },
        ),
    ];
    for (name, damage, expected) in table {
        let mut stage = Stage::new(machine(4, &["a", "b"]));
        stage.add(1, Normal, plan(&[(gpus(1), &[]), (gpus(1), &[0])]));
        stage.started(run(1, 0, 1));
        stage.add(2, Normal, plan(&[(gpus(1), &[])]));
        stage.create(3, Normal, chain(1)).unwrap();
        let mut jobs = records(&stage);
        damage(&mut jobs);
        let snapshot = Snapshot { jobs, capacity: machine(4, &["a", "b"]), ..Snapshot::default() };
        assert_eq!(Scheduler::restore(Config::default(), snapshot).unwrap_err(), expected, "{name}");
    }
}

#[test]
fn stopped_jobs_are_remembered_if_their_rows_are_given() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.add(1, Normal, chain(1));
    stage.completed(run(1, 0, 1));
    restarted(&mut stage, Config::default(), machine(1, &[]), &[]);
    assert_eq!(stage.state(1), (Stopped, Healthy));
    assert!(stage.start(1).is_err());
    assert_eq!(stage.effects, []);
}
