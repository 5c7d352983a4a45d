//! The source of the configuration: a file, or options.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::config::options::{CameraOptions, GeneralOptions};
use super::config::{Config, Environment};
use super::name::CameraName;
use crate::error::{Error, Result};
use crate::host_zone::HostZone;
use crate::permission;

/// The source of the configuration.
#[derive(Debug)]
pub enum Source {
    /// A file, which can be reloaded, and options that override its general keys.
    File(PathBuf, GeneralOptions),
    /// One camera by options.
    Options {
        /// The camera's name.
        name: CameraName,
        /// How to record it.
        camera: Box<CameraOptions>,
        /// The options that are not the camera's.
        general: GeneralOptions,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, _) => write!(f, "{}", path.display()),
            Self::Options { .. } => f.write_str("--url"),
        }
    }
}

impl Source {
    /// The file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path, _) => Some(path),
            Self::Options { .. } => None,
        }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// [`Error::Usage`]: it cannot be read, or something in it is wrong.
    pub fn read(&self) -> Result<Config> {
        // State files and programs get absolute paths, which do not depend on a working directory.
        let base = self.path().and_then(Path::parent).filter(|dir| !dir.as_os_str().is_empty());
        let base = base.unwrap_or(Path::new("."));
        let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
        let environment = Environment { base, zone: HostZone::read().zone };
        match self {
            Self::Options { name, camera, general } => {
                let config =
                    Config::of_camera(name.clone(), CameraOptions::clone(camera), general.clone(), &environment);
                config.map_err(|invalid| Error::Usage(invalid.to_string()))
            }
            Self::File(path, general) => {
                let text = std::fs::read_to_string(path).map_err(|error| Error::Usage(cannot_read(path, &error)))?;
                Config::parse_with(&text, general.clone(), &environment).map_err(|invalid| {
                    let lines = invalid.0.iter().map(|problem| format!("{}: {problem}", path.display()));
                    Error::Usage(lines.collect::<Vec<_>>().join("\n"))
                })
            }
        }
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    let text = format!("cannot read {}: {error}", path.display());
    match permission::hint(path) {
        hint if error.kind() == ErrorKind::PermissionDenied && !hint.is_empty() => format!("{text}; {hint}"),
        _ => text,
    }
}
