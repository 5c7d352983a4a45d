//! `GStreamer`'s RTSP server: what it sends over TCP and UDP is recorded, picture by picture.

use std::time::Duration;

use super::{H265, cameras_of, h264, hashes, wait_for_ends};
use crate::media_containers::film::Film;
use crate::support::rtsp::GstreamerServer;
use crate::support::site::{QUICK, Site};

const SECONDS: u32 = 7;

#[test]
fn gstreamer_h264_h265_and_jpeg_over_tcp_and_udp_decode_as_the_film() {
    let hevc = "log-level=none:keyint=25:min-keyint=25:bframes=2:open-gop=0";
    // RFC 2435: no other Huffman tables, and sides that are multiples of 8.
    let jpeg = ["-vf", "scale=320:176", "-c:v", "mjpeg", "-huffman", "default", "-q:v", "5", "-pix_fmt", "yuvj420p"];
    let films = [
        ("h264", h264(SECONDS, &["-bf", "2"]), &["mkv", "mp4", "ts"][..]),
        ("h265", Film::lasting(SECONDS, &[H265, &["-x265-params", hevc]].concat()), &["mkv", "mp4", "ts"]),
        ("jpeg", Film::lasting(SECONDS, &jpeg), &["mkv"]),
    ];
    let mounts: Vec<String> =
        films.iter().map(|(codec, film, _)| format!("/{codec}={},{codec}", film.path.display())).collect();
    let server = GstreamerServer::start(&mounts);
    let mut cameras = Vec::new();
    for (codec, _, containers) in &films {
        for container in *containers {
            let table = |transport| {
                let url = server.url(codec);
                format!("url = {url:?}\ncontainer = {container:?}\ntransport = {transport:?}")
            };
            cameras.push((format!("{codec}-{container}-tcp"), table("tcp")));
            cameras.push((format!("{codec}-{container}-udp"), table("udp")));
        }
    }
    let locked = server.locked_url("h264");
    cameras.push(("h264-mkv-login".to_owned(), format!("url = {locked:?}")));
    let site = Site::with(&format!("{QUICK}\nengine = \"native\""), cameras_of(&cameras).as_slice());
    let running = site.start(&[]);
    wait_for_ends(&running, cameras.iter().map(|(name, _)| name.as_str()));
    running.term();
    running.wait_timeout(Duration::from_secs(6));
    for (name, _) in &cameras {
        let (_, film, _) = films.iter().find(|(codec, ..)| name.starts_with(codec)).unwrap();
        let sent = hashes(&film.path);
        let shown: Vec<String> = site.closed(name).iter().flat_map(|segment| hashes(&segment.path)).collect();
        // It plays the film again to who comes again.
        assert!(shown.starts_with(&sent), "{name}: {} frames recorded, {} sent", shown.len(), sent.len());
    }
}
