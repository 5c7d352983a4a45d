//! Bits and Exp-Golomb codes of a payload (ITU-T H.264 and H.265, 7.2 and 9.1/9.2).

use std::borrow::Cow;

/// A payload without the bytes that keep start codes out of it: 3 after two zeros.
pub(in crate::media) fn unescaped(payload: &[u8]) -> Cow<'_, [u8]> {
    if !payload.windows(3).any(|window| window == [0, 0, 3]) {
        return payload.into();
    }
    let mut bytes = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for byte in payload {
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        bytes.push(*byte);
    }
    bytes.into()
}

/// Reads from the highest bit of the first byte on.
#[derive(Clone)]
pub(in crate::media) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(in crate::media) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(in crate::media) fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// Up to 32 bits.
    pub(in crate::media) fn u(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0, |value, _| Some(value << 1 | u32::from(self.flag()?)))
    }

    /// How many bits have been read.
    pub(in crate::media) fn position(&self) -> usize {
        self.at
    }

    pub(in crate::media) fn skip(&mut self, count: usize) -> Option<()> {
        self.at += count;
        (self.at <= self.bytes.len() * 8).then_some(())
    }

    /// An unsigned Exp-Golomb code, at most 2^32 − 2.
    pub(in crate::media) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1 << zeros) - 1 + self.u(zeros)?)
    }

    /// A signed one: 0, 1, −1, 2, −2 …
    pub(in crate::media) fn se(&mut self) -> Option<i64> {
        let code = i64::from(self.ue()?);
        Some(if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 })
    }
}
