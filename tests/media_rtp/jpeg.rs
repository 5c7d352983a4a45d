//! JPEG over RTP.

use std::path::Path;

use footage::media::mjpeg::JpegSize;
use footage::media::{Codec, Shape, Track};

use super::{ffmpeg, film, send_by_ffmpeg, send_by_gstreamer, send_pipeline};

/// A hash of each decoded picture.
fn pictures(path: &Path) -> Vec<String> {
    let text = String::from_utf8(ffmpeg("-f mjpeg", Some(path), "-f framemd5 -c:v rawvideo -")).unwrap();
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.rsplit(',').next().unwrap().to_owned()).collect()
}

#[track_caller]
fn assert_same_pictures(sent: &Path, received: &super::Received, (width, height): (u32, u32)) {
    let path = sent.with_extension("received");
    std::fs::write(&path, received.bytes()).unwrap();
    assert_eq!(pictures(&path), pictures(sent));
    assert_eq!(received.track, Track { codec: Codec::Jpeg, shape: Shape::Video { width, height } });
    for frame in &received.frames {
        assert!(frame.is_key && frame.data.starts_with(b"\xFF\xD8\xFF\xE0\x00\x10JFIF\0"));
        assert_eq!(JpegSize::of(&frame.data), Some(JpegSize { width, height }));
    }
}

#[test]
fn jpeg_420_from_ffmpeg_decodes_alike() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mjpeg");
    let coding = "-c:v mjpeg -huffman default -q:v 5 -pix_fmt yuvj420p -f mjpeg";
    film(&path, "testsrc2=size=320x240:rate=10:duration=2", coding);
    let received = send_by_ffmpeg(&path, "-c copy");
    assert_eq!(received.frames.len(), 20);
    assert_same_pictures(&path, &received, (320, 240));
}

#[test]
fn jpeg_420_and_422_from_gstreamers_encoder_decode_alike() {
    let dir = tempfile::tempdir().unwrap();
    for pixels in ["I420", "Y42B"] {
        let path = dir.path().join(pixels);
        let received = send_pipeline(&format!(
            "videotestsrc num-buffers=10 ! video/x-raw,format={pixels},width=320,height=240 ! jpegenc ! tee name=tee \
             tee. ! queue ! filesink location={} tee. ! queue ! rtpjpegpay name=pay pt=26 mtu=1200",
            path.display()
        ));
        assert_eq!(received.frames.len(), 10);
        assert_same_pictures(&path, &received, (320, 240));
    }
}

#[test]
fn jpeg_from_gstreamer_decodes_alike() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("film.mkv");
    film(&path, "testsrc2=size=640x360:rate=10:duration=2", "-c:v mjpeg -huffman default -q:v 3 -pix_fmt yuvj420p");
    let sent = dir.path().join("film.mjpeg");
    ffmpeg("", Some(&path), &format!("-c copy -f mjpeg {}", sent.display()));
    // Tables in band (Q of 255), and of 128.
    for quality in [255, 128] {
        let elements = format!("matroskademux ! rtpjpegpay name=pay pt=26 mtu=1200 quality={quality}");
        assert_same_pictures(&sent, &send_by_gstreamer(&path, &elements), (640, 360));
    }
}
