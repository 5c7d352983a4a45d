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
    /// What is known of its files.
    pub(super) journal: Journal,
    /// What `{dir}` in a key stands for.
    pub(super) name: String,
}

impl SourceDir {
    fn load(store: &Store, destination: &str) -> Result<Self> {
        let journal = Journal::load(store, destination)?;
        Ok(Self { store: store.clone(), journal, name: name_of(store.root()) })
    }

    /// Where a file of it is.
    pub(super) fn path(&self, local: &Local) -> PathBuf {
        self.store.root().join(&local.path)
    }

    /// What is known of a file, if that is that the bucket has it.
    pub(super) fn proven(&self, local: &Local) -> Option<&Record> {
        self.journal.get(&local.path).filter(|record| record.proves(&local.identity))
    }
}

/// What a directory is called, also where it was given as `.`.
fn name_of(dir: &Path) -> String {
    let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
    name(dir).or_else(|| dir.canonicalize().ok().as_deref().and_then(name)).unwrap_or_default()
}

/// The sources of a pass.
#[derive(Debug)]
pub(super) struct Sources(Vec<SourceDir>);

impl Sources {
    /// Reads what earlier passes have left in each.
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
