//! Which of several hosts records a camera: rendezvous hashing of its name.
//!
//! Each host has a weight for each camera, and the host with the greatest weight records it. All hosts compute the same
//! result from the configuration alone, and an additional host takes over the cameras of its shard and moves no other.

use std::fmt;
use std::str::FromStr;

/// This host's shard: `2/5` is the second of five.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The number of this host, from 1.
    pub number: u32,
    /// The number of hosts.
    pub of: u32,
}

impl Default for Shard {
    fn default() -> Self {
        Self { number: 1, of: 1 }
    }
}

impl Shard {
    /// The most hosts: more than any site has, since the weights of all are computed for each camera.
    const MAX: u32 = 1000;

    /// Whether this host records the camera of this name.
    #[must_use]
    pub fn has(self, camera: &str) -> bool {
        let heaviest = (1..=self.of).max_by_key(|host| (weight(*host, camera), *host));
        heaviest == Some(self.number)
    }

    /// Whether this host records all of them.
    #[must_use]
    pub fn is_all(self) -> bool {
        self.of == 1
    }

    /// The part after `record` in the names of this shard's own files: `-2-of-5`, or nothing.
    #[must_use]
    pub fn suffix(self) -> String {
        if self.is_all() { String::new() } else { format!("-{}-of-{}", self.number, self.of) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parse = || {
            let (number, of) = text.split_once('/')?;
            let (number, of) = (number.trim().parse().ok()?, of.trim().parse().ok()?);
            ((1..=Self::MAX).contains(&of) && (1..=of).contains(&number)).then_some(Self { number, of })
        };
        parse().ok_or_else(|| format!("{text:?} is no shard: write 2/5 for the second of five hosts"))
    }
}

/// FNV-1a with the finalizer of `SplitMix64`. It is implemented here because it must never change: hosts with different
/// versions of footage must compute the same result.
fn weight(host: u32, camera: &str) -> u64 {
    let bytes = host.to_le_bytes().into_iter().chain(camera.bytes());
    let hash =
        bytes.fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    let hash = (hash ^ (hash >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let hash = (hash ^ (hash >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    hash ^ (hash >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_of(camera: &str, of: u32) -> u32 {
        let hosts: Vec<u32> = (1..=of).filter(|number| Shard { number: *number, of }.has(camera)).collect();
        assert_eq!(hosts.len(), 1, "{camera} is recorded by {hosts:?} of {of}");
        hosts[0]
    }

    #[test]
    fn shards_are_about_equal() {
        let mut counts = [0; 5];
        for n in 0..1000 {
            counts[host_of(&format!("cam{n}"), 5) as usize - 1] += 1;
        }
        assert!(counts.iter().all(|count| (150..250).contains(count)), "{counts:?}");
    }

    #[test]
    fn shard_assignment_is_the_same_in_every_version() {
        let hosts: Vec<u32> = ["yard", "gate", "door", "cam1", "cam2", "cam3"].map(|name| host_of(name, 5)).into();
        assert_eq!(hosts, [2, 5, 5, 1, 3, 5]);
    }

    #[test]
    fn shards_are_read_back() {
        assert_eq!("2/5".parse(), Ok(Shard { number: 2, of: 5 }));
        for text in ["", "2", "0/5", "6/5", "1/0", "-1/5", "1/1001", "a/b", "1/2/3"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        /// Every camera has one host, and an additional host only takes cameras over.
        #[test]
        fn one_more_shard_moves_cameras_only_to_itself(camera in "\\PC{0,20}", of in 1_u32..40) {
            let (before, after) = (host_of(&camera, of), host_of(&camera, of + 1));
            proptest::prop_assert!(after == before || after == of + 1);
        }
    }
}
