#![no_main]

#[path = "../media_rtp/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::reports(data));
