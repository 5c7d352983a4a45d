//! A TCP server that sends any answer that a test sets, and records the requests.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// A server; it is gone when it is dropped.
pub(crate) struct RawServer {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    stopped: Arc<AtomicBool>,
}

impl RawServer {
    /// Answers each request with what this makes of its head, and closes unless that is an RTSP answer.
    pub(crate) fn start(answer: impl Fn(&str) -> Vec<u8> + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("our own socket");
        let (requests, stopped) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let (log, over) = (Arc::clone(&requests), Arc::clone(&stopped));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, log) = (answer.clone(), Arc::clone(&log));
                thread::spawn(move || serve(client, &answer, &log));
            }
        });
        Self { address, requests, stopped }
    }

    /// `127.0.0.1:PORT`
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The heads of all requests so far.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address); // wakes the accepting thread
    }
}

fn serve(mut client: TcpStream, answer: &impl Fn(&str) -> Vec<u8>, log: &Mutex<Vec<String>>) {
    let _ = client.set_read_timeout(Some(Duration::from_secs(10)));
    loop {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") && head.len() < 64 << 10 {
            match client.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.lines().map(str::to_ascii_lowercase);
        let length = lines.find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
        let _ = client.read_exact(&mut vec![0; length.unwrap_or(0)]);
        let bytes = answer(&head);
        log.lock().unwrap_or_else(PoisonError::into_inner).push(head);
        if client.write_all(&bytes).is_err() || !bytes.starts_with(b"RTSP/") {
            return;
        }
    }
}
