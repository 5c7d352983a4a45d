//! Warnings about a configuration that exposes the user: passwords that other users can read, programs that they can change,
//! cameras whose certificate ffmpeg does not check.

use std::os::unix::fs::PermissionsExt;

use super::Settings;
use super::command::is_of_secret;
use super::config::{Camera, Config};
use super::url::holds_secret;
use crate::ffmpeg::Version;
use crate::pass::Context;
use crate::text::alike;

/// The mode bits `S_IROTH` and `S_IWOTH`: `chmod(2)`.
const READ_BY_OTHERS: u32 = 0o004;
const WRITTEN_BY_OTHERS: u32 = 0o002;
/// ffmpeg's option: 1 checks the certificate, 0 does not, which is the default.
const VERIFY: &str = "-tls_verify";
/// From this version on ffmpeg checks certificates by default, over RTSP too.
const CHECKS_BY_ITSELF: u32 = 9;

/// Logs the warnings. Access of a group is the owner's choice and causes none.
pub(super) fn warn(settings: &Settings, config: &Config, ffmpeg: Option<Version>, context: &Context) {
    if let Some(path) = settings.source.path()
        && let Ok(metadata) = path.metadata()
        && metadata.is_file()
    {
        let mode = metadata.permissions().mode();
        let path = path.display();
        if mode & WRITTEN_BY_OTHERS != 0 {
            let text = format_args!("{path}: world-writable, and it names programs to run: chmod o-w it");
            context.notices.warn("config-written", text);
        } else if mode & READ_BY_OTHERS != 0 && config.cameras.values().any(has_password) {
            let text = format_args!("{path}: other users can read the passwords in it: chmod 600 it");
            context.notices.warn("config-read", text);
        }
    }
    if ffmpeg.is_none_or(|version| version.is_at_least(CHECKS_BY_ITSELF, 0)) {
        return;
    }
    let mut unchecked: Vec<(&str, String)> = Vec::new();
    for (name, camera) in &config.cameras {
        let value = camera.input_options.iter().position(|option| option == VERIFY);
        let value = value.and_then(|at| camera.input_options.get(at + 1)).map(String::as_str);
        let (is_over_rtsp, is_meant) = (camera.url.scheme() == "rtsps", value == Some("0"));
        let says_so = if is_over_rtsp { is_meant } else { value.is_some() };
        let text = match camera.url.scheme() {
            "https" | "rtmps" => {
                format!("ffmpeg does not check the camera's certificate: add {VERIFY} 1 to input_options")
            }
            // ffmpeg accepts the option over RTSP and does not pass it on to TLS: `ff_rtsp_connect` in rtsp.c.
            "rtsps" => {
                "ffmpeg checks no certificate over rtsps, whatever its options say: an attacker on the network can read all \
                        of it"
                    .to_owned()
            }
            _ => continue,
        };
        if !says_so {
            unchecked.push((name.as_str(), text));
        }
    }
    for alike in alike(unchecked.iter().map(|(name, text)| (*name, text.as_str()))) {
        let who = alike.who(config.cameras.len(), "camera");
        let text = format_args!("{who}: {}; {VERIFY} 0 ends this warning", alike.cause);
        context.notices.warn(&format!("tls:{}", alike.names.join(",")), text);
    }
}

fn has_password(camera: &Camera) -> bool {
    holds_secret(camera.url.secret())
        || camera.schedule.iter().any(|entry| holds_secret(entry.get.reveal()))
        || camera.input_options.iter().any(|option| is_of_secret(option))
}
