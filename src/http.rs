//! What all HTTP requests have in common: how they are made, whether a failed one reached the host, and why it failed. Pure.

use std::error::Error as StdError;
use std::fmt::Display;
use std::io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkUnreachable};

use chrono::DateTime;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;
use ureq::Agent;
use ureq::config::ConfigBuilder;
use ureq::http::Response;
use ureq::http::header::{PROXY_AUTHENTICATE, SERVER};
use ureq::typestate::AgentScope;

use crate::error::with_causes;
use crate::proxy::Proxy;
use crate::proxy::handshake::{Refusal, refused_by_http};

/// A client's settings, to be added to: it says who it is. It follows no redirect, because what it sends is for one host: see
/// [`redirect`](crate::redirect). Proxies are those of [`network`](crate::network), not those that ureq reads by itself.
#[must_use]
pub fn config() -> ConfigBuilder<AgentScope> {
    Agent::config_builder()
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(concat!("footage/", env!("CARGO_PKG_VERSION")))
}

/// A request that its proxy did not bring to the host.
#[derive(Debug, thiserror::Error)]
#[error("{proxy} does not reach {host}")]
pub struct ProxyError {
    proxy: Proxy,
    host: String,
    why: Why,
}

#[derive(Debug)]
enum Why {
    /// It cannot be reached.
    Away(Box<ureq::Error>),
    /// It accepted the connection and did not go on.
    Broken(Box<ureq::Error>),
    /// It answered.
    Refused(Refusal),
}

impl ProxyError {
    /// No connection to the proxy could be made.
    pub fn away(proxy: &Proxy, host: &str, error: ureq::Error) -> ureq::Error {
        Self::boxed(proxy, host, Why::Away(Box::new(error)))
    }

    /// The proxy stopped answering.
    pub fn broken(proxy: &Proxy, host: &str, error: ureq::Error) -> ureq::Error {
        Self::boxed(proxy, host, Why::Broken(Box::new(error)))
    }

    /// The proxy refused.
    pub fn refused(proxy: &Proxy, host: &str, refusal: Refusal) -> ureq::Error {
        Self::boxed(proxy, host, Why::Refused(refusal))
    }

    fn boxed(proxy: &Proxy, host: &str, why: Why) -> ureq::Error {
        ureq::Error::Other(Box::new(Self { proxy: proxy.clone(), host: host.to_owned(), why }))
    }

    fn of(error: &ureq::Error) -> Option<&Self> {
        match error {
            ureq::Error::Other(error) => error.downcast_ref(),
            _ => None,
        }
    }

    fn explain(&self, limit: &dyn Display) -> String {
        let Self { proxy, host, why } = self;
        let without = format!("to connect without it, set no_proxy={host}");
        match why {
            Why::Away(error) => format!("{proxy} is away: {}; {without}", explain(error, limit)),
            Why::Broken(error) if matches!(**error, ureq::Error::Timeout(_)) => {
                format!("{proxy} did not connect to {host} within {limit}; {without}")
            }
            Why::Broken(error) => format!("{proxy} broke off: {}; {without}", explain(error, limit)),
            Why::Refused(refusal @ (Refusal::HostAway(_) | Refusal::Forbidden(_))) => {
                format!("{proxy} {refusal}; {without}")
            }
            Why::Refused(refusal) => format!("{proxy} {refusal}"),
        }
    }

    /// Whether the proxy or the host behind it is away.
    fn is_away(&self) -> bool {
        matches!(self.why, Why::Away(_) | Why::Broken(_) | Why::Refused(Refusal::HostAway(_)))
    }
}

/// An environment or an option with which no request can be made: a sentence for the user.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Misconfigured(pub String);

/// The servers that are proxies, as they call themselves in answers of their own.
const PROXIES: [&str; 3] = ["squid", "tinyproxy", "privoxy"];

/// Why an HTTP proxy refuses a request that it should have passed on; none for an answer of the host.
#[must_use]
pub fn refused_by_proxy<B>(answer: &Response<B>, proxy: &Proxy) -> Option<Refusal> {
    let status = answer.status();
    let headers = answer.headers();
    let is_proxy = || {
        let server = headers.get(SERVER).and_then(|server| server.to_str().ok()).unwrap_or_default();
        let server = server.to_ascii_lowercase();
        headers.contains_key("x-squid-error")
            || headers.contains_key("proxy-status")
            || PROXIES.iter().any(|name| server.starts_with(name))
    };
    if status.as_u16() != 407 && !((status.is_client_error() || status.is_server_error()) && is_proxy()) {
        return None;
    }
    let schemes = headers.get_all(PROXY_AUTHENTICATE).iter();
    let schemes = schemes.filter_map(|value| value.to_str().ok().map(str::to_owned));
    let phrase = status.canonical_reason().unwrap_or_default();
    Some(refused_by_http(status.as_u16(), phrase, schemes, proxy.authorization().is_some()))
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
        error => ProxyError::of(error).is_some_and(ProxyError::is_away),
    }
}

/// Every further request would meet the same: the host does not speak TLS or its certificate is not trusted, the proxy wants
/// another login or forbids the host, the environment names no proxy.
#[must_use]
pub fn is_final(error: &ureq::Error) -> bool {
    use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage, PeerIncompatible};
    match error {
        ureq::Error::Tls(_) => true,
        ureq::Error::Other(other) if other.is::<Misconfigured>() => true,
        error => {
            let is_tls = |error: &rustls::Error| {
                matches!(error, AlertReceived(_) | InvalidCertificate(_) | InvalidMessage(_) | PeerIncompatible(_))
            };
            of_tls(error).is_some_and(is_tls) || ProxyError::of(error).is_some_and(|error| !error.is_away())
        }
    }
}

/// A few words for people; `limit` is how long it may take, or the option that says so.
#[must_use]
pub fn explain(error: &ureq::Error, limit: &dyn Display) -> String {
    if let Some(error) = of_tls(error) {
        return explain_tls(error);
    }
    if let Some(error) = ProxyError::of(error) {
        return error.explain(limit);
    }
    match error {
        ureq::Error::HostNotFound => "its name is not known".into(),
        ureq::Error::Io(error) => with_causes(error),
        ureq::Error::Timeout(ureq::Timeout::Connect) => format!("no connection within {limit}"),
        ureq::Error::Timeout(_) => format!("no answer within {limit}"),
        ureq::Error::Other(other) if other.is::<Misconfigured>() => other.to_string(),
        other => with_causes(other),
    }
}

fn of_tls(error: &ureq::Error) -> Option<&rustls::Error> {
    match error {
        ureq::Error::Rustls(error) => Some(error),
        ureq::Error::Io(error) => error.get_ref().and_then(|inner| inner.downcast_ref()),
        _ => None,
    }
}

fn explain_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(error) => explain_certificate(error),
        rustls::Error::InvalidMessage(_) => format!("it does not speak TLS ({error}): write http:// if that is meant"),
        error => format!("TLS failed: {error}"),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    use CertificateError::{
        Expired, ExpiredContext, NotValidForName, NotValidForNameContext, NotValidYet, NotValidYetContext,
        UnknownIssuer,
    };
    match error {
        NotValidYetContext { time, not_before } => format!(
            "its certificate is not valid yet, but from {}; the clock of this machine says {}: is it right?",
            date(*not_before),
            date(*time)
        ),
        NotValidYet => "its certificate is not valid yet: is the clock of this machine right?".into(),
        ExpiredContext { time, not_after } => format!(
            "its certificate expired at {}; the clock of this machine says {}: renew the certificate, or set the clock",
            date(*not_after),
            date(*time)
        ),
        Expired => "its certificate has expired: renew it".into(),
        UnknownIssuer => "its certificate is of an authority that is not trusted: name the authority's certificate with \
                          --ca-bundle"
            .into(),
        NotValidForNameContext { expected, presented } => {
            let presented: Vec<&str> = presented.iter().map(String::as_str).take(5).collect();
            format!("its certificate is for another name than {}: {}", expected.to_str(), presented.join(", "))
        }
        NotValidForName => "its certificate is for another name".into(),
        CertificateError::Other(other) if is_of_an_authority(&*other.0) => {
            "its certificate is one of an authority (CA:TRUE), which no server may have: make one for the server, signed by \
             that authority"
                .into()
        }
        other => format!("its certificate is not accepted: {other}"),
    }
}

/// As rustls reports it: webpki's `CaUsedAsEndEntity`.
fn is_of_an_authority(error: &(dyn StdError + 'static)) -> bool {
    error.to_string().contains("CaUsedAsEndEntity")
}

/// To the minute, in UTC.
fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    DateTime::from_timestamp(seconds, 0).map(|time| time.format("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default()
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
