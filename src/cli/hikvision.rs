//! The command line of `footage hikvision`.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use clap::Args;
use clap::builder::FalseyValueParser;

use super::groups::{Common, Disk, Ffmpeg, Jobs, Keep, Tries};
use super::{List, directories, directory, flat};
use crate::error::{Error, Result};
use crate::hikvision::camera_time::CameraTime;
use crate::hikvision::name::Tag;
use crate::hikvision::{Selection, Settings};
use crate::units::parse_age;

/// `footage hikvision`
#[derive(Debug, Args)]
#[command(mut_arg("keep", |arg| arg.help("Remove, and do not extract, what is older: 2w, 30 (days), 36h")))]
#[command(mut_arg("timeout", |arg| arg.default_value("10m").help("Kill an ffmpeg that takes longer for one segment")))]
#[command(mut_arg("jobs", |arg| {
    arg.help("Process this many files at once [default: cores]")
}))]
#[command(mut_arg("metrics_instance", |arg| arg.help("The Pushgateway's instance [default: the first INPUT]")))]
pub struct Hikvision {
    /// Directory of a camera's storage, or of several cameras
    ///
    /// A camera's folder (info.bin, datadir0), a flat card, a single datadir, or a folder of camera folders.
    #[arg(required = true, value_name = "INPUT", env = "FOOTAGE_INPUT")]
    pub inputs: Vec<PathBuf>,
    /// Store recordings in DIR/CAMERA/video and DIR/CAMERA/images
    #[arg(short, long, value_name = "DIR", env = "FOOTAGE_DESTINATION", required_unless_present = "list")]
    pub destination: Option<PathBuf>,
    /// List what the cameras have and extract nothing; as JSON with --json
    #[arg(short, long, env = "FOOTAGE_LIST", value_parser = FalseyValueParser::new())]
    pub list: bool,
    /// Name a camera by its folder: Camera-Tuin=tuin
    #[arg(short, long, value_name = "FOLDER=NAME", env = "FOOTAGE_CAMERA")]
    pub camera: Vec<List<Rename>>,
    /// Extract only what begins at this time or later: 2025-09-07T14:30
    ///
    /// A time of the camera's clock; a day begins at 00:00.
    #[arg(long, value_name = "MOMENT", value_parser = parse_moment, env = "FOOTAGE_FROM", help_heading = "Which recordings")]
    pub from: Option<CameraTime>,
    /// Extract only what begins before this time; a day counts whole
    #[arg(long, value_name = "MOMENT", value_parser = parse_end, env = "FOOTAGE_TO", help_heading = "Which recordings")]
    pub to: Option<CameraTime>,
    /// Extract only what is not older than this: 7 (days), 12h
    #[arg(long, value_name = "AGE", value_parser = parse_age, env = "FOOTAGE_SINCE", help_heading = "Which recordings")]
    pub since: Option<Duration>,
    /// Do not extract pictures
    #[arg(
        long,
        env = "FOOTAGE_NO_PICTURES",
        value_parser = FalseyValueParser::new(),
        help_heading = "Which recordings"
    )]
    pub no_pictures: bool,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub keep: Keep,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub disk: Disk,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub tries: Tries,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub jobs: Jobs,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub ffmpeg: Ffmpeg,
    #[expect(missing_docs, reason = "its options are shown as this command's")]
    #[command(flatten)]
    pub common: Common,
}

/// A word of `--camera`: `Camera-Tuin=tuin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    folder: String,
    tag: Tag,
}

impl FromStr for Rename {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once('=') {
            Some((folder, name)) if !folder.trim().is_empty() => {
                let (folder, name) = (folder.trim(), name.trim());
                let tag = Tag::new(name).map_err(|error| error.to_string())?;
                Ok(Self { folder: folder.to_owned(), tag })
            }
            _ => Err(format!("{text:?} renames nothing: write FOLDER=NAME, such as Camera-Tuin=tuin")),
        }
    }
}

/// A time of the camera's clock: a day, which begins at midnight, or a day and a time.
fn parse_moment(text: &str) -> Result<CameraTime, String> {
    const FORMS: [&str; 4] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"];
    let text = text.trim();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").map(|day| day.and_time(NaiveTime::MIN)).ok();
    day.or_else(|| FORMS.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()))
        .map(CameraTime::from_digits)
        .ok_or_else(|| format!("{text:?} is no moment of a camera's clock: write 2025-09-07 or 2025-09-07T14:30:15"))
}

/// The end of a range of times: a day without a time counts whole.
fn parse_end(text: &str) -> Result<CameraTime, String> {
    let day = NaiveDate::parse_from_str(text.trim(), "%Y-%m-%d").ok();
    match day.and_then(|day| day.succ_opt()) {
        Some(next) => Ok(CameraTime::from_digits(next.and_time(NaiveTime::MIN))),
        None => parse_moment(text),
    }
}

impl Hikvision {
    /// The settings of the pass.
    ///
    /// # Errors
    /// [`Error::Usage`]
    pub fn settings(&self) -> Result<Settings> {
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            let text = "--to is not after --from: nothing begins between them; write a later --to";
            return Err(Error::Usage(text.into()));
        }
        let mut renames = BTreeMap::new();
        for Rename { folder, tag } in flat(&self.camera) {
            if renames.insert(folder.clone(), tag.clone()).is_some_and(|before| before != tag) {
                return Err(Error::Usage(format!("--camera: {folder:?} gets two names: give it one")));
            }
        }
        Ok(Settings {
            inputs: directories(&self.inputs, "FOOTAGE_INPUT"),
            destination: directory(self.destination.as_deref()),
            is_list: self.list,
            renames,
            selection: Selection {
                from: self.from,
                to: self.to,
                since: self.since,
                keep: self.keep.keep,
                without_pictures: self.no_pictures,
            },
            guard: self.disk.guard(),
            jobs: self.jobs.jobs,
            timeout: self.tries.timeout,
            retry_failed_after: self.tries.retry_failed_after,
            ffmpeg: self.ffmpeg.ffmpeg.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_with_a_date_is_its_midnight() {
        let moment = |text| parse_moment(text).map(|moment| moment.to_string());
        assert_eq!(moment("2025-09-07").as_deref(), Ok("2025-09-07T00:00:00.000000"));
        assert_eq!(moment("2025-09-07 14:30").as_deref(), Ok("2025-09-07T14:30:00.000000"));
        assert_eq!(moment("2025-09-07T14:30:15.5").as_deref(), Ok("2025-09-07T14:30:15.500000"));
        for text in ["", "yesterday", "2025-02-30", "14:30", "2025-09-07T14"] {
            assert!(moment(text).is_err(), "{text}");
        }
    }

    #[test]
    fn camera_folder_may_have_an_equals_sign_and_a_name_may_not() {
        let rename: Rename = "a=b=c".parse().expect("a rename");
        assert_eq!((rename.folder.as_str(), rename.tag.as_str()), ("a=b", "c"));
        for text in ["", "tuin", "=tuin", "tuin=", "tuin=a/b", "tuin=.."] {
            assert!(text.parse::<Rename>().is_err(), "{text}");
        }
    }
}
