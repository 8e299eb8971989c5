//! Coverage-guided: JSON documents.
#![no_main]

#[path = "../../src/fuzz/json.rs"]
mod json;
#[path = "../../src/fuzz/spelling.rs"]
mod spelling;

libfuzzer_sys::fuzz_target!(|data: &[u8]| json::json(data));
