//! Metrics in the Prometheus text format, to a file for `node_exporter`'s textfile collector or to a Pushgateway.

use std::path::PathBuf;
use std::time::Duration;

use ureq::http::header::AUTHORIZATION;

use crate::error::EndReason;
use crate::failure::FailureReason;
use crate::http::{self, explain};
use crate::login;
use crate::network::Network;
use crate::notices::Notices;
use crate::pass::Report;
use crate::pass_name::PassName;
use crate::prometheus::Exposition;
use crate::retention::Reason;
use crate::secret::Secret;
use crate::store::write_atomically;
use crate::units::human_duration;

/// Where metrics go.
#[derive(Debug, Clone, Default)]
pub struct Sinks {
    /// `--metrics-file`
    pub file: Option<PathBuf>,
    /// `--metrics-pushgateway-url`, without the slash at its end.
    pub pushgateway_url: Option<Secret>,
    /// How the Pushgateway is reached.
    pub network: Network,
    /// `--metrics-job`
    pub job: String,
    /// `--metrics-instance`
    pub instance: String,
}

impl Sinks {
    /// Delivers a report. A sink that fails is logged and does not change the outcome of the pass.
    pub fn deliver(&self, report: &Report, finished_timestamp_seconds: f64, timeout: Duration, notices: &Notices) {
        if self.file.is_none() && self.pushgateway_url.is_none() {
            return;
        }
        let text = render(report, finished_timestamp_seconds);
        if let Some(path) = &self.file
            && let Err(error) = write_atomically(path, text.as_bytes())
        {
            notices.warn("metrics-file", format_args!("the metrics were not written: {}", error.with_causes()));
        }
        if let Err(error) = self.push(text, timeout) {
            notices.warn("metrics-push", format_args!("the metrics were not pushed: {error}"));
        }
    }

    /// Pushes metrics to the Pushgateway, if there is one.
    ///
    /// # Errors
    /// In words: it is not there, or refuses them.
    pub fn push(&self, text: String, timeout: Duration) -> Result<(), String> {
        match &self.pushgateway_url {
            Some(url) => self.push_to(url.reveal(), text, timeout),
            None => Ok(()),
        }
    }

    fn push_to(&self, url: &str, text: String, timeout: Duration) -> Result<(), String> {
        let agent = self.network.agent(url, http::config().timeout_global(Some(timeout)));
        let url = format!("{url}/metrics/job{}/instance{}", grouping_value(&self.job), grouping_value(&self.instance));
        let (url, login) = login::split_userinfo(&url);
        let mut request = agent.put(url).content_type("text/plain; version=0.0.4; charset=utf-8");
        if let Some(login) = login {
            request = request.header(AUTHORIZATION, login);
        }
        let answer = request.send(text).map_err(|error| explain(&error, &human_duration(timeout)))?;
        match answer.status().as_u16() {
            status @ 300..400 => Err(format!("it answers {status} and another address: give that one")),
            _ => Ok(()),
        }
    }
}

/// A value of the Pushgateway's grouping key, as a part of its URL. Base64 is the Pushgateway's own way for values with
/// a slash, such as a directory; it is as good for `.` and `..`, which would mean another path.
fn grouping_value(value: &str) -> String {
    use base64::Engine;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    if value.bytes().all(plain) && !matches!(value, "" | "." | "..") {
        format!("/{value}")
    } else {
        // An empty value is written as a lone "=".
        let encoded = base64::engine::general_purpose::URL_SAFE.encode(value);
        format!("@base64/{}", if encoded.is_empty() { "=" } else { &encoded })
    }
}

/// The kinds of failure of one item in each pass, so that each metric exists before its first failure.
fn failure_reasons(pass: PassName) -> &'static [FailureReason] {
    use FailureReason::{
        Conflict, Content, Damaged, Empty, Encrypted, Ffmpeg, Gone, Http, Length, Name, Network, Proof, Read, Refused,
        Server, Storage, Timeout,
    };
    match pass {
        PassName::Dashcam => &[Content, Damaged, Empty, Http, Length, Network, Refused],
        PassName::Hikvision => &[Damaged, Encrypted, Ffmpeg, Gone, Read, Refused, Storage, Timeout],
        PassName::Upload => &[Conflict, Name, Network, Proof, Read, Refused, Server],
        PassName::Record => &[],
    }
}

/// The report as Prometheus text: base units, one gauge a line, counters only where something is counted for good.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats")]
pub fn render(report: &Report, finished_timestamp_seconds: f64) -> String {
    let mut text = Exposition::new(format!("footage_{}", report.pass.map_or("", PassName::as_str)));
    let ended = report.ended.as_ref().map(|ended| ended.reason);
    text.gauge("last_run_timestamp_seconds", "When the last pass ended.", finished_timestamp_seconds);
    text.gauge("last_run_duration_seconds", "How long the last pass took.", report.duration_seconds);
    let success = ended.is_none() && report.failures.is_empty();
    text.gauge("last_run_success", "Whether the last pass did all it had to.", f64::from(u8::from(success)));
    text.gauge("last_run_exit_code", "The exit code of the last pass.", f64::from(report.exit_code));
    text.gauges(
        "last_run_failure",
        "Why the last pass ended early.",
        "reason",
        EndReason::OF_ERRORS.map(|reason| (reason.as_str(), f64::from(u8::from(ended == Some(reason))))),
    );
    let arrival = report.last_arrival_timestamp_seconds.unwrap_or(0.0);
    text.gauge("last_arrival_timestamp_seconds", "When footage last arrived.", arrival);
    text.gauge("last_run_arrived_files", "Files that arrived in the last pass.", report.arrived_files as f64);
    let bytes = report.transferred_bytes as f64;
    text.gauge("last_run_transferred_bytes", "Bytes of the last pass, those of failed tries too.", bytes);
    text.gauges(
        "last_run_failed_files",
        "Files that failed in the last pass.",
        "reason",
        report.pass.map(failure_reasons).unwrap_or_default().iter().map(|reason| {
            let failed = report.failures.iter().filter(|failure| failure.reason == *reason).count();
            (reason.as_str(), failed as f64)
        }),
    );
    let reached = report.memory.contact.first_reached_timestamp_seconds.is_some();
    text.gauge(
        "ever_reached",
        "Whether the source, or the server of upload, has ever answered.",
        f64::from(u8::from(reached)),
    );
    let missed = report.memory.contact.missed_passes as f64;
    text.gauge("missed_passes", "Passes in a row that found it away.", missed);
    text.gauge("open_files", "Recordings or files that are still being written.", report.open_files as f64);
    let waiting = report.waiting_files as f64;
    text.gauge("waiting_files", "Files that failed and are not due for another try.", waiting);
    if report.pass == Some(PassName::Upload) {
        uploaded(&mut text, report);
    } else {
        fetched(&mut text, report);
    }
    text.gauges(
        "last_run_removed_files",
        "Files removed in the last pass.",
        "reason",
        Reason::of(report.pass)
            .iter()
            .map(|reason| (reason.as_str(), report.removed_files.get(reason.as_str()).copied().unwrap_or(0) as f64)),
    );
    if let Some(ratio) = report.disk_used_ratio {
        text.gauge("disk_used_ratio", "The used part of the destination's disk.", ratio);
    }
    text.into_text()
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats")]
fn fetched(text: &mut Exposition, report: &Report) {
    for (name, help, value) in [
        ("seen_recordings", "Recordings the source has.", report.seen_recordings),
        ("selected_recordings", "Recordings the options ask for.", report.selected_recordings),
        ("left_out_recordings", "Recordings left on the camera for want of room.", report.left_out_recordings),
        ("failed_marker_files", "Markers of failed files in the destination.", report.failed_marker_files),
    ] {
        text.gauge(name, help, value as f64);
    }
}

#[expect(clippy::cast_precision_loss, reason = "Prometheus values are floats")]
fn uploaded(text: &mut Exposition, report: &Report) {
    for (name, help, value) in [
        ("already_there_files", "Files that the last pass found in the bucket.", report.already_there_files),
        ("pending_files", "Closed files that are not in the bucket yet.", report.pending_files),
    ] {
        text.gauge(name, help, value as f64);
    }
    let oldest = report.oldest_pending_seconds.unwrap_or(0.0);
    text.gauge("oldest_pending_seconds", "How long the oldest pending file has been waiting.", oldest);
}

/// Whether a Pushgateway can be reached under this text.
///
/// # Errors
/// A sentence for the user.
pub fn parse_pushgateway_url(url: &Secret) -> Result<Secret, String> {
    let text = url.reveal();
    // What stands before an @ may be a password.
    let shown = text.rsplit_once('@').map_or(text, |(_, host)| host);
    if login::is_cut(text) {
        return Err(format!("--metrics-pushgateway-url: the host ends inside the password: {}", login::ESCAPES));
    }
    let uri: ureq::http::Uri =
        text.parse().map_err(|_| format!("--metrics-pushgateway-url: {shown:?} is not a URL"))?;
    match uri.scheme_str() {
        Some("http" | "https") if uri.host().is_some_and(|host| !host.is_empty()) => {
            Ok(text.trim_end_matches('/').to_owned().into())
        }
        _ => Err(format!("--metrics-pushgateway-url: {shown:?} is not an http or https URL")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushgateway_grouping_values_are_encoded() {
        assert_eq!(grouping_value("dashcam.example.net"), "/dashcam.example.net");
        assert_eq!(grouping_value("/media/card"), "@base64/L21lZGlhL2NhcmQ=");
        assert_eq!(grouping_value(""), "@base64/=");
    }

    #[test]
    fn pushgateway_urls_are_checked() {
        let parse = |text: &str| parse_pushgateway_url(&text.to_owned().into());
        assert_eq!(parse("http://push:9091/").map(|url| url.reveal().to_owned()), Ok("http://push:9091".into()));
        for text in ["push:9091", "ftp://push", "http://", ""] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
