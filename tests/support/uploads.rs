//! A folder of closed segments, a bucket, and the program between them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::bench::json;
use super::s3::{ACCESS_KEY, S3, SECRET_KEY};
use super::{Node, Output, Program, Scratch, seeded};

/// The bucket.
pub(crate) const BUCKET: &str = "footage";
/// What the keys begin with.
pub(crate) const PREFIX: &str = "cams";
/// When files were last written, unless a test says otherwise: 2025-09-07 12:34:56 UTC.
pub(crate) const MTIME: u64 = 1_757_248_496;
/// From here on files go up in parts.
pub(crate) const MULTIPART: usize = 16 << 20;

/// A folder `src`, a server, and what has been put into the folder.
pub(crate) struct Uploads {
    pub(crate) s3: S3,
    pub(crate) scratch: Scratch,
    /// By the keys that they get without `--key`.
    made: RefCell<BTreeMap<String, Node>>,
}

impl Uploads {
    pub(crate) fn new() -> Self {
        let scratch = Scratch::new();
        for dir in ["src", "home"] {
            fs::create_dir(scratch.join(dir)).expect("a directory");
        }
        Self { s3: S3::start(&scratch, BUCKET), scratch, made: RefCell::default() }
    }

    /// With these files, each of some bytes of its own.
    pub(crate) fn with(names: &[&str]) -> Self {
        let uploads = Self::new();
        for name in names {
            uploads.file(name, content(name, 1000));
        }
        uploads
    }

    /// Writes a file of old into the folder.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.scratch.write(Path::new("src").join(name), &bytes);
        set_mtime(&path, MTIME);
        self.made.borrow_mut().insert(format!("{PREFIX}/{name}"), Node::of(bytes.as_ref()));
        path
    }

    /// The folder, or a file in it.
    pub(crate) fn src(&self, name: &str) -> PathBuf {
        self.scratch.join("src").join(name)
    }

    /// `footage upload src --to s3://footage/cams` with the server's keys, and these options.
    pub(crate) fn footage(&self, options: &[&str]) -> Program {
        self.footage_from(&["src"], options)
    }

    /// The same for other folders.
    pub(crate) fn footage_from(&self, folders: &[&str], options: &[&str]) -> Program {
        let program = self.bare(folders).args(["--to", &format!("s3://{BUCKET}/{PREFIX}")]);
        let program = program.args(["--endpoint-url", &self.s3.endpoint(), "--region", "us-east-1"]).args(options);
        program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    }

    /// `footage upload` with none of our own or AWS's settings, at an empty home.
    pub(crate) fn bare(&self, arguments: &[&str]) -> Program {
        let theirs = std::env::vars_os().map(|(name, _)| name);
        let theirs = theirs.filter(|name| {
            let name = name.to_string_lossy().to_ascii_lowercase();
            name.starts_with("aws_") || name.ends_with("_proxy")
        });
        let program = self.scratch.footage(["upload"]).args(arguments).env("HOME", self.scratch.join("home"));
        theirs.fold(program, Program::env_remove)
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

    /// A pass that must find nothing to do, and send no request.
    #[track_caller]
    pub(crate) fn assert_done(&self, options: &[&str]) {
        self.s3.proxy.clear_log();
        self.quiet_pass(options);
        let requests = self.s3.proxy.requests();
        assert!(requests.is_empty(), "there was something to do: {requests:#?}");
    }

    /// What is in the bucket.
    pub(crate) fn objects(&self) -> BTreeMap<String, Node> {
        self.s3.objects(BUCKET)
    }

    /// The keys in the bucket.
    pub(crate) fn keys(&self) -> Vec<String> {
        self.objects().into_keys().collect()
    }

    /// Asserts that the bucket has each file that was ever made, and nothing else.
    #[track_caller]
    pub(crate) fn assert_uploaded(&self) {
        assert_eq!(self.objects(), *self.made.borrow());
    }

    /// Asserts that nothing is lost, and that nothing wrong is in the bucket: each file is there as it was made, or its
    /// identical object is; an object is a whole file.
    #[track_caller]
    pub(crate) fn assert_safe(&self) {
        let (objects, made) = (self.objects(), self.made.borrow());
        for (key, node) in &*made {
            let path = self.src(key.strip_prefix("cams/").expect("our own key"));
            let is_here = fs::read(&path).is_ok_and(|bytes| Node::of(&bytes) == *node);
            assert!(is_here || objects.get(key) == Some(node), "{key} is lost: {:?}", objects.get(key));
        }
        for (key, node) in &objects {
            assert!(made.get(key) == Some(node), "{key} in the bucket is {node:?}, and was {:?}", made.get(key));
        }
    }

    /// Takes a file out of what the bucket should have: it has changed, or gone.
    pub(crate) fn forget(&self, name: &str) {
        self.made.borrow_mut().remove(&format!("{PREFIX}/{name}"));
    }
}

/// Bytes that follow from a name.
pub(crate) fn content(name: &str, len: usize) -> Vec<u8> {
    seeded(super::rng::seed_of(name)).bytes(len)
}

/// Sets when a file was last written, in seconds since 1970.
pub(crate) fn set_mtime(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    File::options().write(true).open(path).and_then(|file| file.set_modified(time)).expect("a file of our own");
}
