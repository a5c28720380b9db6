//! A params file, read in each of its three kinds.
#![no_main]

#[path = "../bodies.rs"]
#[allow(dead_code)]
mod bodies;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for file in ["params.yaml", "params.toml", "params.json"] {
        bodies::params(file, bytes);
    }
});
