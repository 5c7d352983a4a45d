#![no_main]

#[path = "../media_mkv/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::matroska(data));
