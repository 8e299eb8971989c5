//! Coverage-guided: validly signed documents with any content.
#![no_main]

#[path = "../../src/fuzz/forge.rs"]
mod forge;
#[path = "../../src/fuzz/signed.rs"]
mod signed;
#[path = "../../src/fuzz/spelling.rs"]
mod spelling;

libfuzzer_sys::fuzz_target!(|data: &[u8]| signed::signed(data));
