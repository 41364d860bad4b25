//! Who calls, and what they may do.

mod role;

pub use role::Role;
