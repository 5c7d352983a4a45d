//! How requests reach their hosts, through the built binary: real proxies, and TLS with an authority of our own.

mod certificates;
mod no_proxy;
mod proxies;
