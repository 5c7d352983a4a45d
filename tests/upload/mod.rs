//! `footage upload` through the built binary, against a real S3 server: the behaviour when nothing goes wrong.

mod botocore;
mod comparing;
mod credential_process;
mod credentials;
mod deleting;
mod exit_codes;
mod files;
mod keys;
mod multipart;
mod names;
mod output;
mod rate;
mod running;
mod scale;
mod secrets;
mod terminal;
mod zone;

use std::time::Duration;

/// No event takes longer.
const SOON: Duration = Duration::from_secs(30);
