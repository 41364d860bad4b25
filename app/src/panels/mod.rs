//! Everything around the pictures.

pub mod help;
pub mod inspector;
mod job_details;
pub mod jobs;
pub mod leaving;
mod masks;
mod measurements;
pub mod menu_bar;
pub mod notices;
pub mod palette;
pub mod pipelines;
pub mod preferences;
pub mod server;
pub mod side;
pub mod start_page;
pub mod status_bar;
pub mod studies;
pub mod transfer_function;
pub mod type_name;
pub mod verification;
