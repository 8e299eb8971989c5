//! Coverage-guided: policy specs.
#![no_main]

#[path = "../../src/fuzz/policy.rs"]
mod policy;
#[path = "../../src/fuzz/spelling.rs"]
mod spelling;

libfuzzer_sys::fuzz_target!(|data: &[u8]| policy::policy(data));
