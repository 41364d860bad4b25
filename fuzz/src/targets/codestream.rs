//! See `imaging_fuzz::TARGETS` and [`imaging_fuzz::mutate_codestream`].
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| imaging_fuzz::run("codestream", bytes));

libfuzzer_sys::fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, _seed: u32| {
    imaging_fuzz::mutate_codestream(data, size, max_size, libfuzzer_sys::fuzzer_mutate)
});
