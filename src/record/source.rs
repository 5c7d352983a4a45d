//! Where the configuration comes from: a file, or options.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::config::{Config, Surroundings};
use crate::error::{Error, Result};
use crate::host_zone::HostZone;
use crate::permission;
use crate::secret::Secret;

/// Where the configuration comes from.
#[derive(Debug)]
pub enum Source {
    /// A file, which may be read again; and options that win over it, as the text of a file would be.
    File(PathBuf, String),
    /// Options, as the text of a file would be.
    Options(Secret),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, _) => write!(f, "{}", path.display()),
            Self::Options(_) => f.write_str("--url"),
        }
    }
}

impl Source {
    /// The file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(path, _) => Some(path),
            Self::Options(_) => None,
        }
    }

    /// Reads the configuration.
    ///
    /// # Errors
    /// [`Error::Usage`]: it cannot be read, or something in it is wrong.
    pub fn read(&self) -> Result<Config> {
        let (text, base) = match self {
            Self::Options(text) => (text.reveal().to_owned(), PathBuf::new()),
            Self::File(path, _) => {
                let text = std::fs::read_to_string(path).map_err(|error| Error::Usage(cannot_read(path, &error)))?;
                (text, path.parent().unwrap_or(Path::new("")).to_owned())
            }
        };
        // States and programs are told of files by paths that mean the same everywhere.
        let base = if base.as_os_str().is_empty() { ".".into() } else { base };
        let base = std::path::absolute(&base).unwrap_or(base);
        let around = Surroundings { base, zone: HostZone::read().zone, is_options: self.path().is_none() };
        let parsed = Config::parse(&text, &around).map_err(|invalid| match self {
            Self::File(path, _) => {
                let lines = invalid.0.iter().map(|problem| format!("{}: {problem}", path.display()));
                Error::Usage(lines.collect::<Vec<_>>().join("\n"))
            }
            Self::Options(_) => Error::Usage(invalid.to_string()),
        });
        let mut config = parsed?;
        if let Self::File(_, overrides) = self {
            config.override_with(overrides).map_err(|invalid| Error::Usage(invalid.to_string()))?;
        }
        Ok(config)
    }
}

fn cannot_read(path: &Path, error: &std::io::Error) -> String {
    let text = format!("cannot read {}: {error}", path.display());
    match permission::hint(path) {
        hint if error.kind() == ErrorKind::PermissionDenied && !hint.is_empty() => format!("{text}; {hint}"),
        _ => text,
    }
}
