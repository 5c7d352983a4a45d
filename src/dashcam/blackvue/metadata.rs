//! Sidecars of the new API, which come as base64 in JSON.

use std::io::{Cursor, Read};

use serde_json::Value;
use ureq::http::Method;

use super::{BlackVue, LISTING_TIMEOUTS, lost};
use crate::dashcam::name::{FileName, Format};
use crate::dashcam::source::{Opened, Refusal};
use crate::dashcam::wire::{content_length, decode_base64};
use crate::min_rate::MinRateReader;
use crate::units::ByteSize;

/// A thumbnail or a minute of GPS is far below this. As JSON of nothing but brackets it takes ten times the memory.
const MAX_METADATA_BYTES: u64 = 4 << 20;

impl BlackVue {
    /// A thumbnail or the GPS of a recording.
    pub(super) fn metadata(&self, file: FileName, video: FileName) -> Result<Opened, Refusal> {
        let kind = if file.format() == Format::Thumbnail { "thumbnail" } else { "gps" };
        let question = serde_json::json!({"file": video.to_string(), "types": [kind]}).to_string();
        let request = self
            .request(Method::POST, &self.url("/vodMetadata"))
            .header("Content-Type", "application/json")
            .body(question)
            .map_err(|error| Refusal::Refused(error.to_string()))?;
        let limit = Some(self.http.timeout.saturating_mul(LISTING_TIMEOUTS));
        let request = self.agent.configure_request(request).timeout_global(limit).build();
        let response = self.agent.run(request).map_err(lost)?;
        // An endpoint that is not there has no metadata to give.
        match response.status().as_u16() {
            200 => {}
            204 | 404 | 405 | 410 | 415 | 501 => return Err(Refusal::Absent),
            _ => return Err(self.refusal(&response)),
        }
        let announced = content_length(response.headers());
        let mut answer = Vec::new();
        MinRateReader::new(response.into_body().into_reader(), self.http.timeout)
            .take(MAX_METADATA_BYTES + 1)
            .read_to_end(&mut answer)
            .map_err(|error| Refusal::Lost(error.to_string()))?;
        if answer.len() as u64 > MAX_METADATA_BYTES {
            return Err(Refusal::Refused(format!(
                "its metadata has no end: {} and more",
                ByteSize(MAX_METADATA_BYTES)
            )));
        }
        if announced.is_some_and(|length| length != answer.len() as u64) {
            return Err(Refusal::Lost(format!("ended after {} bytes", answer.len())));
        }
        let answer: Value = serde_json::from_slice(&answer)
            .map_err(|error| Refusal::Refused(format!("its metadata is no JSON: {error}")))?;
        let payload = answer.get("metadata").and_then(|metadata| metadata.get(kind)).or_else(|| answer.get(kind));
        let Some(payload) = payload.and_then(Value::as_str).filter(|payload| !payload.is_empty()) else {
            return Err(Refusal::Absent);
        };
        let bytes = decode_base64(payload).ok_or_else(|| Refusal::Refused("its metadata is no base64".into()))?;
        let total = Some(bytes.len() as u64);
        Ok(Opened { start: 0, total, validator: None, is_framed: true, body: Box::new(Cursor::new(bytes)) })
    }
}
