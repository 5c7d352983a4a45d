//! Whether the object in the bucket is the file: one rule for the pass that sent it and for all later ones.
//!
//! By its ETag, whichever client uploaded it and in whatever parts: the MD5 of the whole, also where it went up in parts
//! (rclone serve s3, s3rver), or the MD5 of the MD5s of the parts (S3). Where the ETags of parts are no MD5s (Cloudflare R2,
//! SSE-KMS), the object's may be made of them or of the MD5s. The ETag that `CompleteMultipartUpload` answers is not
//! compared: HEAD may have another.

use std::fs::File;

use super::{Failure, Transfer, of_hash};
use crate::upload::hash::{Digests, etag_in_parts};
use crate::upload::parts::{Cut, Range};
use crate::upload::s3::Object;

/// The default part sizes of other tools: objects that they uploaded can be compared too.
const OTHERS_PART_BYTES: [u64; 6] = [8 << 20, 5 << 20, 50 << 20, 15 << 20, 64 << 20, 100 << 20];

/// What a pass knows of a file and of its object, beside the object itself.
#[derive(Debug, Clone, Copy, Default)]
pub(in crate::upload) struct Evidence<'a> {
    /// The hashes of the whole file, where they were computed.
    pub(in crate::upload) digests: Option<&'a Digests>,
    /// The ETag that S3 makes of the ETags of the parts, all of which the server has accepted as they are in the file.
    pub(in crate::upload) etag_of_parts: Option<&'a str>,
    /// The server has just accepted the object: an ETag that cannot be compared says no more.
    pub(in crate::upload) is_accepted: bool,
}

impl Transfer<'_> {
    /// Whether an object is the file.
    pub(in crate::upload) fn is_same(
        self,
        size: u64,
        file: &File,
        object: &Object,
        evidence: Evidence<'_>,
    ) -> Result<bool, Failure> {
        if object.size != size {
            return Ok(false);
        }
        if evidence.etag_of_parts.is_some_and(|etag| etag == object.etag) {
            return Ok(true);
        }
        let whole = Range { start: 0, len: object.size };
        if object.is_opaque {
            if evidence.is_accepted {
                return Ok(true);
            }
            let Some(stored) = object.sha256.as_deref() else { return Ok(false) };
            let sha256 = match evidence.digests {
                Some(digests) => digests.sha256.clone(),
                None => self.hash(file, whole)?.sha256,
            };
            return Ok(stored == sha256);
        }
        let Some((_, parts)) = object.etag.split_once('-') else {
            let md5 = match evidence.digests {
                Some(digests) => digests.md5_hex(),
                None => self.hash(file, whole)?.md5_hex(),
            };
            return Ok(object.etag.eq_ignore_ascii_case(&md5));
        };
        let Ok(parts) = parts.parse::<u32>() else { return Ok(false) };
        let ours = Cut::of(object.size).filter(|cut| cut.count() == parts);
        let others = OTHERS_PART_BYTES.iter().filter_map(|bytes| Cut::with_part_bytes(object.size, *bytes, parts));
        let single = Cut::with_part_bytes(object.size, object.size, parts);
        for cut in ours.into_iter().chain(others).chain(single) {
            let etag = etag_in_parts(file, cut, self.flow.stop).map_err(of_hash)?;
            if object.etag.eq_ignore_ascii_case(&etag) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
