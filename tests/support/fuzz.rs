//! Fuzzing as an ordinary test, on stable: mutations of a corpus, the same ones in every run.
//!
//! How long is set by `FOOTAGE_FUZZ_SECONDS` (default 1 for each target). An input that fails is written to a file and
//! named. The targets themselves are functions of bytes, so that cargo fuzz can call them as well; `FOOTAGE_FUZZ_CORPUS`
//! names a folder to which the corpus is written for it.

use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::time::{Duration, Instant};

/// Runs `target` on each of the corpus and on mutations of it until the time is over.
pub(crate) fn fuzz(name: &str, corpus: &[Vec<u8>], target: impl Fn(&[u8])) {
    let seconds = std::env::var("FOOTAGE_FUZZ_SECONDS").ok().and_then(|text| text.parse().ok());
    let deadline = Instant::now() + Duration::from_secs_f64(seconds.unwrap_or(1.0));
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    if let Some(folder) = std::env::var_os("FOOTAGE_FUZZ_CORPUS").map(|folder| Path::new(&folder).join(name)) {
        std::fs::create_dir_all(&folder).unwrap();
        for (number, input) in corpus.iter().enumerate() {
            std::fs::write(folder.join(number.to_string()), input).unwrap();
        }
    }
    for input in corpus {
        run(name, input, &target);
    }
    while Instant::now() < deadline {
        let mut input = corpus[random.below(corpus.len())].clone();
        for _ in 0..=random.below(4) {
            mutate(&mut random, &mut input, corpus);
        }
        run(name, &input, &target);
    }
}

fn run(name: &str, input: &[u8], target: &impl Fn(&[u8])) {
    let result = panic::catch_unwind(AssertUnwindSafe(|| target(input)));
    if let Err(panic) = result {
        let folder = option_env!("CARGO_TARGET_TMPDIR").unwrap_or("/tmp");
        let path = Path::new(folder).join(format!("fuzz-{name}"));
        std::fs::write(&path, input).unwrap();
        eprintln!("{name} fails on the input in {}", path.display());
        panic::resume_unwind(panic);
    }
}

fn mutate(random: &mut Random, input: &mut Vec<u8>, corpus: &[Vec<u8>]) {
    let at = random.below(input.len() + 1);
    let length = random.below(64).min(input.len() - at);
    let range = at..at + length;
    match random.below(9) {
        0 => input.truncate(at),
        1 => input[range].fill(0),
        2 => input[range].fill(0xFF),
        3 => input[range].iter_mut().for_each(|byte| *byte = random.byte()),
        4 => {
            // Numbers that parsers stumble over, where a field may begin.
            let value = [0, 1, 0x7F, 0xFFFF, 0x7FFF_FFFF, u32::MAX, 400_000_000][random.below(7)];
            let at = at & !3;
            if let Some(word) = input.get_mut(at..at + 4) {
                let bytes = if random.below(2) == 0 { value.to_le_bytes() } else { value.to_be_bytes() };
                word.copy_from_slice(&bytes);
            }
        }
        5 => {
            if let Some(byte) = input.get_mut(at) {
                *byte ^= 1 << random.below(8);
            }
        }
        6 => drop(input.drain(range)),
        7 => {
            let copy = input[range].to_vec();
            let to = random.below(input.len() + 1);
            input.splice(to..to, copy);
        }
        _ => {
            let other = &corpus[random.below(corpus.len())];
            let from = random.below(other.len() + 1);
            input.truncate(at);
            input.extend(&other[from..]);
        }
    }
}

/// A small generator: the tests need no better.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() >> 16).unwrap() % end.max(1)
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}
