//! `no_proxy`: the hosts that are reached without a proxy. Pure.
//!
//! Items are separated by commas or blanks. `*` is every host; a name is that host and all names that end with it as labels, with or
//! without a dot or `*.` before it; an address is itself; `10.0.0.0/8` is a network. `:port` limits an item to that port.

use std::net::IpAddr;

use ipnet::IpNet;

/// The value of `no_proxy`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct NoProxy(Vec<Item>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    /// In lower case, without dots around it.
    Domain(String),
    Network(IpNet),
}

impl NoProxy {
    pub(super) fn parse(text: &str) -> Self {
        let items = text.split([',', ' ', '\t', '\n']).map(str::trim).filter(|item| !item.is_empty());
        Self(items.filter_map(Item::parse).collect())
    }

    /// Whether a host is one of these. `host` is a name, or an address without brackets.
    pub(super) fn has(&self, host: &str, port: u16) -> bool {
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        let address = host.parse::<IpAddr>().ok().map(|address| address.to_canonical());
        self.0.iter().any(|item| item.port.is_none_or(|own| own == port) && item.hosts.has(&host, address))
    }
}

impl Item {
    fn parse(text: &str) -> Option<Self> {
        if let Some(hosts) = Hosts::of_address(text) {
            return Some(Self { hosts, port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (text, None),
        };
        let hosts = match host {
            "*" => Hosts::All,
            host => Hosts::of_address(host).or_else(|| {
                let name = host.strip_prefix('*').filter(|rest| rest.starts_with('.')).unwrap_or(host);
                let name = name.trim_matches('.').to_ascii_lowercase();
                (!name.is_empty()).then_some(Hosts::Domain(name))
            })?,
        };
        Some(Self { hosts, port })
    }
}

impl Hosts {
    /// An address or a network, perhaps in brackets.
    fn of_address(text: &str) -> Option<Self> {
        let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        let network = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address.to_canonical()),
            Err(_) => text.parse().ok()?,
        };
        Some(Self::Network(network))
    }

    fn has(&self, host: &str, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::All, _) => true,
            (Self::Network(network), Some(address)) => network.contains(&address),
            (Self::Domain(domain), None) => {
                host.strip_suffix(domain.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('.'))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_proxy_has_names_suffixes_ports_addresses_and_networks() {
        for (no_proxy, host, port, expected) in [
            ("*", "host", 80, true),
            ("a,*", "host", 80, true),
            ("host", "HOST.", 80, true),
            ("Example.COM", "a.b.example.com", 80, true),
            (".example.com", "example.com", 80, true),
            ("*.example.com", "s3.example.com", 80, true),
            ("example.com", "notexample.com", 80, false),
            ("example.com:8080", "example.com", 8080, true),
            ("example.com:8080", "example.com", 80, false),
            ("a b\tc", "b", 80, true),
            ("192.168.1.99", "192.168.1.99", 80, true),
            ("192.168.1.99:8080", "192.168.1.99", 80, false),
            ("1.99", "192.168.1.99", 80, false),
            ("192.168.0.0/16", "192.168.7.7", 443, true),
            ("192.168.0.0/16", "192.169.7.7", 443, false),
            ("192.168.1.7/16", "192.168.7.7", 443, true),
            ("192.168.0.0/16:443", "192.168.7.7", 443, true),
            ("0.0.0.0/0", "name", 80, false),
            ("::1", "::1", 80, true),
            ("[::1]", "::1", 80, true),
            ("[::1]:81", "::1", 80, false),
            ("fd00::/8", "fd12::7", 80, true),
            ("fd00::/8", "192.168.7.7", 80, false),
            ("192.168.1.0/24", "::ffff:192.168.1.7", 80, true),
            ("", "host", 80, false),
            (",., .,host:port", "host", 80, false),
            ("192.168.0.0/33", "192.168.0.1", 80, false),
        ] {
            assert_eq!(NoProxy::parse(no_proxy).has(host, port), expected, "{no_proxy:?} {host} {port}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_no_proxy_is_read(text in "[*.:/,\\[\\] a-c0-9]{0,30}", host in "[*.:a-c0-9]{0,12}") {
            let _ = NoProxy::parse(&text).has(&host, 80);
        }
    }
}
