//! **footage** brings camera footage to one place and keeps it in order.
//!
//! It is one program with a subcommand for each way in which footage arrives or leaves. Each is one idempotent pass
//! under an advisory lock on its destination: `read → plan → execute → report`, in that order, visible at the top of the
//! pass's module. Run twice, the second run finds nothing to do. Killed anywhere, the next run carries on; nothing
//! incomplete ever stands under a final name.
//!
//! # The way through the code
//!
//! `main` parses ([`cli`]), runs the pass ([`dashcam`], [`hikvision`], [`record`], [`upload`]) and turns its outcome into an
//! exit code, a summary, a report and metrics; [`status`] reads what they have left. Plans, retention, names and formats are
//! pure: values in, values out, `now` an argument. Effects live in `execute`, `fetch`, [`store`] and at the edges. Imports
//! run one way, and a pass never imports another; a test keeps that true.
//!
//! # Glossary
//!
//! | word | meaning |
//! | --- | --- |
//! | recording | one clip of a camera: a video and its sidecars |
//! | sidecar | a file beside a video: thumbnail, GPS, accelerometer |
//! | moment | when a recording began, on the camera's own clock, which has no zone |
//! | listing | what a camera says it has |
//! | destination | the directory that a pass fills |
//! | held | what is in the destination |
//! | partial | a file that has arrived in part, under a hidden name |
//! | marker | `NAME.failed`: the camera could not give this file |
//! | pass | one run from reading to report |
//! | plan | what a pass is about to do, as a value |
//! | retention | which footage goes, and why |
//! | disk guard | how full the disk may get |

pub mod backoff;
pub mod child;
pub mod cli;
pub mod dashcam;
pub mod disk;
pub mod error;
pub mod ffmpeg;
pub mod hikvision;
pub mod live;
pub mod lock;
pub mod logging;
pub mod login;
pub mod metrics;
pub mod mp4;
pub mod once;
pub mod pass;
pub mod progress;
pub mod prometheus;
pub mod random;
pub mod rate;
pub mod record;
pub mod recording_time;
pub mod redirect;
pub mod remembered;
pub mod retention;
pub mod room;
pub mod secret;
pub mod stamp;
pub mod status;
pub mod stdout;
pub mod steps;
pub mod stop;
pub mod store;
pub mod text;
pub mod units;
pub mod upload;
pub mod zone;
