//! Cameras whose clock goes wrong: what they send is laid on our clock all the same.

use std::time::SystemTime;

use super::{Shot, byte_stream, h264, once, record, slices};
use crate::media_containers::film::packets;
use crate::support::rtsp_peer::{Line, Sets, film, with_clock};
use crate::support::site::Site;

const SECONDS: u32 = 24;

fn shot(name: &'static str, clock: fn(f64) -> f64) -> Shot {
    let mut shot = Shot::of(name, h264(SECONDS, &["-bf", "0"]), |film| {
        vec![Line::video(&film.tracks[0], film.video(), Sets::Described, false)]
    });
    let of = &shot.films[0];
    let (sdp, packets) = film(&[Line::video(&of.tracks[0], of.video(), Sets::Described, false)], true);
    shot.peer = once((sdp, with_clock(packets, 90_000.0, clock)));
    shot
}

/// Every frame is there, and lies within half a second of when it was taken: by the name of its segment, which has whole
/// seconds, and its time inside.
#[track_caller]
fn assert_within_half_a_second(site: &Site, shot: &Shot) {
    let segments = site.closed(shot.name);
    let units = |path| {
        slices(shot.standard, footage::media::nal::annex_b_units(&byte_stream(shot.standard, path)).map(<[u8]>::to_vec))
    };
    let recorded: Vec<Vec<u8>> = segments.iter().flat_map(|segment| units(&segment.path)).collect();
    let sent = shot
        .frames
        .iter()
        .flat_map(|frame| slices(shot.standard, footage::media::nal::units(&frame.data).map(<[u8]>::to_vec)));
    assert!(recorded == sent.collect::<Vec<_>>(), "{}: {} slices in {segments:#?}", shot.name, recorded.len());
    let began = shot.peer.played()[0].1.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64();
    let mut frames = shot.frames.iter();
    for segment in &segments {
        for time in packets(&segment.path, "v:0", "pts_time") {
            let time: f64 = time[0].parse().unwrap();
            #[expect(clippy::cast_precision_loss, reason = "seconds")]
            let (taken, name) = (began + frames.next().unwrap().pts_ns as f64 / 1e9, segment.start() as f64);
            let off = taken - (name + time);
            assert!(
                (-0.6..1.6).contains(&off),
                "{}: a frame of {} lies {off} s from where it was taken",
                shot.name,
                segment.name
            );
        }
    }
}

/// Drifts of 1 in 1000 stay below these within a test's time: 4 in 100 is a second in 24.
#[test]
fn camera_clocks_that_drift_or_leap_shift_no_frame_by_more_than_half_a_second() {
    let shots = [
        shot("slow-1-in-1000", |at| at * 0.999),
        shot("fast-1-in-1000", |at| at * 1.001),
        shot("fast-4-in-100", |at| at * 1.04),
        shot("slow-4-in-100", |at| at * 0.96),
        shot("leap-hour-ahead", |at| if at < 5.3 { at } else { at + 3600.0 }),
        shot("leap-hour-back", |at| if at < 5.3 { at } else { at - 3600.0 }),
        shot("leap-13-hours", |at| if at < 5.3 { at } else { at + 47_000.0 }),
        shot("leap-2-s-ahead", |at| if at < 5.3 { at } else { at + 2.0 }),
        shot("leap-2-s-back", |at| if at < 5.3 { at } else { at - 2.0 }),
    ];
    let cameras: Vec<(String, String)> =
        shots.iter().map(|shot| (shot.name.to_owned(), format!("url = {:?}", shot.peer.url()))).collect();
    let site = record(&cameras, "");
    for shot in &shots {
        assert_within_half_a_second(&site, shot);
    }
}
