//! The names of the passes.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text_enum::text_enum;

text_enum! {
    /// A pass, by its subcommand: the name of its report, its lock and its metrics.
    pub enum PassName {
        /// Fetches the recordings of a dashcam.
        Dashcam = "dashcam",
        /// Extracts the recordings of a Hikvision camera's storage.
        Hikvision = "hikvision",
        /// Records network cameras.
        Record = "record",
        /// Uploads files to a bucket.
        Upload = "upload",
    }
}

impl PassName {
    /// What the pass does with footage, in the words of its plan and its summary: `fetch`, `extract`, `record`, `upload`.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::Dashcam => "fetch",
            Self::Hikvision => "extract",
            Self::Record => "record",
            Self::Upload => "upload",
        }
    }

    /// The same of what it did: `fetched`.
    #[must_use]
    pub fn past(self) -> &'static str {
        match self {
            Self::Dashcam => "fetched",
            Self::Hikvision => "extracted",
            Self::Record => "recorded",
            Self::Upload => "uploaded",
        }
    }
}

/// Reads the name in a report. A report without one, or of a pass that only a newer version has, is still a report.
///
/// # Errors
/// It is not a text.
pub fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<PassName>, D::Error> {
    Ok(PassName::from_text(&String::deserialize(deserializer)?))
}

/// Writes the name in a report; without one an empty text.
///
/// # Errors
/// Those of the serializer.
pub fn write<S: Serializer>(name: &Option<PassName>, serializer: S) -> Result<S::Ok, S::Error> {
    name.map_or("", PassName::as_str).serialize(serializer)
}
