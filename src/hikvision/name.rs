//! The names of extracted files: `tuin/video/2025-09-07_14-30-15-tuin.mp4`.
//!
//! | part | |
//! | --- | --- |
//! | `tuin` | the [`Tag`]: the camera's folder name or the name set with `--camera`, fit for any file system |
//! | `video`, `images` | by medium |
//! | `2025-09-07_14-30-15` | the camera's clock at the start |
//! | `-2`, `-3` | before the extension, for a second and third one in the same second |
//! | `.mp4`, `.jpg` | by medium |
//!
//! An incomplete file has a hidden name with a suffix: see [`Entry`]. Only a name that parses exactly is ours: footage
//! counts it as extracted and may remove it.

use std::fmt;
use std::path::PathBuf;
use std::sync::LazyLock;

use regex::Regex;

use super::camera_time::CameraTime;
use super::segment::Medium;
use crate::recording_time;
use crate::text::is_control;

/// A tag's greatest length in bytes, so that the longest name stays under the 255 that file systems allow.
const MAX_TAG: usize = 200;
/// Characters that SMB shares and exFAT refuse in names.
const REFUSED: [char; 9] = ['/', '\\', ':', '*', '?', '"', '<', '>', '|'];

/// A camera's name in the destination.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// Why a text cannot be a tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} cannot be a camera's name in the destination: {why}")]
pub struct TagError {
    text: String,
    why: &'static str,
}

impl Tag {
    /// The tag that the user has set.
    ///
    /// # Errors
    /// If it cannot be a folder's name on every file system.
    pub fn new(text: &str) -> Result<Self, TagError> {
        let why = if text.is_empty() {
            "it is empty"
        } else if text.len() > MAX_TAG {
            "it is longer than 200 bytes"
        } else if text.chars().any(|c| is_control(c) || REFUSED.contains(&c)) {
            "it has a character that file systems or terminals cannot handle"
        } else if text.starts_with('.') {
            "it begins with a dot, which would hide it"
        } else if text.ends_with(['.', ' ']) || text.starts_with(' ') {
            "it begins or ends with a dot or space, which some file systems drop"
        } else {
            return Ok(Self(text.to_owned()));
        };
        Err(TagError { text: text.to_owned(), why })
    }

    /// The tag of a camera without a name of its own: its folder's name, with `_` for each character that a tag cannot
    /// have.
    #[must_use]
    pub fn of_folder(name: &str) -> Self {
        let mut tag: String =
            name.chars().map(|c| if is_control(c) || REFUSED.contains(&c) { '_' } else { c }).collect();
        if tag.starts_with(['.', ' ']) {
            tag.replace_range(..1, "_");
        }
        while tag.len() > MAX_TAG {
            tag.pop();
        }
        if tag.ends_with(['.', ' ']) {
            tag.pop();
            tag.push('_');
        }
        if tag.is_empty() {
            tag.push('_');
        }
        Self(tag)
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The number of a recording among those that began in the same second: the first has none in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Copy(u32);

impl Copy {
    /// The first.
    pub const FIRST: Self = Self(1);

    /// Its number; 1 is the first.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The one of this number, if there is one.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        (number > 0).then_some(Self(number))
    }

    /// The one after this.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// The rest of a file's name after the camera's: `-2.mp4`.
static REST: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new("^(?:-(?<copy>[1-9][0-9]*))?\\.(?<extension>mp4|jpg)$").ok());

/// The name of an extracted file of a camera that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OutputName {
    /// What is in it.
    pub medium: Medium,
    /// The start, to the second.
    pub second: CameraTime,
    /// Its number in that second.
    pub copy: Copy,
}

impl OutputName {
    /// The folder in the destination.
    #[must_use]
    pub fn folder(medium: Medium, tag: &Tag) -> PathBuf {
        let folder = match medium {
            Medium::Video => "video",
            Medium::Picture => "images",
        };
        PathBuf::from(tag.as_str()).join(folder)
    }

    /// The name in that folder.
    #[must_use]
    pub fn file_name(&self, tag: &Tag) -> String {
        let second = self.second.file_name_form();
        let extension = extension(self.medium);
        match self.copy {
            Copy::FIRST => format!("{second}-{tag}.{extension}"),
            Copy(copy) => format!("{second}-{tag}-{copy}.{extension}"),
        }
    }

    /// The path in the destination.
    #[must_use]
    pub fn path(&self, tag: &Tag) -> PathBuf {
        Entry::Whole(*self).path(tag)
    }

    /// Reads exactly what [`file_name`](Self::file_name) writes.
    #[must_use]
    pub fn parse(name: &str, medium: Medium, tag: &Tag) -> Option<Self> {
        let (second, rest) = recording_time::spread(name)?;
        let rest = rest.strip_prefix('-')?.strip_prefix(tag.as_str())?;
        let parts = REST.as_ref()?.captures(rest).filter(|parts| &parts["extension"] == extension(medium))?;
        let copy = match parts.name("copy") {
            None => Copy::FIRST,
            Some(number) => Copy(number.as_str().parse().ok().filter(|copy| *copy > 1)?),
        };
        Some(Self { medium, second: CameraTime::from_digits(second), copy })
    }
}

/// A file of ours in a folder of the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Entry {
    /// `2025-09-07_14-30-15-tuin.mp4`: a complete recording.
    Whole(OutputName),
    /// `.2025-09-07_14-30-15-tuin.mp4.damaged`: the readable part of a recording that is damaged in the camera's storage.
    Damaged(OutputName),
    /// `.2025-09-07_14-30-15-tuin.mp4.part`: being written.
    Partial(OutputName),
}

impl Entry {
    /// The name of its recording.
    #[must_use]
    pub fn name(self) -> OutputName {
        match self {
            Self::Whole(name) | Self::Damaged(name) | Self::Partial(name) => name,
        }
    }

    /// The name in its folder.
    #[must_use]
    pub fn file_name(self, tag: &Tag) -> String {
        let name = self.name().file_name(tag);
        match self {
            Self::Whole(_) => name,
            Self::Damaged(_) => format!(".{name}.damaged"),
            Self::Partial(_) => format!(".{name}.part"),
        }
    }

    /// The path in the destination.
    #[must_use]
    pub fn path(self, tag: &Tag) -> PathBuf {
        OutputName::folder(self.name().medium, tag).join(self.file_name(tag))
    }

    /// Reads exactly what [`file_name`](Self::file_name) writes.
    #[must_use]
    pub fn parse(name: &str, medium: Medium, tag: &Tag) -> Option<Self> {
        let parse = |name| OutputName::parse(name, medium, tag);
        match name.strip_prefix('.') {
            None => parse(name).map(Self::Whole),
            Some(hidden) => match hidden.strip_suffix(".damaged") {
                Some(name) => parse(name).map(Self::Damaged),
                None => parse(hidden.strip_suffix(".part")?).map(Self::Partial),
            },
        }
    }
}

fn extension(medium: Medium) -> &'static str {
    match medium {
        Medium::Video => "mp4",
        Medium::Picture => "jpg",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tag(text: &str) -> Tag {
        Tag::new(text).unwrap()
    }

    #[test]
    fn recording_names_are_as_documented() {
        let name =
            OutputName { medium: Medium::Video, second: "2025-09-07T14:30:15".parse().unwrap(), copy: Copy::FIRST };
        let path = |name: OutputName| name.path(&tag("tuin")).into_os_string().into_string().unwrap();
        assert_eq!(path(name), "tuin/video/2025-09-07_14-30-15-tuin.mp4");
        let second = OutputName { medium: Medium::Picture, copy: Copy::FIRST.next(), ..name };
        assert_eq!(path(second), "tuin/images/2025-09-07_14-30-15-tuin-2.jpg");
    }

    #[test]
    fn foreign_file_names_are_no_recordings() {
        let ours = "2025-09-07_14-30-15-tuin.mp4";
        assert!(OutputName::parse(ours, Medium::Video, &tag("tuin")).is_some());
        for name in [
            "2025-09-07_14-30-15-oprit.mp4",
            "2025-09-07_14-30-15-tuin.jpg",
            "2025-09-07_14-30-15-tuin-1.mp4",
            "2025-09-07_14-30-15-tuin-02.mp4",
            "2025-09-07_14-30-15-tuin-+2.mp4",
            "2025-09-07_14-30-15-tuin2.mp4",
            "2025-09-07_14-30-15-tuin.mp4.part",
            ".2025-09-07_14-30-15-tuin.mp4",
            "2025-13-07_14-30-15-tuin.mp4",
            "2025-9-7_14-30-15-tuin.mp4",
            "2025-09-07_14-30-60-tuin.mp4",
            "+2025-09-07_14-30-15-tuin.mp4",
            "2025-02-30_14-30-15-tuin.mp4",
            "2025-09-07_14-30-15-tuin.mp4\n",
            "2025-09-07_14-30-15-tuin-4294967296.mp4",
            "2025-09-07_14-30-é-tuin.mp4",
            "mp4",
            "",
        ] {
            assert_eq!(OutputName::parse(name, Medium::Video, &tag("tuin")), None, "{name}");
        }
    }

    #[test]
    fn camera_tags_are_portable_file_names() {
        for text in ["", ".", "..", ".hidden", "a/b", "a\nb", "a:b", "a\u{202e}b", "dot.", " space", &"x".repeat(201)] {
            assert!(Tag::new(text).is_err(), "{text:?}");
        }
        for text in ["tuin", "Camera-Tuin", "quote's", "naïve", "tuin-2", "a b"] {
            assert_eq!(Tag::new(text).unwrap(), Tag::of_folder(text));
        }
        assert_eq!(Tag::of_folder("..").as_str(), "__");
        assert_eq!(Tag::of_folder("line\nbreak").as_str(), "line_break");
        assert_eq!(Tag::of_folder("a\u{9b}2J\u{202e}b").as_str(), "a_2J_b");
    }

    proptest! {
        #[test]
        fn any_folder_name_gives_a_camera_tag(name in "\\PC{0,40}|[./ \\n]{0,4}|é{90,120}") {
            let tag = Tag::of_folder(&name);
            prop_assert_eq!(Tag::new(tag.as_str()), Ok(tag));
        }

        #[test]
        fn every_recording_name_is_read_back(seconds: u32, copy in 1..5000u32, text in "[a-z0-9-]{1,12}", picture: bool) {
            let medium = if picture { Medium::Picture } else { Medium::Video };
            let second = CameraTime::from_index(seconds, 0).unwrap();
            let name = OutputName { medium, second, copy: Copy(copy) };
            let tag = Tag::new(&text).unwrap();
            prop_assert_eq!(OutputName::parse(&name.file_name(&tag), medium, &tag), Some(name));
            for entry in [Entry::Whole(name), Entry::Damaged(name), Entry::Partial(name)] {
                prop_assert_eq!(Entry::parse(&entry.file_name(&tag), medium, &tag), Some(entry));
            }
        }

        #[test]
        fn any_recording_name_is_read_without_a_panic(name in "\\PC{0,60}") {
            let _ = Entry::parse(&name, Medium::Video, &tag("tuin"));
        }
    }
}
