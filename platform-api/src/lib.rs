//! What the platform's server and its clients share: messages, identifiers, states and pipeline definitions.
//!
//! The `.proto` files in `proto/` speak the wire of the Clara Deploy Platform API, release 0.8.1, so that its
//! published clients work. Generated types stay behind [`convert`]; everything else uses the domain types here.
//! Start with [`job`] for what a job is and [`pipeline`] for what it runs.
#![warn(missing_docs)]

pub mod code;
pub mod convert;
pub mod header;
pub mod id;
pub mod job;
pub mod letter_case;
pub mod metadata;
pub mod model;
pub mod payload;
pub mod pipeline;
pub mod proto;
pub mod role;
pub mod time;
