//! Coverage-guided: changed collections.
#![no_main]

#[path = "../../src/fuzz/collection.rs"]
mod collection;
#[path = "../../src/fuzz/spelling.rs"]
mod spelling;

libfuzzer_sys::fuzz_target!(|data: &[u8]| collection::collection(data));
