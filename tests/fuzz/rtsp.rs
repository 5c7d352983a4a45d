#![no_main]

#[path = "../rtsp/targets.rs"]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::rtsp(data));
