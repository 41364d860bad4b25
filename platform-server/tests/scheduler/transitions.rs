//! Each transition of jobs and operators, the illegal ones included.

use platform_api::job::JobPriority::{Higher, Immediate, Lower, Normal};
use platform_api::job::JobState::{Pending, Running, Stopped};
use platform_api::job::JobStatus::{Canceled, Faulted, Healthy, Terminated};
use platform_api::job::OperatorStatus;
use platform_server::scheduler::{
    Config, Effect, Event, Fault, Outcome, Refusal, Request, Resource, StopCause,
};

use crate::stage::{Stage, chain, cores, gpus, job, limited_plan, machine, plan, run};

/// Brings job 1, two operators in a row, into a situation by its name.
fn in_situation(situation: &str) -> Stage {
    let mut stage = Stage::new(machine(1, &[]));
    if situation == "unknown" {
        return stage;
    }
    if situation == "queued" {
        stage.add(9, Immediate, chain(1));
    }
    stage.create(1, Normal, chain(2)).unwrap();
    if situation == "created" {
        return stage;
    }
    stage.start(1).unwrap();
    match situation {
        "queued" | "launched" => return stage,
        _ => stage.started(run(1, 0, 1)),
    }
    match situation {
        "running" => {}
        "stopping" => stage.cancel(1).unwrap(),
        "stopped" => stage.faulted(run(1, 0, 1), Fault::ExitCode(3)),
        _ => panic!("no such situation: {situation}"),
    }
    stage
}

#[test]
fn every_request_in_every_situation_is_answered_as_the_table_says() {
    let started = Err(Refusal::AlreadyStarted { job: job(1) });
    let stopped = Err(Refusal::AlreadyStopped { job: job(1), status: Faulted });
    let exists = Err(Refusal::JobExists { job: job(1) });
    let unknown = Err(Refusal::UnknownJob { job: job(1) });
    let fixed = Err(Refusal::NotPending { job: job(1) });
    let unfinished = Err(Refusal::NotStopped { job: job(1) });
    let table = [
        // situation, create, start, cancel, priority, forget
        ("unknown", Ok(()), unknown.clone(), unknown.clone(), unknown.clone(), unknown),
        ("created", exists.clone(), Ok(()), Ok(()), Ok(()), unfinished.clone()),
        ("queued", exists.clone(), started.clone(), Ok(()), Ok(()), unfinished.clone()),
        ("launched", exists.clone(), started.clone(), Ok(()), fixed.clone(), unfinished.clone()),
        ("running", exists.clone(), started.clone(), Ok(()), fixed.clone(), unfinished.clone()),
        ("stopping", exists.clone(), started, Ok(()), fixed, unfinished),
        ("stopped", exists, stopped.clone(), stopped.clone(), stopped, Ok(())),
    ];
    for (situation, create, start, cancel, priority, forget) in table {
        assert_eq!(in_situation(situation).create(1, Normal, chain(2)), create, "create, {situation}");
        assert_eq!(in_situation(situation).start(1), start, "start, {situation}");
        assert_eq!(in_situation(situation).cancel(1), cancel, "cancel, {situation}");
        let set = Event::SetPriority { job: job(1), priority: Higher };
        assert_eq!(in_situation(situation).send(set), priority, "priority, {situation}");
        assert_eq!(
            in_situation(situation).send(Event::Forget { job: job(1) }),
            forget,
            "forget, {situation}"
        );
    }
}

#[test]
fn a_job_that_goes_well_is_pending_then_running_then_stopped_and_healthy() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.create(1, Normal, chain(2)).unwrap();
    assert_eq!(stage.state(1), (Pending, Healthy));
    assert!(stage.launched().is_empty(), "a created job waits for its start");
    stage.now_ms += 100;
    stage.start(1).unwrap();
    assert_eq!(stage.launched(), [run(1, 0, 1)]);
    assert_eq!(stage.state(1), (Pending, Healthy), "launched is not yet running");
    stage.now_ms += 10;
    stage.started(run(1, 0, 1));
    assert_eq!(stage.state(1), (Running, Healthy));
    assert_eq!(stage.operator(1, 0), (OperatorStatus::Running, None));
    assert_eq!(stage.operator(1, 1), (OperatorStatus::Pending, None));
    stage.now_ms += 1000;
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.launched(), [run(1, 1, 1)]);
    assert_eq!(stage.operator(1, 0), (OperatorStatus::Completed, None));
    stage.now_ms += 5;
    stage.started(run(1, 1, 1));
    stage.now_ms += 2000;
    stage.completed(run(1, 1, 1));
    assert_eq!(stage.state(1), (Stopped, Healthy));
    let row = stage.row(1);
    let t = 1_000_000;
    assert_eq!((row.created_ms, row.queued_ms), (t, Some(t + 100)));
    assert_eq!((row.started_ms, row.stopped_ms), (Some(t + 110), Some(t + 3115)));
    assert_eq!(row.ran_ms, 3015, "from the launch to the end");
    assert_eq!(row.cause, None);
    let times: Vec<_> = (0..2)
        .map(|operator| &stage.operators[&(job(1), operator)])
        .map(|row| (row.started_ms, row.ended_ms))
        .collect();
    assert_eq!(times, [(Some(t + 110), Some(t + 1110)), (Some(t + 1115), Some(t + 3115))], "their own times");
}

#[test]
fn a_failed_operator_faults_its_job_at_once_and_stops_it_when_the_others_have_ended() {
    let mut stage = Stage::new(machine(4, &[]));
    stage.add(1, Normal, plan(&[(cores(1), &[]), (cores(1), &[]), (cores(1), &[0]), (cores(1), &[1])]));
    assert_eq!(stage.launched(), [run(1, 0, 1), run(1, 1, 1)]);
    stage.started(run(1, 0, 1));
    stage.started(run(1, 1, 1));
    stage.faulted(run(1, 0, 1), Fault::ExitCode(7));
    assert_eq!(stage.state(1), (Running, Faulted));
    assert_eq!(stage.canceled(), [run(1, 1, 1)]);
    assert!(stage.launched().is_empty());
    assert_eq!(stage.operator(1, 0), (OperatorStatus::Faulted, Some(Fault::ExitCode(7))));
    assert_eq!(stage.operator(1, 2), (OperatorStatus::Faulted, Some(Fault::NeverStarted)));
    stage.faulted(run(1, 1, 1), Fault::Signal(15));
    assert_eq!(stage.state(1), (Stopped, Faulted));
    assert_eq!(stage.operator(1, 1), (OperatorStatus::Faulted, Some(Fault::Canceled)));
    let cause = StopCause::OperatorFailed { operator: 0, fault: Fault::ExitCode(7) };
    assert_eq!(stage.row(1).cause, Some(cause));
}

#[test]
fn each_fault_of_an_operator_is_kept_as_its_reason() {
    for fault in [
        Fault::ExitCode(1),
        Fault::Signal(11),
        Fault::OutOfMemory,
        Fault::Timeout,
        Fault::Disk,
        Fault::Canceled,
        Fault::LaunchFailed,
        Fault::NeverStarted,
    ] {
        let mut stage = in_situation("launched");
        stage.faulted(run(1, 0, 1), fault);
        assert_eq!(stage.operator(1, 0), (OperatorStatus::Faulted, Some(fault)));
        assert_eq!(stage.state(1), (Stopped, Faulted));
    }
}

#[test]
fn an_operator_that_could_not_be_launched_has_no_start_and_one_that_ended_unheard_has_that_of_its_launch() {
    for (outcome, did_begin) in [
        (Outcome::Faulted(Fault::LaunchFailed), false),
        (Outcome::Faulted(Fault::Canceled), false),
        (Outcome::Faulted(Fault::ExitCode(1)), true),
    ] {
        let mut stage = in_situation("launched");
        let launched_ms = stage.now_ms;
        stage.now_ms += 50;
        stage.ended(run(1, 0, 1), outcome);
        let row = &stage.operators[&(job(1), 0)];
        assert_eq!(row.started_ms, did_begin.then_some(launched_ms), "{outcome:?}");
        assert_eq!(row.ended_ms, did_begin.then_some(launched_ms + 50), "{outcome:?}");
        assert_eq!(stage.row(1).started_ms, did_begin.then_some(launched_ms), "{outcome:?}");
    }
}

#[test]
fn a_canceled_job_ends_from_wherever_it_was() {
    for (situation, asked) in [("created", false), ("queued", false), ("launched", true), ("running", true)] {
        let mut stage = in_situation(situation);
        let before = stage.state(1).0;
        stage.cancel(1).unwrap();
        if asked {
            assert_eq!(stage.state(1), (before, Canceled), "{situation}");
            assert_eq!(stage.canceled(), [run(1, 0, 1)]);
            stage.faulted(run(1, 0, 1), Fault::Signal(15));
            assert_eq!(stage.operator(1, 0), (OperatorStatus::Faulted, Some(Fault::Canceled)));
        }
        assert_eq!(stage.state(1), (Stopped, Canceled), "{situation}");
        assert_eq!(stage.row(1).cause, Some(StopCause::Canceled));
        assert_eq!(stage.operator(1, 1), (OperatorStatus::Faulted, Some(Fault::NeverStarted)));
        assert_eq!(stage.scheduler.waiting(), 0);
    }
}

#[test]
fn an_operator_that_completes_after_it_was_asked_to_end_has_completed_and_its_job_is_canceled() {
    let mut stage = in_situation("stopping");
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.operator(1, 0), (OperatorStatus::Completed, None));
    assert_eq!(stage.state(1), (Stopped, Canceled));
}

#[test]
fn the_first_cause_of_an_end_stays() {
    let mut stage = Stage::new(machine(2, &[]));
    stage.add(1, Normal, plan(&[(cores(1), &[]), (cores(1), &[])]));
    stage.faulted(run(1, 0, 1), Fault::OutOfMemory);
    stage.cancel(1).unwrap();
    assert!(stage.effects.is_empty(), "nothing new to be done");
    stage.later(10_000_000);
    stage.faulted(run(1, 1, 1), Fault::Signal(9));
    assert_eq!(stage.state(1), (Stopped, Faulted));
}

#[test]
fn what_does_not_end_in_its_grace_is_killed_until_it_does() {
    let mut stage = in_situation("stopping");
    assert_eq!(stage.effects.last(), Some(&Effect::WakeAt { at_ms: stage.now_ms + 15_000 }));
    stage.later(14_999);
    assert!(stage.killed().is_empty());
    stage.later(1);
    assert_eq!(stage.killed(), [run(1, 0, 1)]);
    assert_eq!(stage.state(1), (Running, Canceled), "a run is over when its end is known");
    stage.later(15_000);
    assert_eq!(stage.killed(), [run(1, 0, 1)]);
    stage.faulted(run(1, 0, 1), Fault::Signal(9));
    stage.later(15_000);
    assert!(stage.killed().is_empty());
}

#[test]
fn a_grace_of_nothing_kills_at_once() {
    let config = Config { grace_ms: 0, ..Config::default() };
    let mut stage = Stage::with(config, machine(1, &[]));
    stage.add(1, Normal, chain(1));
    stage.cancel(1).unwrap();
    assert_eq!((stage.canceled(), stage.killed()), (vec![run(1, 0, 1)], vec![run(1, 0, 1)]));
}

#[test]
fn a_job_over_its_time_limit_is_terminated() {
    for (asked_ms, limit_ms) in [(None, 600_000), (Some(5_000), 5_000), (Some(99_000_000), 1_800_000)] {
        let mut stage = Stage::new(machine(1, &[]));
        stage.create_limited(1, Normal, chain(2), asked_ms).unwrap();
        stage.start(1).unwrap();
        assert_eq!(stage.effects.last(), Some(&Effect::WakeAt { at_ms: stage.now_ms + limit_ms }));
        stage.started(run(1, 0, 1));
        stage.later(limit_ms - 1);
        assert_eq!(stage.state(1), (Running, Healthy));
        stage.later(1);
        assert_eq!(stage.state(1), (Running, Terminated));
        assert_eq!(stage.canceled(), [run(1, 0, 1)]);
        stage.later(15_000);
        assert_eq!(stage.killed(), [run(1, 0, 1)]);
        stage.faulted(run(1, 0, 1), Fault::Signal(9));
        assert_eq!(stage.state(1), (Stopped, Terminated));
        assert_eq!(stage.operator(1, 0), (OperatorStatus::Faulted, Some(Fault::Timeout)));
        assert_eq!(stage.row(1).cause, Some(StopCause::TimeLimit { limit_ms }));
    }
}

#[test]
fn an_operator_over_its_own_time_limit_ends_its_job_and_is_told_from_the_others() {
    let mut stage = Stage::new(machine(4, &[]));
    let three = limited_plan(&[(cores(1), &[]), (cores(1), &[]), (cores(1), &[0])], &[9_000, 5_000, 1_000]);
    stage.create_limited(1, Normal, three, Some(60_000)).unwrap();
    stage.start(1).unwrap();
    assert_eq!(stage.effects.last(), Some(&Effect::WakeAt { at_ms: stage.now_ms + 5_000 }));
    stage.started(run(1, 0, 1));
    stage.started(run(1, 1, 1));
    stage.later(4_999);
    assert_eq!(stage.state(1), (Running, Healthy));
    stage.later(1);
    assert_eq!(stage.state(1), (Running, Terminated));
    assert_eq!(stage.canceled(), [run(1, 0, 1), run(1, 1, 1)]);
    assert_eq!(
        [0, 1].map(|operator| stage.scheduler.is_out_of_time(run(1, operator, 1))),
        [false, true],
        "the other one is only asked to end"
    );
    stage.faulted(run(1, 0, 1), Fault::Signal(15));
    stage.faulted(run(1, 1, 1), Fault::ExitCode(1));
    assert_eq!(stage.state(1), (Stopped, Terminated));
    assert_eq!(stage.operator(1, 0), (OperatorStatus::Faulted, Some(Fault::Canceled)));
    assert_eq!(stage.operator(1, 1), (OperatorStatus::Faulted, Some(Fault::Timeout)));
    assert_eq!(stage.operator(1, 2), (OperatorStatus::Faulted, Some(Fault::NeverStarted)));
    assert_eq!(stage.row(1).cause, Some(StopCause::OperatorTimeLimit { operator: 1, limit_ms: 5_000 }));
}

#[test]
fn each_run_of_an_operator_has_its_time_limit_to_itself() {
    let config = Config { lost_retries: 1, ..Config::default() };
    let mut stage = Stage::with(config, machine(1, &[]));
    let two = limited_plan(&[(cores(1), &[]), (cores(1), &[0])], &[1_000, 1_000]);
    stage.create_limited(1, Normal, two, Some(60_000)).unwrap();
    stage.start(1).unwrap();
    stage.later(900);
    stage.faulted(run(1, 0, 1), Fault::Lost);
    assert_eq!(stage.launched(), [run(1, 0, 2)]);
    stage.later(900);
    stage.completed(run(1, 0, 2));
    assert_eq!(stage.launched(), [run(1, 1, 1)]);
    stage.later(999);
    assert_eq!(stage.state(1).1, Healthy);
    stage.later(1);
    assert_eq!(stage.state(1).1, Terminated);
    assert_eq!(stage.row(1).cause, Some(StopCause::OperatorTimeLimit { operator: 1, limit_ms: 1_000 }));
}

#[test]
fn the_time_limit_of_the_job_holds_for_operators_that_have_more() {
    let mut stage = Stage::new(machine(1, &[]));
    let one = limited_plan(&[(cores(1), &[])], &[9_000]);
    stage.create_limited(1, Normal, one, Some(2_000)).unwrap();
    stage.start(1).unwrap();
    stage.later(2_000);
    assert_eq!(stage.row(1).cause, Some(StopCause::TimeLimit { limit_ms: 2_000 }));
    assert!(stage.scheduler.is_out_of_time(run(1, 0, 1)));
}

#[test]
fn waiting_for_room_is_not_run_time_neither_before_nor_between_operators() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.add(9, Immediate, chain(1));
    stage.create_limited(1, Normal, chain(2), Some(1000)).unwrap();
    stage.start(1).unwrap();
    stage.later(500_000);
    stage.completed(run(9, 0, 1));
    assert_eq!(stage.launched(), [run(1, 0, 1)]);
    stage.later(600);
    stage.add(8, Immediate, chain(1));
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.launched(), [run(8, 0, 1)]);
    assert_eq!((stage.row(1).ran_ms, stage.row(1).clock_since_ms), (600, None));
    stage.later(500_000);
    stage.completed(run(8, 0, 1));
    assert_eq!(stage.launched(), [run(1, 1, 1)]);
    stage.later(399);
    assert_eq!(stage.state(1), (Running, Healthy));
    stage.later(1);
    assert_eq!(stage.state(1), (Running, Terminated));
}

#[test]
fn a_job_whose_time_is_over_when_an_operator_completes_does_not_go_on() {
    let mut stage = in_situation("running");
    stage.now_ms += 600_000;
    stage.completed(run(1, 0, 1));
    assert!(stage.launched().is_empty());
    assert_eq!(stage.operator(1, 0), (OperatorStatus::Completed, None));
    assert_eq!(stage.state(1), (Stopped, Terminated));
}

#[test]
fn a_clock_that_goes_back_ends_nothing_early_and_repeats_nothing() {
    let mut stage = in_situation("running");
    stage.later(599_999);
    stage.now_ms -= 500_000;
    stage.later(0);
    assert_eq!(stage.state(1), (Running, Healthy));
    stage.now_ms += 500_000;
    stage.later(1);
    assert_eq!(stage.state(1), (Running, Terminated));
}

#[test]
fn a_lost_run_is_tried_again_with_a_new_token_and_then_given_up() {
    let mut stage = in_situation("running");
    stage.faulted(run(1, 0, 1), Fault::Lost);
    assert_eq!(stage.launched(), [run(1, 0, 2)]);
    assert_eq!(stage.operator(1, 0), (OperatorStatus::Pending, None));
    assert_eq!(stage.state(1), (Running, Healthy));
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.scheduler.ignored(), 1, "the lost run has no say any more");
    stage.started(run(1, 0, 2));
    stage.faulted(run(1, 0, 2), Fault::Lost);
    assert_eq!(stage.operator(1, 0), (OperatorStatus::Faulted, Some(Fault::Lost)));
    assert_eq!(stage.state(1), (Stopped, Faulted));
}

#[test]
fn reports_of_unknown_or_ended_runs_are_counted_and_change_nothing() {
    let mut stage = in_situation("running");
    let bogus = [
        Event::RunStarted { run: run(1, 0, 1) },
        Event::RunStarted { run: run(1, 1, 0) },
        Event::RunStarted { run: run(1, 7, 1) },
        Event::RunStarted { run: run(77, 0, 1) },
        Event::RunEnded { run: run(1, 0, 2), outcome: Outcome::Completed },
        Event::RunEnded { run: run(1, 1, 0), outcome: Outcome::Completed },
        Event::RunEnded { run: run(1, u32::MAX, 1), outcome: Outcome::Completed },
        Event::RunEnded { run: run(77, 0, 1), outcome: Outcome::Completed },
    ];
    for (count, event) in (1..).zip(bogus) {
        stage.send(event).unwrap();
        assert_eq!(stage.effects, []);
        assert_eq!(stage.scheduler.ignored(), count);
    }
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.launched(), [run(1, 1, 1)]);
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.effects, []);
}

#[test]
fn what_can_never_run_is_refused_with_what_is_missing() {
    for (request, resource, asked, available) in [
        (cores(3), Resource::CpuMillis, 3000, 2000),
        (gpus(2), Resource::Gpus, 2, 1),
        (Request { memory_mb: 65_537, ..cores(1) }, Resource::MemoryMb, 65_537, 65_536),
    ] {
        let wanted = plan(&[(cores(1), &[]), (request, &[0])]);
        let mut stage = Stage::new(machine(2, &["a"]));
        let at_create = stage.create(1, Normal, wanted.clone()).unwrap_err();
        let Refusal::NeverFits { source, .. } = &at_create else { panic!("{at_create}") };
        assert_eq!((source.operator, &*source.name), (1, "operator-1"));
        assert_eq!((source.resource, source.asked, source.available), (resource, asked, available));
        stage.send(Event::CapacityChanged(machine(8, &["a", "b"]))).unwrap();
        if resource == Resource::MemoryMb {
            continue;
        }
        stage.create(1, Normal, wanted).unwrap();
        stage.send(Event::CapacityChanged(machine(2, &["a"]))).unwrap();
        assert_eq!(stage.state(1), (Pending, Healthy), "not started, so nothing is wrong yet");
        assert_eq!(stage.start(1), Err(at_create));
    }
    let mut stage = Stage::new(machine(2, &["a"]));
    let refusal = stage.create(1, Normal, plan(&[(gpus(2), &[])])).unwrap_err();
    let Refusal::NeverFits { source, .. } = refusal else { panic!("{refusal}") };
    assert_eq!(source.to_string(), "operator `operator-0` asks for 2 GPUs, and there are 1 in all");
}

#[test]
fn jobs_that_a_smaller_machine_can_never_run_are_stopped_and_say_so() {
    let mut stage = Stage::new(machine(4, &[]));
    stage.add(9, Immediate, plan(&[(cores(4), &[])]));
    stage.add(1, Normal, plan(&[(cores(3), &[])]));
    stage.add(2, Normal, plan(&[(cores(2), &[])]));
    stage.add(3, Lower, plan(&[(cores(1), &[]), (cores(4), &[0])]));
    stage.send(Event::CapacityChanged(machine(2, &[]))).unwrap();
    assert_eq!(stage.state(9), (Pending, Healthy), "what runs goes on");
    for number in [1, 3] {
        assert_eq!(stage.state(number), (Stopped, Faulted));
        assert!(matches!(stage.row(number).cause, Some(StopCause::NeverFits(_))));
    }
    assert_eq!(stage.state(2), (Pending, Healthy));
    stage.completed(run(9, 0, 1));
    assert_eq!(stage.launched(), [run(2, 0, 1)]);
}

#[test]
fn a_created_job_that_is_never_started_occupies_nothing() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.create(1, Immediate, chain(1)).unwrap();
    stage.add(2, Lower, chain(1));
    assert_eq!(stage.launched(), [run(2, 0, 1)]);
    assert_eq!(stage.scheduler.waiting(), 0);
}

#[test]
fn a_wide_job_runs_as_parallel_as_there_is_room_and_joins_when_all_are_complete() {
    let mut stage = Stage::new(machine(2, &[]));
    let one = cores(1);
    stage.add(1, Normal, plan(&[(one, &[]), (one, &[]), (one, &[]), (one, &[0, 1, 2])]));
    assert_eq!(stage.launched(), [run(1, 0, 1), run(1, 1, 1)]);
    stage.completed(run(1, 1, 1));
    assert_eq!(stage.launched(), [run(1, 2, 1)]);
    stage.completed(run(1, 2, 1));
    assert!(stage.launched().is_empty());
    stage.completed(run(1, 0, 1));
    assert_eq!(stage.launched(), [run(1, 3, 1)]);
}

#[test]
fn rows_come_before_the_launch_that_they_tell_of() {
    let mut stage = Stage::new(machine(1, &[]));
    stage.create(1, Normal, chain(1)).unwrap();
    stage.start(1).unwrap();
    let kinds: Vec<_> = stage
        .effects
        .iter()
        .map(|effect| match effect {
            Effect::JobChanged(_) => "job",
            Effect::OperatorChanged(row) => {
                assert_eq!(row.attempt, 1);
                assert!(row.run.is_some());
                "operator"
            }
            Effect::Launch { .. } => "launch",
            Effect::WakeAt { .. } => "wake",
            Effect::Cancel { .. } | Effect::Kill { .. } => "end",
        })
        .collect();
    assert_eq!(kinds, ["job", "operator", "launch", "wake"]);
}

#[test]
fn a_job_says_why_it_ended_in_words() {
    let mut stage = in_situation("stopped");
    let message = |stage: &Stage| {
        let (plan, row) = &stage.jobs[&job(1)];
        row.cause.as_ref().map(|cause| cause.message(plan))
    };
    let expected = "operator `operator-0` failed: it ended with exit code 3";
    assert_eq!(message(&stage).as_deref(), Some(expected));
    stage = in_situation("running");
    assert_eq!(message(&stage), None);
    stage.later(600_000);
    assert_eq!(message(&stage).as_deref(), Some("over its time limit of 600 s"));
}
