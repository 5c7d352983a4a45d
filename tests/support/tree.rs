//! A directory as a value, to compare before and after.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory.
    Dir,
    /// A file's length and a hash of its bytes.
    File {
        /// The length.
        len: u64,
        /// The hash; the same bytes give the same.
        hash: u64,
    },
    /// A symbolic link and its target.
    Link(PathBuf),
    /// A socket, a pipe, a device.
    Other,
}

impl Node {
    /// The node of a file with these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        hasher.write(bytes);
        Self::File { len: bytes.len() as u64, hash: hasher.finish() }
    }
}

/// Everything below `dir`, hidden files too, by path relative to it. A missing `dir` is an empty tree.
pub fn tree(dir: impl AsRef<Path>) -> BTreeMap<PathBuf, Node> {
    let dir = dir.as_ref();
    let mut nodes = BTreeMap::new();
    if dir.exists() {
        walk(dir, Path::new(""), &mut nodes).unwrap_or_else(|e| panic!("cannot read {}: {e}", dir.display()));
    }
    nodes
}

fn walk(root: &Path, below: &Path, nodes: &mut BTreeMap<PathBuf, Node>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(below))? {
        let entry = entry?;
        let (path, kind) = (below.join(entry.file_name()), entry.file_type()?);
        let node = if kind.is_dir() {
            walk(root, &path, nodes)?;
            Node::Dir
        } else if kind.is_file() {
            read(&entry.path())?
        } else if kind.is_symlink() {
            Node::Link(fs::read_link(entry.path())?)
        } else {
            Node::Other
        };
        nodes.insert(path, node);
    }
    Ok(())
}

/// Hashes piece by piece; how the input is cut does not change the hash.
fn read(path: &Path) -> io::Result<Node> {
    let (mut file, mut hasher, mut len) = (File::open(path)?, DefaultHasher::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        let n = file.read(&mut buffer)?;
        if n == 0 {
            return Ok(Node::File { len, hash: hasher.finish() });
        }
        hasher.write(&buffer[..n]);
        len += n as u64;
    }
}
