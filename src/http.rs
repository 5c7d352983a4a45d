//! What all HTTP requests have in common: how they are made, whether a failed one reached the host, and why it failed. Pure.

use std::fmt::Display;
use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};

use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::typestate::AgentScope;

use crate::error::with_causes;

/// A client's settings, to be added to: it says who it is. It follows no redirect, because what it sends is for one host: see
/// [`redirect`](crate::redirect).
#[must_use]
pub fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("footage/", env!("CARGO_PKG_VERSION")))
}

/// No connection came to be: nothing else needs to be asked there.
#[must_use]
pub fn is_unreachable(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound
        | ureq::Error::ConnectionFailed
        | ureq::Error::Timeout(ureq::Timeout::Connect | ureq::Timeout::Resolve) => true,
        ureq::Error::Io(error) => {
            matches!(error.kind(), ConnectionRefused | HostUnreachable | NetworkUnreachable)
        }
        _ => false,
    }
}

/// A few words for people; `limit` is how long it may take, or the option that says so.
#[must_use]
pub fn explain(error: &ureq::Error, limit: &dyn Display) -> String {
    match error {
        ureq::Error::HostNotFound => "its name is not known".into(),
        ureq::Error::Io(error) => with_causes(error),
        ureq::Error::Timeout(ureq::Timeout::Connect) => format!("no connection within {limit}"),
        ureq::Error::Timeout(_) => format!("no answer within {limit}"),
        other => with_causes(other),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn connection_errors_distinguish_unreachable_from_no_answer() {
        let io = |error: io::Error| ureq::Error::Io(error);
        for (error, is_gone, text) in [
            (ureq::Error::HostNotFound, true, "its name is not known"),
            (io(io::Error::new(HostUnreachable, "its name is not known (x)")), true, "its name is not known (x)"),
            (io(ConnectionRefused.into()), true, "connection refused"),
            (ureq::Error::Timeout(ureq::Timeout::Connect), true, "no connection within --timeout"),
            (ureq::Error::Timeout(ureq::Timeout::RecvBody), false, "no answer within --timeout"),
            (io(io::ErrorKind::ConnectionReset.into()), false, "connection reset"),
        ] {
            assert_eq!((is_unreachable(&error), explain(&error, &"--timeout").as_str()), (is_gone, text));
        }
    }
}
