//! Video of every kind, into every container, over several cuts.

use std::process::Command;

use footage::media::nal::Standard;

use super::{H264, H265, Shot, assert_recorded, camera, h264, once};
use crate::media_containers::film::{Film, run};
use crate::support::rtsp_peer::{Line, Sets, film};

const SECONDS: u32 = 7;

fn shot(name: &'static str, film: Film, sets: Sets, marks_slices: bool) -> Shot {
    Shot::of(name, film, |film| vec![Line::video(&film.tracks[0], film.video(), sets, marks_slices)])
}

#[test]
fn h264_with_b_frames_open_gops_and_slices_is_recorded_whole() {
    let open = "open-gop=1:keyint=25:bframes=3:b-adapt=0:scenecut=0";
    assert_recorded(&[
        shot("plain", h264(SECONDS, &["-bf", "0"]), Sets::Described, false),
        shot("b-frames", h264(SECONDS, &["-bf", "2"]), Sets::Described, false),
        shot("open", Film::lasting(SECONDS, &[H264, &["-x264-params", open]].concat()), Sets::InBand, false)
            .with_open_gops(),
        shot("slices", h264(SECONDS, &["-bf", "0", "-x264-params", "slices=4"]), Sets::Described, true),
        shot(
            "sei-aud",
            h264(SECONDS, &["-x264-params", "aud=1:pic-struct=1:nal-hrd=vbr:vbv-maxrate=900:vbv-bufsize=900"]),
            Sets::InBand,
            false,
        ),
    ]);
}

#[test]
fn h265_with_and_without_b_frames_is_recorded_whole_and_is_hvc1_in_mp4() {
    let coded = |parameters: &str| {
        let parameters = format!("log-level=none:keyint=25:min-keyint=25:{parameters}");
        Film::lasting(SECONDS, &[H265, &["-x265-params", &parameters]].concat())
    };
    let shots = [
        shot("hevc", coded("bframes=0:open-gop=0"), Sets::Described, false),
        shot("hevc-b", coded("bframes=2:open-gop=0:slices=2"), Sets::InBand, true),
        shot("hevc-open", coded("bframes=3:open-gop=1"), Sets::Described, false).with_open_gops(),
    ];
    let site = assert_recorded(&shots);
    for segment in shots.iter().flat_map(|shot| site.closed(&camera(shot.name, "mp4"))) {
        let wanted =
            ["-v", "error", "-select_streams", "v:0", "-show_entries", "stream=codec_tag_string", "-of", "csv=p=0"];
        let tag = run(Command::new("ffprobe").args(wanted).arg(&segment.path));
        assert_eq!(String::from_utf8_lossy(&tag).trim(), "hvc1", "{segment:?}");
    }
}

/// The key frame comes first, and what a decoder must know a second later: nothing is lost.
#[test]
fn sps_and_pps_behind_the_key_frame_lose_no_frame() {
    assert_recorded(&[
        shot("late", Film::lasting(SECONDS, &[H264, &["-g", "75", "-bf", "0"]].concat()), Sets::InFrontOf(20), false),
        shot("alone", h264(SECONDS, &["-bf", "0"]), Sets::InFrontOf(0), false),
    ]);
}

#[test]
fn key_frames_20_s_apart_cut_where_they_are() {
    let film =
        Film::lasting(24, &[H264, &["-g", "500", "-keyint_min", "500", "-sc_threshold", "0", "-bf", "0"]].concat());
    assert_recorded(&[shot("rare", film, Sets::Described, false)]);
}

#[test]
fn other_parameter_sets_in_the_middle_begin_a_segment_and_both_parts_decode() {
    let (small, large) = (h264(3, &["-bf", "0"]), h264(4, &["-bf", "0", "-vf", "scale=480:270"]));
    let mut line = Line::video(&small.tracks[0], small.video(), Sets::InBand, false);
    let shift = 3_000_000_000;
    let mut behind = Line::video(&large.tracks[0], large.video(), Sets::InBand, false);
    for payload in &mut behind.payloads {
        (payload.at_ns, payload.pts_ns) = (payload.at_ns + shift, payload.pts_ns + shift);
    }
    line.payloads.extend(behind.payloads);
    let mut frames: Vec<_> = small.video().cloned().collect();
    frames.extend(large.video().cloned().map(|mut frame| {
        frame.pts_ns += shift;
        frame
    }));
    assert_recorded(&[Shot {
        name: "changed",
        standard: Standard::H264,
        frames,
        peer: once(film(&[line], true)),
        is_closed: true,
        paths: vec![small.path.clone(), large.path.clone()],
        films: vec![small, large],
    }]);
}
