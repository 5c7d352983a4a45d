//! Answers to a request whose body the server does not read to its end: it has refused it, as with 413, and closes. The rest
//! of the body then meets a reset connection, and ureq reports that; the status says why.

use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};

use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, NextTimeout, Transport};

/// A longer answer is cut: its beginning says why.
const MAX_BYTES: usize = 16 << 10;

/// A final answer that came before the request was sent to its end, inside of [`ureq::Error::Other`].
#[derive(Debug, thiserror::Error)]
#[error("the server answered before it had read the request, and closed the connection")]
pub struct EarlyAnswer(
    /// Head and body as they came, perhaps incomplete.
    pub Vec<u8>,
);

/// Looks for an [`EarlyAnswer`] where a connection breaks. To be chained behind all other connectors.
#[derive(Debug, Default)]
pub struct EarlyAnswers(());

impl<In: Transport> Connector<In> for EarlyAnswers {
    type Out = Watched<In>;

    fn connect(&self, _: &ConnectionDetails<'_>, connected: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        Ok(connected.map(Watched))
    }
}

/// A connection that is looked at when a write fails.
#[derive(Debug)]
pub struct Watched<In>(In);

impl<In: Transport> Transport for Watched<In> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let Err(error) = self.0.transmit_output(amount, timeout) else { return Ok(()) };
        let is_reset = matches!(&error, ureq::Error::Io(error)
            if matches!(error.kind(), BrokenPipe | ConnectionReset | ConnectionAborted));
        if !is_reset {
            return Err(error);
        }
        // What has arrived can be read after a reset.
        while self.0.buffers().input().len() < MAX_BYTES && matches!(self.0.await_input(timeout), Ok(true)) {}
        let input = self.0.buffers().input();
        let is_final = input.starts_with(b"HTTP/1.") && !input.starts_with(b"HTTP/1.1 100");
        Err(if is_final { ureq::Error::Other(Box::new(EarlyAnswer(input.to_vec()))) } else { error })
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.0.await_input(timeout)
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
