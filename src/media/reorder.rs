//! How far the order of decoding and that of showing are apart: what decoding times follow from.

use std::collections::VecDeque;

use super::Codec;
use super::nal::{ParameterSets, Standard};

/// No decoder holds more frames.
const MAX_DEPTH: usize = 16;
/// Without a statement in the SPS so many frames are looked at first: encoders repeat a pattern of at most eight.
const FRAMES_TO_SEE: usize = 8;

/// The depth of a video track: how many frames at most precede a frame in decoding order and follow it when shown.
pub(super) struct Depth {
    is_stated: bool,
    frames: usize,
    seen: usize,
    last_pts: VecDeque<i64>,
}

impl Depth {
    /// As the parameter sets of a track state it. A JPEG refers to no other one.
    pub(super) fn of(codec: &Codec) -> Self {
        let stated = match Standard::of(codec) {
            Some((standard, config)) => {
                ParameterSets::from_config(standard, config).and_then(|sets| sets.max_reorder_frames())
            }
            None => Some(0),
        };
        let frames = stated.and_then(|frames| usize::try_from(frames).ok()).unwrap_or(0);
        Self { is_stated: stated.is_some(), frames, seen: 0, last_pts: VecDeque::new() }
    }

    /// Notes the next frame in decoding order. A frame that is further back than stated is believed.
    pub(super) fn note(&mut self, pts: i64) {
        let later = self.last_pts.iter().filter(|earlier| **earlier > pts).count();
        self.frames = self.frames.max(later);
        self.seen = self.seen.saturating_add(1);
        if self.last_pts.len() == MAX_DEPTH {
            self.last_pts.pop_front();
        }
        self.last_pts.push_back(pts);
    }

    /// In frames; `None` until enough is known.
    pub(super) fn known(&self) -> Option<usize> {
        (self.is_stated || self.seen >= FRAMES_TO_SEE).then_some(self.frames)
    }

    /// In frames, as far as it is known.
    pub(super) fn so_far(&self) -> usize {
        self.frames
    }
}

/// Nanoseconds as ticks of a clock, to the nearest.
pub(super) fn ticks(ns: i64, clock_hz: u32) -> i64 {
    let ticks = (i128::from(ns) * i128::from(clock_hz) + 500_000_000).div_euclid(1_000_000_000);
    i64::try_from(ticks).unwrap_or(if ns < 0 { i64::MIN } else { i64::MAX })
}
