//! JPEG over HTTP as cameras send it: every picture, once.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use super::wait_for_ends;
use crate::media_containers::film::run;
use crate::support::mjpeg::pictures;
use crate::support::site::{QUICK, Site};

/// How one camera writes its response.
struct Style {
    name: &'static str,
    /// Behind the status line, each with its line end.
    headers: &'static str,
    /// In front of each picture; `LENGTH` is its length, `WRONG` another number.
    before: &'static str,
    after: &'static str,
    is_chunked: bool,
    change: fn(&[u8]) -> Vec<u8>,
}

const PLAIN: Style = Style {
    name: "plain",
    headers: "Content-Type: multipart/x-mixed-replace;boundary=frame\r\n",
    before: "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: LENGTH\r\n\r\n",
    after: "\r\n",
    is_chunked: false,
    change: <[u8]>::to_vec,
};

fn styles() -> Vec<Style> {
    vec![
        PLAIN,
        Style {
            name: "first-without-boundary",
            before: "Content-Type: image/jpeg\r\nContent-Length: LENGTH\r\n\r\n",
            after: "\r\n--frame\r\n",
            ..PLAIN
        },
        Style { name: "no-length", before: "--frame\r\nContent-Type: image/jpeg\r\n\r\n", ..PLAIN },
        Style {
            name: "wrong-length",
            before: "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: WRONG\r\n\r\n",
            ..PLAIN
        },
        Style { name: "no-headers", before: "--frame\r\n\r\n", ..PLAIN },
        Style {
            name: "length-first",
            before: "--frame\r\ncontent-length:LENGTH\r\ncontent-type:image/jpg; charset=binary\r\n\r\n",
            ..PLAIN
        },
        Style {
            name: "timestamp",
            before: "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: LENGTH\r\nX-Timestamp: 1.5\r\n\r\n",
            ..PLAIN
        },
        Style { name: "quoted", headers: "Content-Type: multipart/x-mixed-replace; boundary=\"--frame\"\r\n", ..PLAIN },
        Style {
            name: "other-boundary",
            headers: "Content-Type: multipart/x-mixed-replace; boundary=abc, x\r\n",
            ..PLAIN
        },
        Style {
            name: "no-dashes",
            before: "frame\r\nContent-Type: image/jpeg\r\nContent-Length: LENGTH\r\n\r\n",
            ..PLAIN
        },
        Style {
            name: "line-feeds",
            before: "--frame\nContent-Type: image/jpeg\nContent-Length: LENGTH\n\n",
            after: "\n",
            ..PLAIN
        },
        Style { name: "no-line-end", after: "", ..PLAIN },
        Style {
            name: "chunked",
            headers: "Content-Type: multipart/x-mixed-replace;boundary=frame\r\nTransfer-Encoding: chunked\r\n",
            is_chunked: true,
            ..PLAIN
        },
        Style { name: "bare", headers: "Content-Type: image/jpeg\r\n", before: "", after: "", ..PLAIN },
        Style { name: "no-type", headers: "", before: "", after: "", ..PLAIN },
        Style { name: "zeros-behind", after: "\0\0\0\0\0\0\0\r\n", ..PLAIN },
        Style { name: "thumbnail", change: with_thumbnail, ..PLAIN },
        Style { name: "no-tables", change: without_huffman_tables, ..PLAIN },
    ]
}

/// An EXIF segment that holds another picture, behind the first marker.
fn with_thumbnail(picture: &[u8]) -> Vec<u8> {
    let thumbnail = &pictures()[2];
    let length = u16::try_from(thumbnail.len() + 8).unwrap().to_be_bytes();
    [&picture[..2], &[0xFF, 0xE1], &length[..], b"Exif\0\0", thumbnail, &picture[2..]].concat()
}

/// As cameras send it that leave out what all JPEGs of theirs have.
fn without_huffman_tables(picture: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (picture[..2].to_vec(), 2);
    while picture[at + 1] != 0xDA {
        let length = 2 + usize::from(u16::from_be_bytes([picture[at + 2], picture[at + 3]]));
        if picture[at + 1] != 0xC4 {
            out.extend(&picture[at..at + length]);
        }
        at += length;
    }
    out.extend(&picture[at..]);
    out
}

fn sent(style: &Style) -> Vec<Vec<u8>> {
    pictures().iter().map(|picture| (style.change)(picture)).collect()
}

/// Sends its pictures ten times a second to the first who asks, then closes; then it is gone.
fn serve(style: Style) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        drop(listener);
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        let mut write = |bytes: &[u8]| client.write_all(bytes);
        write(format!("HTTP/1.1 200 OK\r\n{}\r\n", style.headers).as_bytes())?;
        for picture in sent(&style) {
            let (length, wrong) = (picture.len().to_string(), (picture.len() - 100).to_string());
            let before = style.before.replace("LENGTH", &length).replace("WRONG", &wrong);
            for piece in [before.as_bytes(), &picture, style.after.as_bytes()].into_iter().filter(|it| !it.is_empty()) {
                if style.is_chunked {
                    write(&[format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat())?;
                } else {
                    write(piece)?;
                }
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok::<(), std::io::Error>(())
    });
    address
}

#[track_caller]
fn recorded(styles: Vec<Style>, keys: &str) -> Site {
    let names: Vec<&str> = styles.iter().map(|style| style.name).collect();
    let table = |style: Style| format!("url = \"http://{}/stream\"\n{keys}", serve(style));
    let cameras: Vec<(&str, String)> = names.iter().copied().zip(styles.into_iter().map(table)).collect();
    let site = Site::with(QUICK, &cameras);
    let running = site.start(&[]);
    wait_for_ends(&running, names.into_iter());
    running.term();
    running.wait_timeout(Duration::from_secs(6));
    site
}

fn coded(segment: &Path) -> Vec<u8> {
    let arguments = ["-map", "0:v:0", "-c", "copy", "-f", "data", "-"];
    // It may complain of what it finds in front of a thumbnail.
    run(Command::new("ffmpeg").args(["-nostdin", "-v", "fatal", "-i"]).arg(segment).args(arguments))
}

#[test]
fn video_copy_records_every_jpeg_once_however_the_response_is_written() {
    let site = recorded(styles(), "video = \"copy\"");
    let mut wrong = Vec::new();
    for style in styles() {
        let came: Vec<u8> = site.closed(style.name).iter().flat_map(|segment| coded(&segment.path)).collect();
        if came != sent(&style).concat() {
            wrong.push(format!("{}: {} of {} bytes", style.name, came.len(), sent(&style).concat().len()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn jpeg_encoded_to_h264_has_a_frame_for_each_picture_up_to_the_last() {
    let some = ["plain", "first-without-boundary", "wrong-length", "chunked", "no-tables"];
    let chosen = || styles().into_iter().filter(|style| some.contains(&style.name));
    let site = recorded(chosen().collect(), "");
    for style in chosen() {
        let closed = site.closed(style.name);
        let frames = crate::support::site::frames(&closed);
        assert_eq!(frames, pictures().len() as u64, "{}: {closed:#?}", style.name);
    }
}
