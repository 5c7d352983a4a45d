//! Real proxies between the program and its hosts: tinyproxy, which takes HTTP, and microsocks, which takes SOCKS5.

use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::{Program, Running, Scratch};

/// A proxy listens in a moment, unless the machine is busy.
const START: Duration = Duration::from_secs(30);
/// A free port may be taken by another test before the proxy has it.
const TRIES: usize = 5;

/// A proxy; it stops when it is dropped.
pub(crate) struct ProxyServer {
    port: u16,
    running: Running,
    log: Option<std::path::PathBuf>,
}

impl ProxyServer {
    /// tinyproxy, which takes CONNECT for these ports only, and with `login`, `user password`, for those who have it.
    pub(crate) fn tinyproxy(scratch: &Scratch, connect_ports: &[u16], login: Option<&str>) -> Self {
        Self::start(|port| {
            let log = scratch.join(format!("tinyproxy-{port}.log"));
            let config = scratch.write(
                format!("tinyproxy-{port}.conf"),
                format!(
                    "Port {port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nAllow 127.0.0.1\nLogFile \"{}\"\nLogLevel Connect\n{}{}",
                    log.display(),
                    connect_ports.iter().fold(String::new(), |lines, port| lines + &format!("ConnectPort {port}\n")),
                    login.map(|login| format!("BasicAuth {login}\n")).unwrap_or_default()
                ),
            );
            (Program::new("tinyproxy").arg("-d").arg("-c").arg(config), Some(log))
        })
    }

    /// microsocks, with `login`, `user password`, for those who have it.
    pub(crate) fn microsocks(login: Option<&str>) -> Self {
        Self::start(|port| {
            let program = Program::new("microsocks").args(["-i", "127.0.0.1", "-p", &port.to_string()]);
            let login = login.and_then(|login| login.split_once(' '));
            (login.into_iter().fold(program, |program, (user, pass)| program.args(["-u", user, "-P", pass])), None)
        })
    }

    fn start(command: impl Fn(u16) -> (Program, Option<std::path::PathBuf>)) -> Self {
        for _ in 0..TRIES {
            let port = free_port();
            let (program, log) = command(port);
            let running = program.spawn();
            let since = Instant::now();
            while since.elapsed() < START && !running.ends_within(Duration::from_millis(20)) {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return Self { port, running, log };
                }
            }
        }
        panic!("the proxy does not start: run tests/setup");
    }

    /// `SCHEME://[LOGIN@]127.0.0.1:PORT`
    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}127.0.0.1:{}", self.port)
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        match &self.log {
            Some(path) => std::fs::read_to_string(path).unwrap_or_default(),
            None => self.running.stderr(),
        }
    }
}

/// A port of 127.0.0.1 on which nothing listens.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
