//! Coverage-guided: token headers. The parser is taken from its file, since the host, of which it
//! is a part, takes far longer to build than all else here.
#![no_main]

#[path = "../../src/fuzz/challenge.rs"]
mod challenge;
#[path = "../../../actors/host/src/notary_client/challenge.rs"]
mod parser;

libfuzzer_sys::fuzz_target!(|data: &[u8]| challenge::challenge(data));
