//! Runs the `credential_process` of a profile, and reads the key that it prints.
//!
//! As botocore does, without a shell and with our environment. Unlike there it has no terminal to ask on, a timeout, and a
//! bound on what it prints.

use std::io::{self, Read};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::credentials::{CredentialProcess, Credentials, Part, parse_time};
use crate::child::{self, Killed};
use crate::error::{Error, Result};
use crate::home;
use crate::mutex::lock;
use crate::stop::Stop;
use crate::units::human_duration;

/// A key and its token have a few hundred bytes, at most some thousand.
const MAX_OUTPUT_BYTES: usize = 64 << 10;
/// How long to wait for the end of a program's output after the program ended: one that it left behind may keep it open.
const LINGER: Duration = Duration::from_millis(500);

/// A key that a program gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// The key.
    pub credentials: Credentials,
    /// Until when it is valid. None for one that stays.
    pub expires_at: Option<DateTime<Utc>>,
}

/// Runs the program. It is killed with its process group when it takes longer than `timeout`.
///
/// # Errors
/// [`Error::Source`]: it cannot run, fails, takes too long or prints no key. [`Error::Stopped`]
pub fn fetch(process: &CredentialProcess, timeout: Duration, stop: &Stop) -> Result<Fetched> {
    let CredentialProcess { profile, program, arguments } = process;
    let failed =
        |why: String| Error::Source(format!("credential_process of the profile {profile:?} ({program}) {why}"));
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if std::env::var_os("HOME").is_none_or(|home| home.is_empty()) {
        command.envs(home::directory().map(|home| ("HOME", home)));
    }
    let mut child = child::spawn(&mut command).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let path = std::env::var("PATH").unwrap_or_default();
            failed(format!("is not there (PATH is {path:?}): write its full path"))
        }
        _ => failed(format!("cannot run: {error}")),
    })?;
    let output = Arc::<Mutex<Vec<u8>>>::default();
    let is_read = child.stdout.take().map(|stdout| {
        let output = Arc::clone(&output);
        in_background(move || collect(stdout, &output))
    });
    let words = child.stderr.take().map(|stderr| in_background(move || child::last_words(stderr)));

    let waited = child::wait(&mut child, timeout, &|| stop.check().is_err());
    let (status, killed) = waited.map_err(|error| failed(format!("cannot be waited for: {error}")))?;
    match killed {
        Some(Killed::Stopped) => stop.check()?,
        Some(Killed::Late) => {
            let timeout = human_duration(timeout);
            return Err(failed(format!("took longer than {timeout} (--timeout) and was killed")));
        }
        None => {}
    }
    let _ = is_read.and_then(|is_read| is_read.recv_timeout(LINGER).ok());
    let output = std::mem::take(&mut *lock(&output));
    if output.len() > MAX_OUTPUT_BYTES {
        return Err(failed("prints more than a key".to_owned()));
    }
    if !status.success() {
        let words = words.and_then(|words| words.recv_timeout(LINGER).ok()).filter(|words| !words.is_empty());
        let words = words.map(|words| format!(": {words:?}")).unwrap_or_default();
        return Err(failed(format!("failed ({}){words}", child::described(status))));
    }
    parse(&output).map_err(failed)
}

/// What a thread of its own returns.
fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> mpsc::Receiver<T> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || sender.send(work()));
    receiver
}

/// Reads a program's output, and no more than a byte or so over the bound: it fails to print on then.
fn collect(mut pipe: impl Read, output: &Mutex<Vec<u8>>) {
    let mut piece = [0; 4096];
    while let Ok(n @ 1..) = pipe.read(&mut piece) {
        let mut output = lock(output);
        output.extend_from_slice(&piece[..n]);
        if output.len() > MAX_OUTPUT_BYTES {
            return;
        }
    }
}

/// The key in a program's output: JSON of version 1. Errors do not repeat the output.
///
/// <https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-sourcing-external.html>
fn parse(output: &[u8]) -> Result<Fetched, String> {
    let document: Value = serde_json::from_slice(output)
        .map_err(|error| format!("prints no JSON (line {}, column {})", error.line(), error.column()))?;
    if document.get("Version").and_then(Value::as_f64) != Some(1.0) {
        return Err("prints no key of Version 1".to_owned());
    }
    let text = |name: &str| match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str())),
        Some(_) => Err(format!("prints a {name} that is no text")),
    };
    let must = |name: &str| text(name)?.ok_or_else(|| format!("prints no {name}"));
    let named = |part| {
        let name = match part {
            Part::KeyId => "AccessKeyId",
            Part::Secret => "SecretAccessKey",
            Part::Token => "SessionToken",
        };
        format!("prints a key of which {name}")
    };
    let credentials =
        Credentials::checked(must("AccessKeyId")?, must("SecretAccessKey")?, text("SessionToken")?, named)?;
    let expires_at = text("Expiration")?.map(|text| {
        parse_time(text).ok_or("prints an Expiration that is not a time with a zone, such as 2030-01-31T12:00:00Z")
    });
    Ok(Fetched { credentials, expires_at: expires_at.transpose()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credential_process_prints_json_of_version_1() {
        let fetched = parse(
            br#"{"Version": 1, "AccessKeyId": " ASIA\n", "SecretAccessKey": "s/+#;", "SessionToken": "t",
                "Expiration": "2026-11-30T06:00:00+01:00", "AccountId": "1", "more": {}}"#,
        )
        .expect("a key");
        let Credentials { key_id, secret, session_token } = &fetched.credentials;
        assert_eq!((key_id.as_str(), secret.as_str(), session_token.as_deref()), ("ASIA", "s/+#;", Some("t")));
        assert_eq!(fetched.expires_at, "2026-11-30T05:00:00Z".parse().ok());
        let lasting =
            br#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "s", "SessionToken": null, "Expiration": null}"#;
        let lasting = parse(lasting).expect("a key");
        assert_eq!((lasting.expires_at, lasting.credentials.session_token), (None, None));
    }

    #[test]
    fn credential_process_errors_name_the_part_and_repeat_nothing() {
        for (output, said) in [
            ("", "no JSON"),
            ("SECRET", "no JSON"),
            ("[1]", "Version"),
            (r#"{"AccessKeyId": "A", "SecretAccessKey": "SECRET"}"#, "Version"),
            (r#"{"Version": "1", "AccessKeyId": "A", "SecretAccessKey": "SECRET"}"#, "Version"),
            (r#"{"Version": 2, "AccessKeyId": "A", "SecretAccessKey": "SECRET"}"#, "Version"),
            (r#"{"Version": 1, "SecretAccessKey": "SECRET"}"#, "AccessKeyId"),
            (r#"{"Version": 1, "AccessKeyId": "A"}"#, "SecretAccessKey"),
            (r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": 1}"#, "SecretAccessKey"),
            (r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "SEC\u0000RET"}"#, "SecretAccessKey"),
            (r#"{"Version": 1, "AccessKeyId": "SECRET KEY", "SecretAccessKey": "s"}"#, "AccessKeyId"),
            (r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "SECRET", "Expiration": "soon"}"#, "Expiration"),
            (r#"{"Version": 1, "AccessKeyId": "A", "SecretAccessKey": "SECRET", "Expiration": 1}"#, "Expiration"),
        ] {
            let error = parse(output.as_bytes()).expect_err(output);
            assert!(error.contains(said) && !error.contains("SECRET"), "{output}: {error}");
        }
    }
}
