#![no_main]

#[path = "../media_containers/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::nal(data));
