//! Coverage-guided: image references.
#![no_main]

#[path = "../../src/fuzz/reference.rs"]
mod reference;

libfuzzer_sys::fuzz_target!(|data: &[u8]| reference::reference(data));
