//! Starts Lantern.
fn main() {}
