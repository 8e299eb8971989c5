//! Coverage-guided: certificates and public keys.
#![no_main]

#[path = "../../src/fuzz/certificate.rs"]
mod certificate;
#[path = "../../src/fuzz/forge.rs"]
mod forge;

libfuzzer_sys::fuzz_target!(|data: &[u8]| certificate::certificate(data));
