//! Decides what runs when: a pure state machine, event in, effects out.
//!
//! It reads no clock, does no input or output and starts no thread: time comes with each event, in milliseconds,
//! and whatever has to happen in the world leaves as an [`Effect`]. The same events give the same effects.
//! Start with [`Scheduler::handle`]; [`Scheduler::restore`] rebuilds one from the rows that its effects wrote.
//!
//! # Jobs
//!
//! | event | state | status |
//! |---|---|---|
//! | [`Event::Create`] | pending | healthy |
//! | [`Event::Start`] | pending, queued | healthy |
//! | first [`Event::RunStarted`] | running | healthy |
//! | last operator completed | stopped | healthy |
//! | an operator failed | running until the last run has ended, then stopped | faulted at once |
//! | [`Event::Cancel`] | as it was until the last run has ended, then stopped | canceled at once |
//! | over its time limit | as above | terminated at once |
//! | an operator can never fit any more | as above | faulted at once |
//! | left over from an earlier server | as above | evicted at once |
//!
//! From the moment that the status is not healthy no operator of the job is launched; those at work are asked to
//! end, and killed when the grace is over (again and again until their end is reported: what a run holds is only
//! free when it is known to be free). The first cause stays: a job that faulted and is then canceled is faulted.
//!
//! # Time limits
//!
//! The clock of a job runs while at least one of its runs is launched and has not ended. Waiting for resources
//! does not count, neither before the first operator nor between two.
//!
//! # Order
//!
//! Every operator whose inputs are complete waits in one of eight lanes: two for each priority, one for jobs that
//! have begun and one for new jobs. The lanes in order: immediate, higher, normal, lower; begun before new.
//! Inside a lane the job that was started first goes first. Whoever is first *and fits* is launched, so small
//! operators pass a big one that waits; these rules bound it:
//!
//! - Each launch counts against the front of every other lane, and of its own lane if it is not the front itself.
//!   (Begun operators do not count against new jobs of the same priority: what was begun is finished first.)
//!   After [`Patience`] launches (8, 16, 32 for higher, normal, lower) a lane is *due*.
//! - The front of a due lane goes before all but immediate ones. Several due lanes keep the order in which they
//!   became due.
//! - Fronts of the immediate lanes and of due lanes that do not fit hold a *reservation*: what they need is taken
//!   out of what others may use, down to nothing. So nobody passes them in a resource that they are short of,
//!   while work that needs none of it goes on.
//!
//! Hence the bound: the front of a lane starts, at the latest, when `patience` launches have gone before it and
//! then the runs that held its resources have ended (time limit, grace, and the time of the executor to report),
//! once for each lane that was due earlier, at most five. (In a lane of begun jobs, operators of jobs that were
//! started earlier may still come to stand before it; there are finitely many of them.)
//! Immediate jobs are outside of this: they always go first, and an endless stream of them does starve all others.
//! A restart forgets the counts, not the order.
//!
//! # Cost
//!
//! An event costs the same with 100 and with 100 000 jobs in the queue, up to logarithms: lanes are indexed by
//! what operators ask for, so finding the next one looks at one entry for each distinct request at the most, and
//! at one in dozens of these on a full machine. Jobs that stopped leave nothing behind but their last word, until
//! [`Event::Forget`].

mod config;
mod demand;
mod event;
mod few;
mod heads;
mod job;
mod lane;
mod machine;
mod plan;
mod pool;
mod queue;
mod resources;
mod restore;
mod rows;
mod run;
mod transitions;

pub use config::{Config, OnRestart, Patience};
pub use event::{Effect, Event, JobSpec, Refusal};
pub use machine::Scheduler;
pub use plan::{OperatorSpec, Plan, PlanError};
pub use resources::{Capacity, GpuId, NeverFits, Request, Resource};
pub use restore::{JobRecord, RestoreError, RunFate, Snapshot};
pub use rows::{JobRow, OperatorRow, RunRow, StopCause};
pub use run::{Fault, Outcome, ParseRunTokenError, RunToken};
