//! Whether the object in the bucket is the file: by its ETag, whichever client uploaded it and in whatever parts.

use std::fs::File;

use super::{Failure, Transfer, of_hash};
use crate::upload::hash::{Digests, etag_in_parts};
use crate::upload::parts::{Cut, Range};
use crate::upload::s3::Object;

/// The default part sizes of other tools: objects that they uploaded can be compared too.
const OTHERS_PART_BYTES: [u64; 6] = [8 << 20, 5 << 20, 50 << 20, 15 << 20, 64 << 20, 100 << 20];

impl Transfer<'_> {
    /// Whether an object is the file. `hashed` are the hashes of the whole file, if they are known, and whether the server has
    /// just accepted it with them.
    pub(in crate::upload) fn is_same(
        self,
        size: u64,
        file: &File,
        object: &Object,
        hashed: Option<(&Digests, bool)>,
    ) -> Result<bool, Failure> {
        if object.size != size {
            return Ok(false);
        }
        let whole = Range { start: 0, len: object.size };
        if object.is_opaque {
            let sha256 = match hashed {
                Some((_, true)) => return Ok(true),
                Some((digests, false)) => digests.sha256.clone(),
                None if object.sha256.is_none() => return Ok(false),
                None => self.hash(file, whole)?.sha256,
            };
            return Ok(object.sha256.as_deref() == Some(sha256.as_str()));
        }
        let Some((_, parts)) = object.etag.split_once('-') else {
            let md5 = match hashed {
                Some((digests, _)) => digests.md5_hex(),
                None => self.hash(file, whole)?.md5_hex(),
            };
            return Ok(object.etag == md5);
        };
        let Ok(parts) = parts.parse::<u32>() else { return Ok(false) };
        let ours = Cut::of(object.size).filter(|cut| cut.count() == parts);
        let others = OTHERS_PART_BYTES.iter().filter_map(|bytes| Cut::with_part_bytes(object.size, *bytes, parts));
        let single = Cut::with_part_bytes(object.size, object.size, parts);
        for cut in ours.into_iter().chain(others).chain(single) {
            let etag = etag_in_parts(file, cut, self.flow.stop).map_err(of_hash)?;
            if etag == object.etag {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
