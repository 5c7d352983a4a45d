//! `/etc/hosts`: see hosts(5). Pure.

use std::net::IpAddr;

/// The addresses of all lines that have `name`, in their order. Invalid addresses are skipped.
pub(super) fn addresses(text: &str, name: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>) else { continue };
        let is_named = words.any(|word| word.strip_suffix('.').unwrap_or(word).eq_ignore_ascii_case(name));
        if is_named && !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTS: &str = "# static table\n\
        127.0.0.1\tlocalhost localhost.localdomain # loopback\n\
        ::1 localhost ip6-localhost\n\
        127.0.1.1 nas.lan NAS\n\
        192.0.2.300 broken\n\
        fe80::1%eth0 zone\n\
        192.0.2.9\n\
        192.0.2.7 camera # nas\n\
        2001:db8::7 camera camera.\n\
        192.0.2.7 camera";

    #[test]
    fn hosts_gives_every_line_of_a_name() {
        for (name, expected) in [
            ("localhost", &["127.0.0.1", "::1"][..]),
            ("localhost.localdomain", &["127.0.0.1"]),
            ("nas", &["127.0.1.1"]),
            ("NAS.lan", &["127.0.1.1"]),
            ("camera", &["192.0.2.7", "2001:db8::7"]),
            ("broken", &[]),
            ("zone", &[]),
            ("loopback", &[]),
            ("cam", &[]),
            ("", &[]),
        ] {
            let expected: Vec<IpAddr> = expected.iter().map(|address| address.parse().unwrap()).collect();
            assert_eq!(addresses(HOSTS, name), expected, "{name}");
        }
        assert!(addresses("", "localhost").is_empty());
    }
}
