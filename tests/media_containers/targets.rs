//! What the parsers of NAL units promise of any bytes: each function panics when it is broken. Called with mutations of a
//! corpus by the tests beside this file, and with what libFuzzer finds by `tests/fuzz`.

#![allow(dead_code, reason = "each binary of cargo fuzz calls one")]

use footage::media::nal::{self, ParameterSets, Sps, Standard};

/// The bytes as a byte stream, as a configuration, as an access unit and as a unit.
pub(crate) fn nal(data: &[u8]) {
    for standard in [Standard::H264, Standard::H265] {
        if let Some(sps) = Sps::parse(standard, data) {
            assert!((1..=65_535).contains(&sps.width) && (1..=65_535).contains(&sps.height));
            assert!(sps.max_reorder_frames.is_none_or(|frames| frames <= 16));
        }
        let of_config = ParameterSets::from_config(standard, data);
        let _ = (nal::length_bytes(standard, data), nal::is_key(standard, data), nal::has_vcl(standard, data));
        let mut access_unit = Vec::new();
        for unit in nal::annex_b_units(data) {
            let _ = Sps::parse(standard, unit);
            nal::push_unit(&mut access_unit, unit);
        }
        assert_eq!(nal::units(&access_unit).count(), nal::annex_b_units(data).count());
        let _ = nal::is_key(standard, &access_unit);
        let mut collected = of_config.unwrap_or_else(|| ParameterSets::new(standard));
        collected.take(&mut access_unit);
        assert!(!collected.take(&mut access_unit), "none is left");
        assert!(collected.units().map(<[u8]>::len).sum::<usize>() <= 65_535);
        if let Some(config) = collected.config() {
            let again = ParameterSets::from_config(standard, &config).unwrap();
            // Five bits count the SPS of an `avcC`: one of all 32 stays out.
            assert!(again == collected || collected.units().count() > 31);
        }
    }
}
