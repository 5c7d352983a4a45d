//! A simulated dashcam for the demo and the benchmarks: `cargo run --example dashcam-simulator`.
//!
//! It prints `listening on 127.0.0.1:PORT` and serves until it is killed.

#![allow(dead_code, unused_imports, unreachable_pub, reason = "made for tests, which use more of it")]
#![allow(clippy::expect_used, clippy::disallowed_methods, reason = "it is a test peer: it panics, and it has a clock")]

mod camera;
mod mp4;
mod orders;
mod rng;

use std::convert::Infallible;
use std::io::Write;
use std::process::ExitCode;
use std::str::FromStr;
use std::thread;

use camera::{Api, Camera, Fault, Times};

const USAGE: &str = "usage: dashcam-simulator [--api old|new] [--port N] [--dir DIR_WITH_FILES] \
    [--generate N_RECORDINGS] [--mp4-bytes N] [--rate BYTES_PER_SEC] [--cut-once NAME@BYTES]";

fn main() -> ExitCode {
    match run() {
        Ok(never) => match never {},
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "dashcam-simulator: {e}");
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<Infallible, String> {
    let camera = set_up(std::env::args().skip(1)).map_err(|e| format!("{e}\n{USAGE}"))?;
    let mut stdout = std::io::stdout();
    writeln!(stdout, "listening on {}", camera.address())
        .and_then(|()| stdout.flush())
        .map_err(|e| format!("cannot write to stdout: {e}"))?;
    loop {
        thread::park();
    }
}

fn set_up(mut arguments: impl Iterator<Item = String>) -> Result<Camera, String> {
    let (mut api, mut port, mut recordings, mut mp4_bytes) = (Api::Old, 0_u16, 0_usize, 1_u64 << 20);
    let (mut dirs, mut rate, mut cuts) = (Vec::new(), None, Vec::new());
    while let Some(option) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{option} takes a value"))?;
        match option.as_str() {
            "--api" if value == "old" => api = Api::Old,
            "--api" if value == "new" => api = Api::New,
            "--port" => port = number(&option, &value)?,
            "--dir" => dirs.push(value),
            "--generate" => recordings = number(&option, &value)?,
            "--mp4-bytes" => mp4_bytes = number(&option, &value)?,
            "--rate" => rate = Some(number(&option, &value)?),
            "--cut-once" => {
                let (name, after) = value.rsplit_once('@').ok_or("--cut-once takes NAME@BYTES")?;
                cuts.push((format!("GET {name}"), number(&option, after)?));
            }
            _ => return Err(format!("{option} {value} is not known")),
        }
    }
    if mp4_bytes < mp4::MIN_SIZE {
        return Err(format!("--mp4-bytes must be at least {}", mp4::MIN_SIZE));
    }

    let camera = Camera::start_on(&format!("127.0.0.1:{port}"), api);
    camera.generate(recordings, mp4_bytes);
    for dir in &dirs {
        let failed = |e| format!("cannot read {dir}: {e}");
        for entry in std::fs::read_dir(dir).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_file() {
                camera.add_file(&entry.file_name().to_string_lossy(), entry.path());
            }
        }
    }
    if let Some(rate) = rate {
        camera.rate_limit(rate);
    }
    for (matcher, after) in &cuts {
        camera.fault(matcher, Fault::Cut { after: *after }, Times::First(1));
    }
    Ok(camera)
}

fn number<N: FromStr>(option: &str, value: &str) -> Result<N, String> {
    value.parse().map_err(|_| format!("{option} takes a number, not {value:?}"))
}
