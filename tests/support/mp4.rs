//! MP4 files for tests: small ones with an intact box structure and payload that follows from a seed,
//! their broken relatives, and real ones from ffmpeg.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::rng::seeded;

/// The smallest `movie`: every box, no payload.
pub const MIN_SIZE: u64 = 156;

/// A movie of exactly `size` bytes, `ftyp free moov mdat`, whose boxes chain to its end.
pub fn movie(size: u64, seed: u64) -> Vec<u8> {
    fill(head(size), size, seed)
}

/// The bytes of `movie(size, …)` before its payload; any payload that completes `size` makes it whole.
pub fn head(size: u64) -> Vec<u8> {
    let front = front();
    let mdat_size = size - front.len() as u64;
    match u32::try_from(mdat_size) {
        Ok(mdat_size) => [&front[..], &mdat_size.to_be_bytes(), b"mdat"].concat(),
        Err(_) => head_with_size64(size),
    }
}

/// A movie whose `mdat` gives its size in 64 bits, as recordings over 4 GiB do.
pub fn with_size64(size: u64, seed: u64) -> Vec<u8> {
    fill(head_with_size64(size), size, seed)
}

/// A movie whose `mdat` says 0 for its size: "to the end of the file".
pub fn with_open_end(size: u64, seed: u64) -> Vec<u8> {
    fill([&front()[..], &[0; 4], b"mdat"].concat(), size, seed)
}

/// Two complete movies one after the other, as the front camera of an Elite 10 writes them.
pub fn two_movies(first: u64, second: u64, seed: u64) -> Vec<u8> {
    [movie(first, seed), movie(second, seed.wrapping_add(1))].concat()
}

/// The first `keep` bytes.
pub fn truncated(mut movie: Vec<u8>, keep: usize) -> Vec<u8> {
    assert!(keep < movie.len(), "nothing would be cut off");
    movie.truncate(keep);
    movie
}

/// The same length, but the last `zeros` bytes are zero: what a power loss leaves of unsynced data.
pub fn zero_tail(mut movie: Vec<u8>, zeros: usize) -> Vec<u8> {
    let start = movie.len() - zeros;
    movie[start..].fill(0);
    movie
}

/// The movie and then `extra` bytes that are no box.
pub fn garbage_after(mut movie: Vec<u8>, extra: usize) -> Vec<u8> {
    movie.extend(std::iter::repeat_n(0xA5, extra));
    movie
}

/// A box of `size` bytes without meaning; appended to a movie it makes a longer, intact movie.
pub fn free_box(size: u32) -> Vec<u8> {
    let body = size.checked_sub(8).expect("a box takes at least 8 bytes");
    boxed(*b"free", &vec![0; body as usize])
}

/// Makes a real H.264 movie in `dir`, `seconds` long, and returns its path. `name` also varies the picture.
pub fn real(dir: &Path, name: &str, seconds: u32) -> PathBuf {
    let path = dir.join(name);
    let source = format!("testsrc2=size=640x360:rate=15:duration={seconds}");
    let tint = format!("hue=h={}", seeded(super::rng::seed_of(name)).below(360));
    let ffmpeg = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-y", "-f", "lavfi", "-i", &source])
        .args(["-vf", &tint, "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"])
        .args(["-bitexact", "-f", "mp4"])
        .arg(&path)
        .stdin(Stdio::null())
        .output();
    match ffmpeg {
        Ok(done) if done.status.success() => path,
        Ok(done) => panic!("ffmpeg failed: {}", String::from_utf8_lossy(&done.stderr)),
        Err(e) if e.kind() == ErrorKind::NotFound => panic!("ffmpeg is missing: run tests/setup"),
        Err(e) => panic!("cannot run ffmpeg: {e}"),
    }
}

/// Everything before `mdat`.
fn front() -> Vec<u8> {
    let mut mvhd = vec![0; 100];
    mvhd[12..16].copy_from_slice(&1000_u32.to_be_bytes()); // timescale
    mvhd[16..20].copy_from_slice(&60_000_u32.to_be_bytes()); // duration
    mvhd[20..24].copy_from_slice(&0x0001_0000_u32.to_be_bytes()); // rate 1.0
    mvhd[96..].copy_from_slice(&2_u32.to_be_bytes()); // next track
    let moov = boxed(*b"moov", &boxed(*b"mvhd", &mvhd));
    [boxed(*b"ftyp", b"isom\0\0\x02\0isommp41"), boxed(*b"free", b""), moov].concat()
}

fn head_with_size64(size: u64) -> Vec<u8> {
    let front = front();
    let mdat_size = size - front.len() as u64;
    [&front[..], &1_u32.to_be_bytes(), b"mdat", &mdat_size.to_be_bytes()].concat()
}

fn fill(mut head: Vec<u8>, size: u64, seed: u64) -> Vec<u8> {
    let size = usize::try_from(size).expect("a movie that fits in memory");
    let payload = size.checked_sub(head.len()).expect("a movie takes at least mp4::MIN_SIZE bytes");
    head.extend(seeded(seed).bytes(payload));
    head
}

fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
    let size = u32::try_from(body.len() + 8).expect("a small box");
    [&size.to_be_bytes(), &kind[..], body].concat()
}
