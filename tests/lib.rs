//! Tests that cross crates live here; see `scenario/` and `golden/`.
