//! How requests reach their hosts: through the proxies of the environment or directly, and which certificates they trust. All
//! agents of ureq come from here.
//!
//! ureq's own proxies are not used: they tunnel `http://` too, which most proxies refuse, know one proxy for all URLs, and their
//! errors do not say who failed. Here the resolver looks up the proxy of a URL instead of its host, the connector shakes
//! hands with it, and absolute URLs are written for it.
//!
//! ureq writes the path of a URL into a request, and `http::Uri` has no path that is a URL. So a middleware puts a random mark and the
//! URL into the path, `/MARK/http://host/path`, and the connection takes the mark out of what is sent.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use ureq::config::{Config, ConfigBuilder};
use ureq::http::header::{EXPECT, PROXY_AUTHORIZATION};
use ureq::http::uri::PathAndQuery;
use ureq::http::{HeaderValue, Request, Response, Uri};
use ureq::middleware::{Middleware, MiddlewareNext};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, NextTimeout, RustlsConnector, TcpConnector, Transport, TransportAdapter,
};
use ureq::{Agent, Body, SendBody};

use crate::early_answer::EarlyAnswers;
use crate::error::with_causes;
use crate::http::{Misconfigured, ProxyError, refused_by_proxy};
use crate::proxy::handshake::{Handshake, Refusal, Step};
use crate::proxy::{Protocol, Proxies, Proxy};
use crate::random::random;
use crate::resolve::Names;

/// A larger bundle is none: Mozilla's has 230 KB.
const MAX_BUNDLE_BYTES: u64 = 16 << 20;

/// No method of HTTP is longer.
const MAX_METHOD_BYTES: usize = 16;

/// A file of certificates to trust, and where it was named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle {
    /// PEM.
    pub path: PathBuf,
    /// An option, a variable or a key.
    pub named_by: &'static str,
}

/// Proxies and trusted certificates. The default is none, and Mozilla's.
#[derive(Clone, Default)]
pub struct Network(Arc<Inner>);

#[derive(Default)]
struct Inner {
    proxies: Proxies,
    bundle: Option<CaBundle>,
    roots: OnceLock<Result<RootCerts, String>>,
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Network")
    }
}

impl Network {
    /// With these proxies. A bundle replaces Mozilla's certificates, as with the AWS CLI, OpenSSL and curl.
    #[must_use]
    pub fn new(proxies: Proxies, bundle: Option<CaBundle>) -> Self {
        Self(Arc::new(Inner { proxies, bundle, roots: OnceLock::new() }))
    }

    /// Whether requests for a URL can be made; one that is no URL is not judged here.
    ///
    /// # Errors
    /// A sentence for the user: a variable holds no proxy, or the bundle cannot be read or has no certificate.
    pub fn check(&self, url: &str) -> Result<(), String> {
        let Ok(uri) = url.parse() else { return Ok(()) };
        let proxy = self.0.proxies.of(&uri)?;
        if needs_certificates(&uri, proxy) { self.roots().map(drop) } else { Ok(()) }
    }

    /// The bundle of certificates, read now.
    ///
    /// # Errors
    /// A sentence for the user: it cannot be read or has no certificate.
    pub fn check_bundle(&self) -> Result<(), String> {
        self.roots().map(drop)
    }

    /// The proxy for a URL; none if the request goes to its host.
    ///
    /// # Errors
    /// A sentence for the user: a variable holds no proxy.
    pub fn proxy(&self, url: &Uri) -> Result<Option<&Proxy>, String> {
        self.0.proxies.of(url)
    }

    /// The ureq agent for a URL and others of its scheme.
    #[must_use]
    pub fn agent(&self, url: &str, config: ConfigBuilder<AgentScope>) -> Agent {
        let uri = url.parse::<Uri>().unwrap_or_default();
        let proxy = self.proxy(&uri).ok().flatten();
        let (config, unusable) = match needs_certificates(&uri, proxy).then(|| self.roots()) {
            Some(Ok(roots)) => (config.tls_config(TlsConfig::builder().root_certs(roots).build()), None),
            Some(Err(why)) => (config, Some(why)),
            None => (config, None),
        };
        let mark: Arc<str> = format!("/{:016x}/", random()).into();
        let config = config.middleware(AbsoluteUrls { network: self.clone(), mark: Arc::clone(&mark) }).build();
        let connect = Connect { network: self.clone(), mark, unusable, ..Connect::default() };
        let resolver = Routes { names: Names::default(), network: self.clone() };
        Agent::with_parts(config, connect.chain(RustlsConnector::default()).chain(EarlyAnswers::default()), resolver)
    }

    fn roots(&self) -> Result<RootCerts, String> {
        let load = || self.0.bundle.as_ref().map_or(Ok(RootCerts::WebPki), load);
        self.0.roots.get_or_init(load).clone()
    }

    fn route(&self, uri: &Uri) -> Result<Option<&Proxy>, ureq::Error> {
        self.proxy(uri).map_err(|why| ureq::Error::Other(Box::new(Misconfigured(why))))
    }
}

fn needs_certificates(uri: &Uri, proxy: Option<&Proxy>) -> bool {
    uri.scheme_str() == Some("https") || proxy.is_some_and(|proxy| proxy.protocol() == Protocol::Https)
}

/// The certificates of a bundle, at least one.
fn load(bundle: &CaBundle) -> Result<RootCerts, String> {
    let CaBundle { path, named_by } = bundle;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAX_BUNDLE_BYTES).read_to_end(&mut bytes))
        .map_err(|error| format!("{named_by}: cannot read {}: {}", path.display(), with_causes(&error)))?;
    let found: Vec<Certificate<'static>> = parse_pem(&bytes)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    let mut store = RootCertStore::empty();
    let (added, _) = store.add_parsable_certificates(found.iter().map(|found| CertificateDer::from(found.der())));
    if added == 0 {
        let hint = if bytes.first() == Some(&0x30) {
            format!("; convert it: openssl x509 -inform der -in {0} -out {0}.pem", path.display())
        } else {
            String::new()
        };
        return Err(format!(
            "{named_by}: {} has no certificate in PEM, as -----BEGIN CERTIFICATE-----{hint}",
            path.display()
        ));
    }
    Ok(RootCerts::from(found))
}

/// Resolves the proxy of a URL, or its host where there is none.
#[derive(Debug)]
struct Routes {
    names: Names,
    network: Network,
}

impl Resolver for Routes {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        match self.network.route(uri)? {
            Some(proxy) => self
                .names
                .resolve(proxy.uri(), config, timeout)
                .map_err(|error| ProxyError::away(proxy, uri.host().unwrap_or_default(), error)),
            None => self.names.resolve(uri, config, timeout),
        }
    }
}

/// Connects to a host, or to its proxy and through it.
#[derive(Debug, Default)]
struct Connect {
    tcp: TcpConnector,
    tls: RustlsConnector,
    network: Network,
    mark: Arc<str>,
    /// Why there can be no TLS.
    unusable: Option<String>,
}

impl Connector for Connect {
    type Out = Box<dyn Transport>;

    fn connect(&self, details: &ConnectionDetails<'_>, _: Option<()>) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(why) = &self.unusable {
            return Err(ureq::Error::Other(Box::new(Misconfigured(why.clone()))));
        }
        let connected = self.tcp.connect(details, None::<()>).map(|connected| connected.map(boxed));
        let Some(proxy) = self.network.route(details.uri)? else { return connected };
        let host = details.uri.host().unwrap_or_default();
        let connected = connected.and_then(|connected| match (connected, proxy.protocol()) {
            (Some(connected), Protocol::Https) => {
                self.tls.connect(&with_uri(details, proxy.uri()), Some(connected)).map(|connected| connected.map(boxed))
            }
            (connected, _) => Ok(connected),
        });
        let connected = connected.map_err(|error| ProxyError::away(proxy, host, error))?;
        match connected {
            Some(inner) if proxy.forwards(details.uri) => {
                Ok(Some(Box::new(Forwarded { inner, mark: Arc::clone(&self.mark) })))
            }
            Some(connected) => tunnel(proxy, connected, details).map(Some),
            None => Ok(None),
        }
    }
}

fn boxed(transport: impl Transport) -> Box<dyn Transport> {
    Box::new(transport)
}

fn with_uri<'a>(details: &ConnectionDetails<'a>, uri: &'a Uri) -> ConnectionDetails<'a> {
    ConnectionDetails {
        uri,
        addrs: details.addrs.clone(),
        config: details.config,
        request_level: details.request_level,
        resolver: details.resolver,
        now: details.now,
        timeout: details.timeout,
        current_time: details.current_time.clone(),
        run_connector: details.run_connector.clone(),
        register_shutdown: details.register_shutdown.clone(),
    }
}

/// Asks the proxy at the other end for a connection to the host.
fn tunnel(
    proxy: &Proxy,
    transport: Box<dyn Transport>,
    details: &ConnectionDetails<'_>,
) -> Result<Box<dyn Transport>, ureq::Error> {
    let host = details.uri.host().unwrap_or_default();
    let port = details.uri.port_u16().unwrap_or(if details.needs_tls() { 443 } else { 80 });
    let mut connection = TransportAdapter::new(transport, details.current_time.clone());
    connection.set_timeout(details.timeout);
    match shake_hands(&mut connection, proxy, host, port) {
        Ok(Ok(())) => Ok(Box::new(Tunnel(connection.into_inner()))),
        Ok(Err(refusal)) => Err(ProxyError::refused(proxy, host, refusal)),
        Err(error) => Err(ProxyError::broken(proxy, host, error.into())),
    }
}

/// Speaks with a proxy until the connection belongs to the host.
///
/// # Errors
/// The connection broke; inside, the proxy refused.
pub fn shake_hands(
    connection: &mut (impl Read + Write),
    proxy: &Proxy,
    host: &str,
    port: u16,
) -> io::Result<Result<(), Refusal>> {
    let (mut handshake, first) = Handshake::new(proxy, host, port);
    connection.write_all(&first)?;
    connection.flush()?;
    let mut byte = [0];
    loop {
        connection.read_exact(&mut byte)?;
        match handshake.on_byte(byte[0]) {
            Ok(Step::More) => {}
            Ok(Step::Send(bytes)) => {
                connection.write_all(&bytes)?;
                connection.flush()?;
            }
            Ok(Step::Done) => return Ok(Ok(())),
            Err(refusal) => return Ok(Err(refusal)),
        }
    }
}

/// A connection through a proxy. Over TLS or not, the host's own TLS is still to come.
#[derive(Debug)]
struct Tunnel(Box<dyn Transport>);

impl Transport for Tunnel {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        false
    }
}

/// A connection to a proxy that takes absolute URLs.
#[derive(Debug)]
struct Forwarded {
    inner: Box<dyn Transport>,
    mark: Arc<str>,
}

impl Transport for Forwarded {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let amount = without_mark(&mut self.inner.buffers().output()[..amount], self.mark.as_bytes());
        self.inner.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.inner.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}

/// Takes the mark out of a request's first line, `GET /MARK/http://host/ HTTP/1.1`; returns how many bytes are left. A body has no
/// mark, which is random.
fn without_mark(output: &mut [u8], mark: &[u8]) -> usize {
    let method = output.iter().take(MAX_METHOD_BYTES).position(|byte| *byte == b' ').map_or(0, |blank| blank + 1);
    if !output[method..].starts_with(mark) {
        return output.len();
    }
    output.copy_within(method + mark.len().., method);
    output.len() - mark.len()
}

/// Writes absolute URLs and the login for proxies that take `http://` requests, and notes their refusals.
struct AbsoluteUrls {
    network: Network,
    mark: Arc<str>,
}

impl Middleware for AbsoluteUrls {
    fn handle(
        &self,
        mut request: Request<SendBody<'_>>,
        next: MiddlewareNext<'_>,
    ) -> Result<Response<Body>, ureq::Error> {
        let proxy = self.network.route(request.uri())?;
        let Some(proxy) = proxy.filter(|proxy| proxy.forwards(request.uri())) else {
            return next.handle(request);
        };
        let host = request.uri().host().unwrap_or_default().to_owned();
        *request.uri_mut() = marked(request.uri(), &self.mark)?;
        // Proxies add headers to a 100 Continue, and ureq takes it for an error then.
        request.headers_mut().remove(EXPECT);
        if let Some(login) = proxy.authorization() {
            let mut value = HeaderValue::from_str(login).map_err(|error| ureq::Error::Http(error.into()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(PROXY_AUTHORIZATION, value);
        }
        let answer = next.handle(request);
        let refusal = match &answer {
            Ok(answer) => refused_by_proxy(answer, proxy),
            Err(ureq::Error::StatusCode(407)) if proxy.authorization().is_some() => Some(Refusal::Login),
            Err(ureq::Error::StatusCode(407)) => Some(Refusal::NoLogin),
            Err(_) => None,
        };
        match refusal {
            Some(refusal) => Err(ProxyError::refused(proxy, &host, refusal)),
            None => answer,
        }
    }
}

/// A URL with all of itself in its path, behind the mark.
fn marked(uri: &Uri, mark: &str) -> Result<Uri, ureq::Error> {
    let bad = || ureq::Error::BadUri("it cannot be written for a proxy".into());
    let authority = uri.authority().ok_or_else(bad)?;
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let slash = if path.starts_with('/') { "" } else { "/" };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{mark}http://{authority}{slash}{path}").parse().map_err(|_| bad())?);
    Uri::from_parts(parts).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_for_a_proxy_has_the_absolute_url() {
        for (url, target) in [
            ("http://host:9000/a%20b/c?x=1&y", "http://host:9000/a%20b/c?x=1&y"),
            ("http://host", "http://host/"),
            ("http://host?list-type=2", "http://host/?list-type=2"),
            ("http://[::1]:80/", "http://[::1]:80/"),
        ] {
            let uri = marked(&url.parse().unwrap(), "/0123/").unwrap();
            assert_eq!(uri.authority(), url.parse::<Uri>().unwrap().authority());
            let mut head =
                format!("DELETE {} HTTP/1.1\r\nHost: host\r\n\r\n", uri.path_and_query().unwrap()).into_bytes();
            let length = without_mark(&mut head, b"/0123/");
            assert_eq!(head[..length], *format!("DELETE {target} HTTP/1.1\r\nHost: host\r\n\r\n").as_bytes());
        }
        for body in [&b""[..], b"GET /0124/x", b"GET x /0123/", b"nothing"] {
            assert_eq!(without_mark(&mut body.to_vec(), b"/0123/"), body.len());
        }
    }
}
