//! The scheduler from outside: each transition, the order, and a million random events against an oracle.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

mod chance;
mod ledger;
mod oracle;
mod order;
mod restart;
mod simulation;
mod stage;
mod transitions;
