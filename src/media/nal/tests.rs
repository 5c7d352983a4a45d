use proptest::prelude::*;

use super::*;

/// `-bf 2 -x264-params b-pyramid=none`, 640 × 360.
const H264_B: (&str, &str) = ("6764001eacd100a02ff97011000003000100000300320f162d12", "68ebe3cb22c0");
/// `-profile:v baseline`, 638 × 358.
const H264_BASELINE: (&str, &str) = ("6742c01ed900a02fea6c0440000003004000000c83c58b92", "68cb83cb20");
/// `-x264-params tff=1`, 1920 × 1080.
const H264_INTERLACED: &str = "67640028acd94078044fde0220000003002000000643e2c5b2c0";
/// `-pix_fmt yuv444p -x264-params cqm=jvt:nal-hrd=vbr:…`, 322 × 182.
const H264_444: &str = "67f4000d919b282a33c7c5e02200000300020000030064c0800124f800249f498600f1429960";
/// x265, 638 × 358: VPS, SPS, PPS.
const H265: [&str; 3] = [
    "40010c01ffff01600000030090000003000003003f959809",
    "42010101600000030090000003000003003fa005020169d565959a4932bc05a02000000300200000030321",
    "4401c172b46240",
];
/// x265, 640 × 360, 4:2:2 in 10 bits, `bframes=0`.
const H265_10_BITS: &str = "4201010408000003009d0800000300003fb00502016936592a4932bc05a02000000300200000030321";

fn unit(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn access_unit(units: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for unit in units {
        push_unit(&mut bytes, unit);
    }
    bytes
}

fn h264_sets() -> ParameterSets {
    let mut sets = ParameterSets::new(Standard::H264);
    assert!(sets.insert(&unit(H264_B.0)) && sets.insert(&unit(H264_B.1)));
    sets
}

fn h265_sets() -> ParameterSets {
    let mut sets = ParameterSets::new(Standard::H265);
    for hex in H265 {
        assert!(sets.insert(&unit(hex)));
    }
    sets
}

fn size_and_reorder(standard: Standard, hex: &str) -> (u32, u32, Option<u32>) {
    let sps = Sps::parse(standard, &unit(hex)).unwrap();
    (sps.width, sps.height, sps.max_reorder_frames)
}

#[test]
fn sps_gives_size_after_cropping_and_reorder_depth() {
    assert_eq!(size_and_reorder(Standard::H264, H264_B.0), (640, 360, Some(1)));
    assert_eq!(size_and_reorder(Standard::H264, H264_BASELINE.0), (638, 358, Some(0)));
    assert_eq!(size_and_reorder(Standard::H264, H264_INTERLACED), (1920, 1080, Some(2)));
    assert_eq!(size_and_reorder(Standard::H264, H264_444), (322, 182, Some(2)));
    assert_eq!(size_and_reorder(Standard::H265, H265[1]), (638, 358, Some(2)));
    assert_eq!(size_and_reorder(Standard::H265, H265_10_BITS), (640, 360, Some(0)));
}

#[test]
fn sps_gives_chroma_format_and_bit_depth() {
    let depth = |standard, hex| {
        let sps = Sps::parse(standard, &unit(hex)).unwrap();
        (sps.chroma_format, sps.luma_bits, sps.chroma_bits, sps.temporal_layers, sps.is_temporally_nested)
    };
    assert_eq!(depth(Standard::H264, H264_444), (3, 8, 8, 1, false));
    assert_eq!(depth(Standard::H265, H265[1]), (1, 8, 8, 1, true));
    assert_eq!(depth(Standard::H265, H265_10_BITS), (2, 10, 10, 1, true));
}

#[test]
fn sps_with_broken_vui_keeps_its_size() {
    let mut sps = unit(H264_B.0);
    sps.truncate(14);
    let sps = Sps::parse(Standard::H264, &sps).unwrap();
    assert_eq!((sps.width, sps.height, sps.max_reorder_frames), (640, 360, None));
}

#[test]
fn avcc_holds_every_parameter_set_and_reads_back() {
    let mut sets = h264_sets();
    // A second PPS, with id 1: `010`.
    assert!(sets.insert(&[0x68, 0b0101_0000, 0x80]));
    let config = sets.config().unwrap();
    assert_eq!(config[..6], [1, 0x64, 0, 0x1E, 0xFF, 0xE1]);
    assert_eq!(config[6..8], [0, 26]);
    assert_eq!(config[34..37], [2, 0, 6]);
    assert_eq!(config[config.len() - 4..], [0xFD, 0xF8, 0xF8, 0]);
    assert_eq!(ParameterSets::from_config(Standard::H264, &config), Some(sets));
    assert_eq!(length_bytes(Standard::H264, &config), Some(4));
}

#[test]
fn hvcc_is_that_of_ffmpeg_and_reads_back() {
    let sets = h265_sets();
    let config = sets.config().unwrap();
    // What `ffmpeg -c copy` writes into an MP4 of this film, but for its SEI of x265's settings.
    let head =
        unit("010160000000900000000000").into_iter().chain([0x3F, 0xF0, 0, 0xFC, 0xFD, 0xF8, 0xF8, 0, 0, 0x0F, 3]);
    assert_eq!(config[..23], head.collect::<Vec<_>>());
    assert_eq!(config[23..28], [0x80 | 32, 0, 1, 0, 24]);
    assert_eq!(ParameterSets::from_config(Standard::H265, &config), Some(sets));
    assert_eq!(length_bytes(Standard::H265, &config), Some(4));
}

#[test]
fn config_waits_for_a_set_of_each_type() {
    let mut sets = ParameterSets::new(Standard::H265);
    for hex in H265 {
        assert!(!sets.is_complete() && sets.config().is_none());
        sets.insert(&unit(hex));
    }
    assert!(sets.is_complete() && sets.config().is_some());
}

#[test]
fn take_moves_parameter_sets_out_and_notices_changes() {
    let (sps, pps, slice) = (unit(H264_B.0), unit(H264_B.1), [0x65, 0x88, 0x84]);
    let mut sets = ParameterSets::new(Standard::H264);
    let whole = access_unit(&[&[9, 0xF0], &sps, &pps, &slice]);
    for has_changed in [true, false] {
        let mut data = whole.clone();
        assert_eq!(sets.take(&mut data), has_changed);
        assert_eq!(data, access_unit(&[&[9, 0xF0], &slice]));
    }
    assert_eq!(sets, h264_sets());
    let mut changed = access_unit(&[&unit(H264_BASELINE.0), &slice]);
    assert!(sets.take(&mut changed));
    assert_eq!(sets.sps().unwrap().width, 638);
    let mut none = access_unit(&[&slice]);
    assert!(!sets.take(&mut none) && none == access_unit(&[&slice]));
}

#[test]
fn zeros_behind_a_parameter_set_change_nothing() {
    let mut sets = h264_sets();
    assert!(!sets.insert(&[unit(H264_B.1), vec![0, 0]].concat()));
}

#[test]
fn parameter_sets_take_no_more_than_64_kib() {
    let mut sets = h264_sets();
    let huge = [vec![0x68, 0x80], vec![0xAA; 65_530]].concat();
    assert!(!sets.insert(&huge));
    assert_eq!(sets, h264_sets());
}

#[test]
fn annex_b_splits_at_start_codes_of_three_and_four_bytes() {
    let stream = [0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x65, 1, 2, 0, 0, 0, 0, 1, 0x41, 0, 0, 3, 1];
    let found: Vec<_> = annex_b_units(&stream).collect();
    assert_eq!(found, [&[9, 0xF0][..], &[0x65, 1, 2], &[0x41, 0, 0, 3, 1]]);
    assert_eq!(annex_b_units(&[1, 2, 3]).count(), 0);
}

#[test]
fn units_end_at_a_length_beyond_the_data() {
    let mut data = access_unit(&[&[0x65, 1]]);
    data.extend([0, 0, 0, 9, 0x41]);
    assert_eq!(units(&data).collect::<Vec<_>>(), [&[0x65, 1]]);
    assert_eq!(units_after_lengths_of(2, &[0, 2, 0x65, 1]).collect::<Vec<_>>(), [&[0x65, 1]]);
}

#[test]
fn is_key_h264_idr_or_recovery_point_with_intra_slices_only() {
    let key = |units: &[&[u8]]| is_key(Standard::H264, &access_unit(units));
    // first_mb 0 `1`, then slice_type: 7 (I) `0001000`, 5 (P) `00110`, 2 (I) `011`.
    let (intra, predicted, intra_2) = ([0x41, 0b1000_1000], [0x41, 0b1001_1000], [0x41, 0b1011_0000]);
    let recovery = [0x06, 0x06, 0x01, 0xC4, 0x80];
    // A user data message of 300 bytes in front of it: its size is 255 + 45.
    let behind_other = [vec![0x06, 0x05, 0xFF, 45], vec![0xAB; 300], vec![0x06, 0x01, 0xC4, 0x80]].concat();
    assert!(key(&[&[9, 0xF0], &[0x65, 0x88]]));
    assert!(key(&[&recovery, &intra, &intra_2]));
    assert!(key(&[&behind_other, &intra]));
    assert!(!key(&[&recovery, &intra, &predicted]));
    assert!(!key(&[&intra]) && !key(&[&recovery]) && !key(&[&[0x06, 0x05, 0x01, 0x06], &intra]));
}

#[test]
fn is_key_h265_irap() {
    for (kind, expected) in [(1, false), (9, false), (15, false), (16, true), (19, true), (21, true), (22, false)] {
        let slice = [kind << 1, 1, 0x80];
        assert_eq!(is_key(Standard::H265, &access_unit(&[&[35 << 1, 1, 0x50], &slice])), expected, "{kind}");
    }
    assert!(!is_key(Standard::H265, &access_unit(&[&[33 << 1, 1, 0x50]])));
}

#[test]
fn has_vcl_is_false_for_a_delimiter_alone() {
    assert!(!has_vcl(Standard::H264, &access_unit(&[&[9, 0xF0]])));
    assert!(has_vcl(Standard::H264, &access_unit(&[&[9, 0xF0], &[0x41, 0x9A]])));
    assert!(!has_vcl(Standard::H265, &access_unit(&[&[70, 1, 0x50]])));
    assert!(has_vcl(Standard::H265, &access_unit(&[&[2, 1, 0x50]])));
}

/// Bytes that begin as units do, with the codes and escapes that parsers stumble over.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![Just(0), Just(1), Just(3), Just(0xFF), Just(0x67), Just(0x68), any::<u8>()];
    (prop::sample::select(vec![0_usize, 1, 2, 3]), prop::collection::vec(byte, 0..120)).prop_map(|(head, bytes)| {
        let head = [unit(H264_B.0), unit(H265[1]), unit(H264_444), vec![]][head].clone();
        let keep = head.len().min(bytes.first().map_or(0, |byte| usize::from(*byte) % 24));
        [&head[..keep], &bytes].concat()
    })
}

proptest! {
    #[test]
    fn parsers_of_any_bytes_are_bounded(bytes in garbage()) {
        for standard in [Standard::H264, Standard::H265] {
            if let Some(sps) = Sps::parse(standard, &bytes) {
                prop_assert!((1..=65_535).contains(&sps.width) && (1..=65_535).contains(&sps.height));
                prop_assert!(sps.max_reorder_frames.is_none_or(|frames| frames <= 16));
            }
            let _ = (is_key(standard, &bytes), has_vcl(standard, &bytes), length_bytes(standard, &bytes));
            let mut data = access_unit(&annex_b_units(&bytes).collect::<Vec<_>>());
            let mut sets = ParameterSets::from_config(standard, &bytes).unwrap_or_else(|| ParameterSets::new(standard));
            sets.take(&mut data);
            prop_assert!(!sets.take(&mut data));
            if let Some(config) = sets.config() {
                let again = ParameterSets::from_config(standard, &config);
                // An avcC counts its SPS in five bits: one of the 32 that exist stays out.
                prop_assert!(again.as_ref() == Some(&sets) || sets.units().count() > 31);
            }
        }
    }

    #[test]
    fn units_of_both_forms_are_the_same(
        bodies in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..30), 0..6)
    ) {
        // No start code and no zero at the end, as escapes make it.
        let bodies: Vec<Vec<u8>> = bodies.iter().map(|body| body.iter().map(|byte| byte | 4).collect()).collect();
        let lengths = access_unit(&bodies.iter().map(Vec::as_slice).collect::<Vec<_>>());
        let annex_b: Vec<u8> = bodies.iter().flat_map(|body| [&[0, 0, 0, 1], body.as_slice()].concat()).collect();
        prop_assert_eq!(units(&lengths).collect::<Vec<_>>(), annex_b_units(&annex_b).collect::<Vec<_>>());
    }
}
