//! The scheduler from outside: each transition, the order, and a million random events against an oracle.

mod order;

mod stage;
mod transitions;
