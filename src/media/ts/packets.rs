//! Packets of a transport stream: tables and PES.

/// A packet, and what is left of it behind its header.
/// A transport stream is made of packets of so many bytes,
pub const PACKET_BYTES: usize = 188;
/// each of which begins with this.
pub const SYNC_BYTE: u8 = 0x47;
const BODY_BYTES: usize = PACKET_BYTES - 4;
/// What the one program of the stream is called in its tables.
const PROGRAM: u16 = 1;

/// A stream of packets, which count modulo 16.
pub(super) struct Pid {
    pub(super) number: u16,
    counter: u8,
}

impl Pid {
    pub(super) fn new(number: u16) -> Self {
        Self { number, counter: 0 }
    }

    /// Appends a packet with the beginning of `rest`, which it moves on. `fields` is the adaptation field from its flags on.
    fn packet(&mut self, out: &mut Vec<u8>, is_start: bool, fields: &[u8], rest: &mut &[u8]) {
        let room = BODY_BYTES - if fields.is_empty() { 0 } else { 1 + fields.len() };
        let (body, behind) = rest.split_at(rest.len().min(room));
        let end = out.len() + PACKET_BYTES;
        let [high, low] = self.number.to_be_bytes();
        let adapts = body.len() < BODY_BYTES;
        out.extend([SYNC_BYTE, u8::from(is_start) << 6 | high, low, u8::from(adapts) << 5 | 0x10 | self.counter]);
        if adapts {
            // Its length, then flags if there is room for them, then what it is filled up with.
            let length = BODY_BYTES - 1 - body.len();
            out.push(u8::try_from(length).unwrap_or(0));
            if length > 0 {
                out.extend(if fields.is_empty() { &[0] } else { fields });
            }
            out.resize(end - body.len(), 0xFF);
        }
        out.extend(body);
        self.counter = (self.counter + 1) & 15;
        *rest = behind;
    }
}

/// Appends PAT and PMT; `streams` are type, PID and descriptors of each.
pub(super) fn tables(out: &mut Vec<u8>, pat: &mut Pid, pmt: &mut Pid, clock_pid: u16, streams: &[(u8, u16, Vec<u8>)]) {
    let mut programs = PROGRAM.to_be_bytes().to_vec();
    programs.extend((0xE000 | pmt.number).to_be_bytes());
    section(out, pat, 0, 1, &programs);

    let mut body = (0xE000 | clock_pid).to_be_bytes().to_vec();
    body.extend([0xF0, 0]);
    for (kind, pid, descriptors) in streams {
        body.push(*kind);
        body.extend((0xE000 | pid).to_be_bytes());
        body.extend((0xF000 | u16::try_from(descriptors.len()).unwrap_or(0)).to_be_bytes());
        body.extend(descriptors);
    }
    section(out, pmt, 2, PROGRAM, &body);
}

/// ISO/IEC 13818-1, 2.4.4: version 0, in force, the only section.
fn section(out: &mut Vec<u8>, pid: &mut Pid, table: u8, id: u16, body: &[u8]) {
    // The pointer to the section is 0.
    let mut bytes = vec![0, table];
    bytes.extend((0xB000 | u16::try_from(body.len() + 9).unwrap_or(0)).to_be_bytes());
    bytes.extend(id.to_be_bytes());
    bytes.extend([0xC1, 0, 0]);
    bytes.extend(body);
    bytes.extend(crc(&bytes[1..]).to_be_bytes());
    let mut rest = bytes.as_slice();
    let mut is_start = true;
    while !rest.is_empty() {
        pid.packet(out, is_start, &[], &mut rest);
        is_start = false;
    }
}

/// ISO/IEC 13818-1, annex A.
pub(super) fn crc(bytes: &[u8]) -> u32 {
    bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte) << 24, |crc, _| crc << 1 ^ if crc >> 31 == 1 { 0x04C1_1DB7 } else { 0 })
    })
}

/// Appends a PES packet: `times` are presentation and, where it differs, decoding; `clock` the time at which it arrives.
pub(super) fn pes(
    out: &mut Vec<u8>,
    pid: &mut Pid,
    stream_id: u8,
    (pts, dts): (i64, Option<i64>),
    clock: Option<i64>,
    is_key: bool,
    payload: &[u8],
) {
    let mut times = Vec::with_capacity(10);
    timestamp(&mut times, if dts.is_some() { 3 } else { 2 }, pts);
    if let Some(dts) = dts {
        timestamp(&mut times, 1, dts);
    }
    // Only video may leave its length open.
    let length = if stream_id & 0xF0 == 0xE0 { 0 } else { u16::try_from(payload.len() + 3 + times.len()).unwrap_or(0) };
    let mut bytes = Vec::with_capacity(payload.len() + 19);
    bytes.extend([0, 0, 1, stream_id]);
    bytes.extend(length.to_be_bytes());
    // The payload begins with an access unit.
    bytes.extend([0x84, if dts.is_some() { 0xC0 } else { 0x80 }, u8::try_from(times.len()).unwrap_or(0)]);
    bytes.extend(times);
    bytes.extend(payload);

    let mut fields = Vec::new();
    if clock.is_some() || is_key {
        fields.push(u8::from(is_key) << 6 | u8::from(clock.is_some()) << 4);
    }
    if let Some(clock) = clock {
        // 33 bits of 90 kHz, six reserved, nine of 27 MHz.
        fields.extend(&((wrapped(clock) << 15 | 0x7E00) << 16).to_be_bytes()[..6]);
    }
    let mut rest = bytes.as_slice();
    pid.packet(out, true, &fields, &mut rest);
    while !rest.is_empty() {
        pid.packet(out, false, &[], &mut rest);
    }
}

/// Times count modulo 2^33: 26.5 hours.
fn wrapped(ticks: i64) -> u64 {
    ticks.cast_unsigned() & 0x1_FFFF_FFFF
}

/// Four bits of a prefix and 33 of a time in five bytes, with a 1 behind each part.
fn timestamp(out: &mut Vec<u8>, prefix: u8, ticks: i64) {
    let bits = wrapped(ticks);
    let [high, middle, low] = [bits >> 30 & 7, bits >> 15 & 0x7FFF, bits & 0x7FFF];
    let packed = u64::from(prefix) << 36 | high << 33 | 1 << 32 | middle << 17 | 1 << 16 | low << 1 | 1;
    out.extend(&packed.to_be_bytes()[3..]);
}
