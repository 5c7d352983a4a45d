//! EBML, the form of Matroska: elements that are an ID, a length and a content (RFC 8794). Pure.

/// IDs of elements, with their length marker (RFC 8794, 11.2; RFC 9559, 5).
pub(crate) mod id {
    pub(crate) const EBML: u32 = 0x1A45_DFA3;
    pub(crate) const EBML_VERSION: u32 = 0x4286;
    pub(crate) const EBML_READ_VERSION: u32 = 0x42F7;
    pub(crate) const EBML_MAX_ID_LENGTH: u32 = 0x42F2;
    pub(crate) const EBML_MAX_SIZE_LENGTH: u32 = 0x42F3;
    pub(crate) const DOC_TYPE: u32 = 0x4282;
    pub(crate) const DOC_TYPE_VERSION: u32 = 0x4287;
    pub(crate) const DOC_TYPE_READ_VERSION: u32 = 0x4285;
    pub(crate) const VOID: u32 = 0xEC;

    pub(crate) const SEGMENT: u32 = 0x1853_8067;
    pub(crate) const SEEK_HEAD: u32 = 0x114D_9B74;
    pub(crate) const SEEK: u32 = 0x4DBB;
    pub(crate) const SEEK_ID: u32 = 0x53AB;
    pub(crate) const SEEK_POSITION: u32 = 0x53AC;

    pub(crate) const INFO: u32 = 0x1549_A966;
    pub(crate) const TIMESTAMP_SCALE: u32 = 0x2A_D7B1;
    pub(crate) const DURATION: u32 = 0x4489;
    pub(crate) const DATE_UTC: u32 = 0x4461;
    pub(crate) const MUXING_APP: u32 = 0x4D80;
    pub(crate) const WRITING_APP: u32 = 0x5741;

    pub(crate) const TRACKS: u32 = 0x1654_AE6B;
    pub(crate) const TRACK_ENTRY: u32 = 0xAE;
    pub(crate) const TRACK_NUMBER: u32 = 0xD7;
    pub(crate) const TRACK_UID: u32 = 0x73C5;
    pub(crate) const TRACK_TYPE: u32 = 0x83;
    pub(crate) const FLAG_LACING: u32 = 0x9C;
    pub(crate) const DEFAULT_DURATION: u32 = 0x23_E383;
    pub(crate) const LANGUAGE: u32 = 0x22_B59C;
    pub(crate) const CODEC_ID: u32 = 0x86;
    pub(crate) const CODEC_PRIVATE: u32 = 0x63A2;
    pub(crate) const CODEC_DELAY: u32 = 0x56AA;
    pub(crate) const SEEK_PRE_ROLL: u32 = 0x56BB;
    pub(crate) const CONTENT_ENCODINGS: u32 = 0x6D80;
    pub(crate) const VIDEO: u32 = 0xE0;
    pub(crate) const PIXEL_WIDTH: u32 = 0xB0;
    pub(crate) const PIXEL_HEIGHT: u32 = 0xBA;
    pub(crate) const AUDIO: u32 = 0xE1;
    pub(crate) const SAMPLING_FREQUENCY: u32 = 0xB5;
    pub(crate) const OUTPUT_SAMPLING_FREQUENCY: u32 = 0x78B5;
    pub(crate) const CHANNELS: u32 = 0x9F;
    pub(crate) const BIT_DEPTH: u32 = 0x6264;

    pub(crate) const CLUSTER: u32 = 0x1F43_B675;
    pub(crate) const TIMESTAMP: u32 = 0xE7;
    pub(crate) const SIMPLE_BLOCK: u32 = 0xA3;
    pub(crate) const BLOCK_GROUP: u32 = 0xA0;
    pub(crate) const BLOCK: u32 = 0xA1;
    pub(crate) const BLOCK_DURATION: u32 = 0x9B;
    pub(crate) const REFERENCE_BLOCK: u32 = 0xFB;

    pub(crate) const CUES: u32 = 0x1C53_BB6B;
    pub(crate) const CUE_POINT: u32 = 0xBB;
    pub(crate) const CUE_TIME: u32 = 0xB3;
    pub(crate) const CUE_TRACK_POSITIONS: u32 = 0xB7;
    pub(crate) const CUE_TRACK: u32 = 0xF7;
    pub(crate) const CUE_CLUSTER_POSITION: u32 = 0xF1;
}

/// A length in eight bytes that means "until its end".
pub(crate) const UNKNOWN_LENGTH: [u8; 8] = [0x01, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF];

/// Appends an ID.
pub(crate) fn put_id(out: &mut Vec<u8>, id: u32) {
    let bytes = id.to_be_bytes();
    out.extend_from_slice(&bytes[id.leading_zeros() as usize / 8..]);
}

/// How many bytes a number takes: seven bits each, all of them ones being reserved.
pub(crate) fn number_len(number: u64) -> usize {
    (1..8).find(|len| number < (1 << (7 * len)) - 1).unwrap_or(8)
}

/// Appends a length, or another number of that form; below 2^56 − 1.
pub(crate) fn put_number(out: &mut Vec<u8>, number: u64) {
    let len = number_len(number);
    let bytes = (number | 1 << (7 * len)).to_be_bytes();
    out.extend_from_slice(&bytes[8 - len..]);
}

/// A length in eight bytes, for a place that [`UNKNOWN_LENGTH`] holds.
pub(crate) fn long_number(number: u64) -> [u8; 8] {
    (number | 1 << 56).to_be_bytes()
}

/// Appends an element of bytes.
pub(crate) fn put_binary(out: &mut Vec<u8>, id: u32, content: &[u8]) {
    put_id(out, id);
    put_number(out, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends an element of text.
pub(crate) fn put_text(out: &mut Vec<u8>, id: u32, text: &str) {
    put_binary(out, id, text.as_bytes());
}

/// Appends an unsigned integer in as few bytes as it takes.
pub(crate) fn put_uint(out: &mut Vec<u8>, id: u32, value: u64) {
    let zeros = (value | 1).leading_zeros() as usize / 8;
    put_binary(out, id, &value.to_be_bytes()[zeros..]);
}

/// Appends a float of eight bytes.
pub(crate) fn put_float(out: &mut Vec<u8>, id: u32, value: f64) {
    put_binary(out, id, &value.to_be_bytes());
}

/// Appends an element that holds what `fill` appends.
pub(crate) fn put_master(out: &mut Vec<u8>, id: u32, fill: impl FnOnce(&mut Vec<u8>)) {
    let mut content = Vec::new();
    fill(&mut content);
    put_binary(out, id, &content);
}

/// Appends an element that means nothing, `total_bytes` long with its ID and length: 2 to 128.
pub(crate) fn put_void(out: &mut Vec<u8>, total_bytes: usize) {
    put_binary(out, id::VOID, &[0; 126][..total_bytes - 2]);
}

/// What is no EBML: which rule it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid(pub(crate) &'static str);

/// Reads a number and how many bytes it took. The number is `None` where all its bits are ones: an unknown length.
///
/// `Ok(None)`: the number goes on behind `bytes`.
pub(crate) fn read_number(bytes: &[u8]) -> Result<Option<(Option<u64>, usize)>, Invalid> {
    let Some(&first) = bytes.first() else { return Ok(None) };
    let len = first.leading_zeros() as usize + 1;
    if len > 8 {
        return Err(Invalid("a length takes more than 8 bytes"));
    }
    let Some(bytes) = bytes.get(..len) else { return Ok(None) };
    let all_ones = (1 << (7 * len)) - 1;
    let number = big_endian(bytes) & all_ones;
    Ok(Some(((number != all_ones).then_some(number), len)))
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What stands before the content of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// Which element it is: of [`id`].
    pub(crate) id: u32,
    /// Of the content; `None` where it ends with its parent or where the next of its kind begins.
    pub(crate) content_bytes: Option<u64>,
    /// Of ID and length.
    pub(crate) own_bytes: usize,
}

impl Header {
    /// Reads it. `Ok(None)`: it goes on behind `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Result<Option<Self>, Invalid> {
        let Some(&first) = bytes.first() else { return Ok(None) };
        let id_bytes = first.leading_zeros() as usize + 1;
        if id_bytes > 4 {
            return Err(Invalid("an ID takes more than 4 bytes"));
        }
        let (Some(id), Some(rest)) = (bytes.get(..id_bytes), bytes.get(id_bytes..)) else { return Ok(None) };
        let id = id.iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let Some((content_bytes, length_bytes)) = read_number(rest)? else { return Ok(None) };
        Ok(Some(Self { id, content_bytes, own_bytes: id_bytes + length_bytes }))
    }
}

/// The elements that the content of another one holds, all of it being there.
#[derive(Clone, Debug)]
pub(crate) struct Children<'a>(pub(crate) &'a [u8]);

impl<'a> Iterator for Children<'a> {
    type Item = Result<(u32, &'a [u8]), Invalid>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let child = read_child(self.0);
        // After damage, the end.
        self.0 = child.map_or(&[], |(_, _, rest)| rest);
        Some(child.map(|(id, content, _)| (id, content)))
    }
}

/// The ID and content of the first element, and the bytes behind it.
fn read_child(bytes: &[u8]) -> Result<(u32, &[u8], &[u8]), Invalid> {
    const TOO_LONG: Invalid = Invalid("an element is longer than its parent");
    let header = Header::read(bytes)?.ok_or(TOO_LONG)?;
    let content_bytes = header.content_bytes.ok_or(Invalid("an element has no length"))?;
    let rest = bytes.get(header.own_bytes..).ok_or(TOO_LONG)?;
    let content_bytes = usize::try_from(content_bytes).map_err(|_| TOO_LONG)?;
    let (content, rest) = rest.split_at_checked(content_bytes).ok_or(TOO_LONG)?;
    Ok((header.id, content, rest))
}

/// The content of an unsigned integer.
pub(crate) fn uint(content: &[u8]) -> Result<u64, Invalid> {
    if content.len() > 8 { Err(Invalid("an integer takes more than 8 bytes")) } else { Ok(big_endian(content)) }
}

/// The content of a float.
pub(crate) fn float(content: &[u8]) -> Result<f64, Invalid> {
    match (content, content.first_chunk(), content.first_chunk()) {
        ([], ..) => Ok(0.0),
        ([_, _, _, _], Some(single), _) => Ok(f32::from_be_bytes(*single).into()),
        ([_, _, _, _, _, _, _, _], _, Some(double)) => Ok(f64::from_be_bytes(*double)),
        _ => Err(Invalid("a float does not take 0, 4 or 8 bytes")),
    }
}

/// The content of a text, up to its first NUL.
pub(crate) fn text(content: &[u8]) -> String {
    let end = content.iter().position(|byte| *byte == 0).unwrap_or(content.len());
    String::from_utf8_lossy(&content[..end]).into_owned()
}

#[cfg(test)]
mod tests;
