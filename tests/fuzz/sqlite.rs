#![no_main]

#[path = "../hikvision_parts/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::sqlite(data));
