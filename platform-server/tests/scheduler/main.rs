//! The scheduler from outside: each transition, the order, and a million random events against an oracle.

mod chance;
mod ledger;
mod oracle;
mod order;
mod restart;
mod simulation;
mod stage;
mod transitions;
