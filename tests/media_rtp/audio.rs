//! Audio over RTP.

use std::path::Path;

use footage::media::{Codec, Shape};

use super::{Received, ffmpeg, film, send_by_ffmpeg, send_by_gstreamer};

fn tone(rate: u32) -> String {
    format!("sine=frequency=440:sample_rate={rate}:duration=2")
}

/// Of every packet of a film, its bytes.
fn packets(path: &Path) -> Vec<Vec<u8>> {
    let output = std::process::Command::new("ffprobe")
        .args("-v error -show_entries packet=size -of csv=p=0".split(' '))
        .arg(path)
        .output()
        .expect("ffprobe is missing: run tests/setup");
    let text = String::from_utf8(output.stdout).unwrap();
    let sizes: Vec<usize> =
        text.split([',', '\n']).filter(|size| !size.is_empty()).map(|size| size.parse().unwrap()).collect();
    let bytes = ffmpeg("", Some(path), "-c copy -f data -map 0:a -");
    assert_eq!(bytes.len(), sizes.iter().sum::<usize>());
    let mut rest = bytes.as_slice();
    sizes
        .iter()
        .map(|size| {
            let (packet, behind) = rest.split_at(*size);
            rest = behind;
            packet.to_vec()
        })
        .collect()
}

/// Every access unit came, each as long after the one before as it lasts. Of those that ffmpeg 5.1 puts into one packet, it
/// never sends the last few.
#[track_caller]
fn assert_same_packets(path: &Path, received: &Received, ticks: i64, unsent: usize) {
    let came: Vec<_> = received.frames.iter().map(|frame| frame.data.clone()).collect();
    let sent = packets(path);
    assert!(came.len() <= sent.len() && came.len() + unsent >= sent.len(), "{} of {}", came.len(), sent.len());
    assert!(came == sent[..came.len()], "other bytes than those of the film");
    for (at, time) in (0..).zip(received.ticks()) {
        // A film that counts milliseconds has times that are rounded, and of Opus begins before 0.
        assert!((time - at * ticks).abs() <= ticks * 3 / 10, "{at}: {time}");
    }
}

fn audio(received: &Received) -> (u32, u16) {
    match received.track.shape {
        Shape::Audio { sample_rate_hz, channels } => (sample_rate_hz, channels),
        Shape::Video { .. } => panic!("no audio"),
    }
}

#[test]
fn aac_in_mpeg4_generic_and_latm_from_ffmpeg_and_gstreamer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mkv");
    film(&path, &tone(16_000), "-c:a aac -b:a 32k");
    let all = [
        (send_by_ffmpeg(&path, "-c copy"), 5),
        (send_by_ffmpeg(&path, "-c copy -rtpflags latm"), 5),
        (send_by_gstreamer(&path, "matroskademux ! rtpmp4gpay name=pay pt=96"), 0),
        (send_by_gstreamer(&path, "matroskademux ! rtpmp4apay name=pay pt=96"), 0),
    ];
    for (received, unsent) in all {
        assert_same_packets(&path, &received, 1024, unsent);
        assert_eq!(audio(&received), (16_000, 1));
        let Codec::Aac { config } = &received.track.codec else { panic!("{:?}", received.track) };
        // AAC-LC, 16,000 Hz, mono.
        assert_eq!(config[..2], [0x14, 0x08]);
    }
}

#[test]
fn aac_in_fragments_from_gstreamer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mkv");
    film(&path, "anoisesrc=sample_rate=48000:duration=2", "-c:a aac -b:a 192k");
    for payloader in ["rtpmp4gpay", "rtpmp4apay"] {
        let received = send_by_gstreamer(&path, &format!("matroskademux ! {payloader} name=pay pt=96 mtu=200"));
        assert_same_packets(&path, &received, 1024, 0);
    }
}

#[test]
fn opus_from_ffmpeg_and_gstreamer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mkv");
    film(&path, &tone(48_000), "-c:a libopus -b:a 32k");
    let all = [send_by_ffmpeg(&path, "-c copy"), send_by_gstreamer(&path, "matroskademux ! rtpopuspay name=pay pt=96")];
    for received in all {
        assert_same_packets(&path, &received, 960, 0);
        assert!(matches!(&received.track.codec, Codec::Opus { head } if head.len() == 19));
        assert_eq!(audio(&received).0, 48_000);
    }
}

#[test]
fn mp2_and_mp3_from_ffmpeg_and_gstreamer() {
    let dir = tempfile::tempdir().unwrap();
    for (coder, rate, samples, codec) in [
        ("mp2", 48_000, 1152, Codec::Mp2),
        ("libmp3lame", 44_100, 1152, Codec::Mp3),
        ("libmp3lame", 16_000, 576, Codec::Mp3),
    ] {
        let path = dir.path().join("film.mkv");
        film(&path, &tone(rate), &format!("-c:a {coder} -b:a 64k"));
        let elements = "matroskademux ! mpegaudioparse ! rtpmpapay name=pay mtu=";
        for (received, unsent) in [
            (send_by_ffmpeg(&path, "-c copy"), 7),
            (send_by_gstreamer(&path, &format!("{elements}1400")), 0),
            (send_by_gstreamer(&path, &format!("{elements}100")), 0),
        ] {
            assert_same_packets(&path, &received, samples * 90_000 / i64::from(rate), unsent);
            assert_eq!(received.track.codec, codec);
            assert_eq!(audio(&received), (rate, 1));
        }
    }
}

#[test]
fn pcm_bytes_are_those_of_the_film() {
    let dir = tempfile::tempdir().unwrap();
    for (coder, rate, codec) in [
        ("pcm_alaw", 8000, Codec::ALaw),
        ("pcm_mulaw", 8000, Codec::MuLaw),
        ("g722", 16_000, Codec::G722),
        ("pcm_s16be", 44_100, Codec::L16),
        ("pcm_s16be", 16_000, Codec::L16),
    ] {
        let path = dir.path().join(format!("{coder}-{rate}.mov"));
        let path = if coder == "g722" { path.with_extension("wav") } else { path };
        film(&path, &tone(rate), &format!("-c:a {coder} -ar {rate} -ac 1"));
        let received = send_by_ffmpeg(&path, "-c copy");
        assert_eq!(received.bytes(), ffmpeg("", Some(&path), "-c copy -f data -map 0:a -"), "{coder}");
        assert_eq!((&received.track.codec, audio(&received)), (&codec, (rate, 1)));
    }
}

#[test]
fn g726_has_its_first_sample_in_the_high_bits() {
    let dir = tempfile::tempdir().unwrap();
    for bits in 2..=5_u8 {
        // ffmpeg's `g726` begins with the high bits and goes out as AAL2-G726, `g726le` with the low ones, as G726.
        let film_of = |coder: &str, extension: &str| {
            let path = dir.path().join(format!("{coder}-{bits}.{extension}"));
            film(&path, &tone(8000), &format!("-c:a {coder} -code_size {bits} -ar 8000"));
            path
        };
        let high = film_of("g726", "wav");
        let expected = ffmpeg("", Some(&high), "-c copy -f data -map 0:a -");
        for coder in ["g726", "g726le"] {
            // WAV holds only one of the two; ffmpeg encodes the same while it sends.
            let source = dir.path().join("tone.wav");
            film(&source, &tone(8000), "-c:a pcm_s16le");
            let received = send_by_ffmpeg(&source, &format!("-c:a {coder} -code_size {bits} -ar 8000"));
            assert_eq!(received.track.codec, Codec::G726 { bits });
            let came = received.bytes();
            assert!(came.len().abs_diff(expected.len()) < 64, "{coder} {bits}: {} {}", came.len(), expected.len());
            let common = came.len().min(expected.len()) - 64;
            assert!(came[..common] == expected[..common], "{coder} {bits}");
        }
    }
}
