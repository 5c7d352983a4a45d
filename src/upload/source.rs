//! A source of a pass: a directory, its journal, its name in keys.

use std::ops::{Index, IndexMut};
use std::path::{Path, PathBuf};

use super::journal::{Journal, Record};
use super::local::{Local, SourceId};
use crate::error::Result;
use crate::store::Store;

/// A directory to upload from.
#[derive(Debug)]
pub(super) struct SourceDir {
    pub(super) store: Store,
    /// The state of its files.
    pub(super) journal: Journal,
    /// The value of `{dir}` in a key.
    pub(super) name: String,
}

impl SourceDir {
    fn load(store: &Store, destination: &str) -> Result<Self> {
        let journal = Journal::load(store, destination)?;
        Ok(Self { store: store.clone(), journal, name: name_of(store.root()) })
    }

    /// The path of a file of it.
    pub(super) fn path(&self, local: &Local) -> PathBuf {
        self.store.root().join(&local.path)
    }

    /// The record of a file, if it was verified to be in the bucket.
    pub(super) fn verified(&self, local: &Local) -> Option<&Record> {
        self.journal.get(&local.path).filter(|record| record.verifies(&local.identity))
    }
}

/// The name of a directory, also where it was given as `.`.
fn name_of(dir: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    name(dir).or_else(|| dir.canonicalize().ok().as_deref().and_then(name)).unwrap_or_default()
}

/// The sources of a pass.
#[derive(Debug)]
pub(super) struct Sources(Vec<SourceDir>);

impl Sources {
    /// Reads the journal of each.
    ///
    /// # Errors
    /// Those of [`Journal::load`].
    pub(super) fn load(stores: &[Store], destination: &str) -> Result<Self> {
        stores.iter().map(|store| SourceDir::load(store, destination)).collect::<Result<_>>().map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (SourceId, &SourceDir)> {
        self.0.iter().enumerate().map(|(number, source)| (SourceId(number), source))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (SourceId, &mut SourceDir)> {
        self.0.iter_mut().enumerate().map(|(number, source)| (SourceId(number), source))
    }

    pub(super) fn journals(&self) -> impl Iterator<Item = &Journal> {
        self.0.iter().map(|source| &source.journal)
    }

    pub(super) fn journals_mut(&mut self) -> impl Iterator<Item = &mut Journal> {
        self.0.iter_mut().map(|source| &mut source.journal)
    }
}

impl Index<SourceId> for Sources {
    type Output = SourceDir;

    fn index(&self, id: SourceId) -> &SourceDir {
        &self.0[id.0]
    }
}

impl IndexMut<SourceId> for Sources {
    fn index_mut(&mut self, id: SourceId) -> &mut SourceDir {
        &mut self.0[id.0]
    }
}
