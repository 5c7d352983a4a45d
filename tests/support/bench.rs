//! Storages, a destination, and the program between them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::hikvision::{Audio, Clip, Model, Storage, Video};
use crate::support::{Node, Output, Program, Scratch, tree};

/// A folder of cameras and a destination.
pub(crate) struct Bench {
    pub(crate) scratch: Scratch,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let bench = Self { scratch: Scratch::new() };
        std::fs::create_dir(bench.scratch.join("nas")).unwrap();
        bench
    }

    /// A bench with one camera in the folder `tuin` that has recorded a clip at each of these times.
    pub(crate) fn with(starts: &[&str]) -> (Self, Storage) {
        let bench = Self::new();
        let mut storage = bench.camera("tuin", Model::default());
        for start in starts {
            storage.record(&clip(), start);
        }
        (bench, storage)
    }

    /// A camera with nothing on it.
    pub(crate) fn camera(&self, folder: &str, model: Model) -> Storage {
        let root = self.scratch.join("nas").join(folder);
        std::fs::create_dir_all(&root).unwrap();
        Storage::new(&root, model)
    }

    /// `footage hikvision nas -d dest`, and these options.
    pub(crate) fn footage(&self, options: &[&str]) -> Program {
        self.scratch.footage(["hikvision", "nas", "-d", "dest"]).args(options)
    }

    pub(crate) fn pass(&self, options: &[&str]) -> Output {
        self.footage(options).run()
    }

    /// A pass that must find nothing wrong and say nothing.
    #[track_caller]
    pub(crate) fn quiet_pass(&self, options: &[&str]) {
        self.pass(options).expect_silence_but_for_removals();
    }

    /// A pass that ends with this code, and its report.
    #[track_caller]
    pub(crate) fn report(&self, code: i32, options: &[&str]) -> Value {
        json(&self.pass(&[options, &["--json"]].concat()).expect_code(code))
    }

    /// The destination.
    pub(crate) fn dest(&self) -> PathBuf {
        self.scratch.join("dest")
    }

    /// Everything in the destination but directories and our own folder.
    pub(crate) fn held(&self) -> BTreeSet<String> {
        files(&self.dest())
    }

    /// Writes a program that says it is ffmpeg and then does this.
    pub(crate) fn fake_ffmpeg(&self, body: &str) -> String {
        use std::os::unix::fs::PermissionsExt;
        let script = format!(
            "#!/bin/sh\nif [ \"$1\" = -version ]; then echo 'ffmpeg version 7.1 Copyright'; exit; fi\n{body}\n"
        );
        let path = self.scratch.write("ffmpeg", script);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

/// What a program has printed as JSON.
#[track_caller]
pub(crate) fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|e| panic!("no JSON: {e}; {output}"))
}

/// Two seconds with audio: enough for a complete recording.
pub(crate) fn clip() -> Clip {
    Clip::new(Video::H264, Audio::Aac, 2)
}

/// Everything below `dir` but directories and our own folder, hidden files too.
pub(crate) fn files(dir: &Path) -> BTreeSet<String> {
    let nodes = tree(dir).into_iter().filter(|(path, node)| *node != Node::Dir && !path.starts_with(".footage"));
    nodes.map(|(path, _)| path.display().to_string()).collect()
}

/// A set of names.
pub(crate) fn set<N: AsRef<str>>(names: impl IntoIterator<Item = N>) -> BTreeSet<String> {
    names.into_iter().map(|name| name.as_ref().to_owned()).collect()
}

/// What ffprobe says of a file.
pub(crate) fn probe(file: &Path, entries: &str) -> String {
    let arguments = ["-v", "error", "-count_packets", "-of", "csv=p=0", "-show_entries", entries];
    Program::new("ffprobe").args(arguments).arg(file).run().expect_code(0).stdout
}
