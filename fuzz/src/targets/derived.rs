//! See `imaging_fuzz::TARGETS`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imaging_fuzz::run("derived", bytes));
