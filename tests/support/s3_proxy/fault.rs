//! How a store, or the way to it, may misbehave.

use super::Request;

/// One way to misbehave.
#[derive(Clone, Debug)]
pub enum Fault {
    /// Answers in the server's stead.
    Answer(Answer),
    /// Resets the connection when this much of the request's body has come.
    ResetRequest {
        /// Body bytes that are passed on before.
        after: u64,
    },
    /// Reads this much of the request's body, then nothing more, and keeps the connection open.
    StopReading {
        /// Body bytes that are passed on before.
        after: u64,
    },
    /// The server executes the request, and the connection is reset instead of its reply.
    LoseReply,
    /// Sends this much of the reply's body, of the length that was announced, and closes.
    CutReply {
        /// Body bytes that are sent.
        after: usize,
    },
    /// Never replies.
    NoReply,
    /// Sends the reply's body a byte now and then; where it has none, its head.
    Drip,
    /// Turns over one bit of the request's body on its way.
    FlipByte {
        /// Which byte.
        at: u64,
    },
    /// Replaces a header of the reply, or takes it away.
    Header {
        /// Its name, in lower case.
        name: &'static str,
        /// Its value, if it is to have one.
        value: Option<String>,
    },
    /// Lists one new key a page, and that there are more.
    EndlessListing,
    /// Encrypts, as it says, with a key of its own: its ETags are no MD5s.
    Encrypt,
}

/// An answer that is not the server's.
#[derive(Clone, Debug)]
pub struct Answer {
    /// When it comes.
    pub when: When,
    /// The status code.
    pub status: u16,
    /// Headers beside the length.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

/// When an answer comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Before the body is read; what comes of it is read all the same, as a polite server does.
    Early,
    /// Before the body is read, and the connection is reset.
    Rude,
    /// As [`Rude`](Self::Rude), and after `100 Continue`.
    Continued,
    /// After all of the request has come; the server has seen nothing of it.
    Refused,
    /// After the server has executed the request.
    Done,
}

impl Fault {
    /// An error as S3 tells it, after the request has been read.
    pub fn error(status: u16, code: &str) -> Self {
        Self::Answer(Answer::error(status, code))
    }
}

impl From<Answer> for Fault {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl Answer {
    /// A page of a listing without end.
    pub fn page(number: usize) -> Self {
        let body = format!(
            "<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>{number:08}</NextContinuationToken>\
             <Contents><Key>cams/{number:08}.ts</Key><Size>1</Size></Contents></ListBucketResult>"
        );
        Self { body, ..Self::error(200, "") }
    }

    /// An error as S3 tells it. It may be tried again at once, so tests do not wait.
    pub fn error(status: u16, code: &str) -> Self {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>as the test wants it</Message>\
             <RequestId>0A49CE4060975EAC</RequestId></Error>"
        );
        let headers = Vec::new();
        Self { when: When::Refused, status, headers, body }
            .with("Content-Type", "application/xml")
            .with("Retry-After", "0")
    }

    /// With a header, in the place of another one of this name.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.retain(|(known, _)| known != name);
        self.headers.push((name.into(), value.into()));
        self
    }

    /// At another time.
    pub fn at(mut self, when: When) -> Self {
        self.when = when;
        self
    }
}

/// What B2 says to a header that it does not know, if there is one.
pub(super) fn refused_by_b2(request: &Request) -> Option<Answer> {
    let value = |name| request.header(name).unwrap_or_default();
    let has = |is: fn(&str) -> bool| request.headers.iter().any(|(name, _)| is(&name.to_ascii_lowercase()));
    let checksum = |name: &str| {
        name.starts_with("x-amz-checksum-") || name == "x-amz-sdk-checksum-algorithm" || name == "x-amz-trailer"
    };
    if has(checksum) {
        return Some(Answer::error(400, "InvalidArgument").with("x-test-refused", "checksum"));
    }
    if value("x-amz-content-sha256").starts_with("STREAMING-")
        || value("content-encoding").contains("aws-chunked")
        || !value("transfer-encoding").is_empty()
    {
        return Some(Answer::error(501, "NotImplemented").with("x-test-refused", "chunks"));
    }
    let conditional = request.method != "GET" && request.method != "HEAD";
    if conditional && has(|name| name == "if-none-match" || name == "if-match") {
        return Some(Answer::error(501, "NotImplemented").with("x-test-refused", "condition"));
    }
    None
}

/// What AWS says to a request that was signed for another region than the bucket's.
pub(super) fn elsewhere(region: &str) -> Answer {
    Answer::error(301, "PermanentRedirect").with("x-amz-bucket-region", region).at(When::Early)
}
