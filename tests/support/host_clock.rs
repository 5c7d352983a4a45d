//! The wall clock of a process, set while it runs. A static program loads no library that could do it, as libfaketime is
//! one; but it asks the kernel's vDSO for the time, which is a page of code in its memory.

use std::fs::{File, read_to_string};
use std::os::unix::fs::FileExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::Running;

/// What asks for the time goes through this.
const FUNCTION: &[u8] = b"__vdso_clock_gettime\0";
/// `clock_gettime` by a system call; to seconds of `CLOCK_REALTIME` is added what stands behind the code.
const CODE: [u8; 24] = [
    0xB8, 228, 0, 0, 0, // mov eax, SYS_clock_gettime
    0x0F, 0x05, // syscall
    0x85, 0xFF, // test edi, edi
    0x75, 10, // jne ret
    0x48, 0x8B, 0x0D, 6, 0, 0, 0, // mov rcx, [rip + 6]
    0x48, 0x01, 0x0E, // add [rsi], rcx
    0xC3, // ret
    0, 0,
];
/// The code, and eight bytes behind it.
const ROOM_BYTES: usize = CODE.len() + 8;

/// The clock of one process.
pub(crate) struct HostClock {
    memory: File,
    /// Where it stands by how many seconds the clock is ahead.
    ahead_at: u64,
}

impl HostClock {
    /// Takes over the clock of a process, which goes as that of the machine until it is [set](Self::set).
    pub(crate) fn of(process: &Running) -> Self {
        let pid = process.id();
        process.signal(Signal::STOP);
        wait_until_stopped(pid);
        let maps = read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let line = maps.lines().find(|line| line.ends_with("[vdso]")).expect("a vDSO");
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|address| u64::from_str_radix(address, 16).unwrap());
        let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem")).expect("our own child");
        let mut image = vec![0; usize::try_from(to - from).unwrap()];
        memory.read_exact_at(&mut image, from).unwrap();

        let room = image.len() - ROOM_BYTES.next_multiple_of(16);
        assert!(image[room..].iter().all(|byte| *byte == 0), "the vDSO ends with something");
        let function = function(&image);
        let mut jump = vec![0xE9]; // jmp, from behind itself
        jump.extend((i32::try_from(room).unwrap() - i32::try_from(function + 5).unwrap()).to_le_bytes());
        memory.write_all_at(&CODE, from + room as u64).unwrap();
        memory.write_all_at(&jump, from + function as u64).unwrap();
        process.signal(Signal::CONT);
        Self { memory, ahead_at: from + (room + CODE.len()) as u64 }
    }

    /// Sets it: so far ahead of the machine's from now on, or behind.
    pub(crate) fn set(&self, ahead_seconds: i64) {
        self.memory.write_all_at(&ahead_seconds.to_le_bytes(), self.ahead_at).unwrap();
    }
}

fn wait_until_stopped(pid: u32) {
    let until = Instant::now() + Duration::from_secs(10);
    while !read_to_string(format!("/proc/{pid}/stat")).unwrap().contains(") T ") {
        assert!(Instant::now() < until, "it does not stop");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Where the function begins in the image, an ELF file of 64 bits: by the dynamic section's tables of symbols and strings.
fn function(image: &[u8]) -> usize {
    let word = |at: usize| usize::try_from(u64::from_le_bytes(image[at..at + 8].try_into().unwrap())).unwrap();
    let half = |at: usize| usize::from(u16::from_le_bytes(image[at..at + 2].try_into().unwrap()));
    let quarter = |at: usize| usize::try_from(u32::from_le_bytes(image[at..at + 4].try_into().unwrap())).unwrap();
    let (headers, size, count) = (word(32), half(54), half(56));
    let is_dynamic = |header: &usize| quarter(*header) == 2;
    let dynamic = (0..count).map(|n| headers + n * size).find(is_dynamic).map(|header| word(header + 8)).unwrap();
    let entry =
        |tag: usize| (0..100).map(|n| dynamic + n * 16).find(|at| word(*at) == tag).map(|at| word(at + 8)).unwrap();
    let (strings, symbols) = (entry(5), entry(6));
    let is_it = |symbol: &usize| image[strings + quarter(*symbol)..].starts_with(FUNCTION);
    (0..100).map(|n| symbols + n * 24).find(is_it).map(|symbol| word(symbol + 8)).unwrap()
}
