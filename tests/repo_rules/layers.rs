//! Imports run one way, and what decides touches nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, assert_none, root, sources};

const PASSES: [&str; 5] = ["dashcam", "hikvision", "record", "upload", "status"];

/// What decides from values alone; the directory of the same name too.
const PURE: &[&str] = &[
    "backoff",
    "contact",
    "dashcam/address",
    "dashcam/listing",
    "dashcam/name",
    "dashcam/nothing",
    "dashcam/plan",
    "dashcam/policy",
    "dashcam/wire",
    "hikvision/camera_time",
    "hikvision/index",
    "hikvision/name",
    "hikvision/nothing",
    "hikvision/picture",
    "hikvision/plan",
    "hikvision/segment",
    "hikvision/stream",
    "http",
    "live",
    "login",
    "machine",
    "media",
    "memory",
    "mp4",
    "mutex",
    "record/camera",
    "record/command",
    "record/config",
    "record/feed/in_step",
    "record/integrity",
    "record/learned",
    "record/name",
    "record/plan",
    "record/retain",
    "record/retries",
    "record/schedule",
    "record/segments",
    "record/shard",
    "record/slot",
    "record/url",
    "recording_time",
    "redirect",
    "resolve/config",
    "resolve/hosts",
    "resolve/packet",
    "rtsp/auth",
    "rtsp/message",
    "rtsp/sdp",
    "rtsp/transport",
    "rtsp/url",
    "rtsp/wire",
    "prometheus",
    "proxy",
    "rate/timetable",
    "record/listen/answer",
    "retention",
    "room",
    "status/judge",
    "status/rows",
    "status/show",
    "text",
    "units",
    "zone",
    "upload/credentials",
    "upload/ini",
    "upload/key",
    "upload/nothing",
    "upload/parts",
    "upload/pattern",
    "upload/plan",
    "upload/profile",
    "upload/s3/error",
    "upload/s3/location",
    "upload/s3/sign",
    "upload/s3/xml",
    "upload/shell_words",
];

/// Of `std::net`, what is a value.
const ADDRESSES: [&str; 3] = ["IpAddr", "Ipv4Addr", "Ipv6Addr"];

/// What pure modules do not contain. Reading from a `Read` that the caller passes in is allowed, and an `Instant` that is one
/// of the arguments.
const EFFECTS: [&str; 18] = [
    "std::env",
    "std::fs",
    "std::os",
    "std::process",
    "std::thread",
    "std::{",
    "File::",
    "Instant::now",
    "elapsed()",
    "SystemTime",
    "Local::now",
    "Utc::now",
    "stdin",
    "stdout",
    "stderr",
    "rustix::",
    "fs2::",
    "log::",
];

/// Of shared modules that are not pure, what is a value. Errors and units are values all.
const VALUES: [(&str, &[&str]); 8] = [
    ("disk", &["Guard", "Shortage", "Space", "WhenFull", "percent"]),
    ("ffmpeg", &["Version", "command"]),
    ("lock", &["Holder"]),
    ("media", &["Codec", "Muxer", "Packet", "Patch", "Shape", "Track", "ebml", "rtp"]),
    ("network", &["CaBundle"]),
    ("pass", &["Ended", "Failure", "Nothing", "Report"]),
    ("secret", &["Secret"]),
    ("trace", &["Trace"]),
];

#[test]
fn imports_run_one_way() {
    assert_none(&against_the_layers(&sources(&root().join("src"))));
}

#[test]
fn pure_modules_do_no_io() {
    assert_none(&impure(&sources(&root().join("src"))));
}

#[test]
fn every_ureq_agent_has_our_resolver() {
    assert_none(&asks_the_c_library(&sources(&root().join("src"))));
    for text in [
        "let agent: Agent = http::config().build().into();",
        "let agent: Agent = http::config()\n    .build()\n    .into();",
        "Agent::new_with_config(config)",
        "ureq::get(url)",
        "ureq::agent()",
        "(host, 80).to_socket_addrs()",
        "std::env::home_dir()",
    ] {
        let source = Source { path: "metrics.rs".into(), text: text.into() };
        assert_eq!(asks_the_c_library(&[source]).len(), 1, "{text}");
    }
}

/// What would make an agent with ureq's own resolver, or ask the C library for a name or a user.
fn asks_the_c_library(sources: &[Source]) -> Vec<String> {
    const ASKS: [&str; 14] = [
        ".build().into()",
        "Agent::new",
        "Agent::with_parts",
        "Agent::default",
        "DefaultResolver",
        "ureq::agent(",
        "ureq::get(",
        "ureq::put(",
        "ureq::post(",
        "ureq::head(",
        "ureq::delete(",
        "ureq::run(",
        "to_socket_addrs",
        "home_dir",
    ];
    let mut broken = Vec::new();
    for source in sources.iter().filter(|source| source.path != "network.rs") {
        let code: String = code(&source.text).split_whitespace().collect();
        let found = ASKS.iter().filter(|asks| code.contains(*asks));
        broken.extend(found.map(|asks| format!("src/{}: {asks}: use src/network.rs or src/home.rs", source.path)));
    }
    broken
}

#[test]
fn modules_documented_as_pure_are_checked() {
    let listed =
        |path: &str| PURE.iter().any(|pure| path == format!("{pure}.rs") || path.starts_with(&format!("{pure}/")));
    let says = |text: &str| text.lines().take_while(|line| line.starts_with("//!")).any(|line| line.contains("Pure"));
    let broken = sources(&root().join("src")).into_iter().filter(|source| says(&source.text) && !listed(&source.path));
    assert_none(&broken.map(|source| format!("src/{} is not in PURE", source.path)).collect::<Vec<_>>());
}

#[test]
fn import_rules_detect_violations() {
    let source = |path: &str, text: &str| Source { path: path.into(), text: text.into() };
    let mut fine: Vec<Source> = PURE.iter().map(|name| source(&format!("{name}.rs"), "use std::io::Read;")).collect();
    fine.push(source("main.rs", "use footage::{cli, dashcam};\nuse footage::error::Error;"));
    fine.push(source("cli.rs", "use crate::dashcam::plan::{\n    Code, Policy,\n};"));
    fine.push(source("dashcam.rs", "use crate::store::Store;\nuse crate::dashcam::plan::Policy;"));
    fine.push(source("store.rs", "// as crate::dashcam does\nuse crate::error::At;"));
    fine.push(source("error.rs", "use crate::units::ByteSize;"));
    assert_none(&against_the_layers(&fine));
    fine[0].text = "use std::net::{IpAddr, Ipv6Addr};".into();
    assert_none(&impure(&fine));

    for (path, text) in [
        ("dashcam.rs", "use crate::hikvision::index::Index;"),
        ("dashcam/fetch.rs", "use crate::cli::Dashcam;"),
        ("dashcam/fetch.rs", "use super::super::store::Store;"),
        ("store.rs", "use crate::{\n    error::At,\n    dashcam::{name::FileName, plan},\n};"),
        ("store.rs", "fn f() -> crate::upload::Key { todo!() }"),
        ("error.rs", "use crate::store::Store;"),
        ("units.rs", "use crate::main::main;"),
    ] {
        assert_eq!(against_the_layers(&[source(path, text)]).len(), 1, "{path}: {text}");
    }
    let ring = [source("lock.rs", "use crate::store::Store;"), source("store.rs", "use crate::lock::Lock;")];
    assert_eq!(against_the_layers(&ring), ["lock → store → lock: imports run in a ring"]);

    for text in [
        "use std::fs;",
        "let now = chrono::Local::now();",
        "let late = start.elapsed() > wait;",
        "use std::net::{Ipv6Addr, TcpStream};",
        "use std::{fs, io};",
        "use crate::random::random;",
        "use crate::disk::{Space, used};",
        "use crate::store;",
    ] {
        let mut broken: Vec<Source> = PURE.iter().map(|name| source(&format!("{name}.rs"), "")).collect();
        broken.push(source("dashcam/plan/steps.rs", text));
        assert_eq!(impure(&broken).len(), 1, "{text}");
    }
    assert_eq!(impure(&fine[1..]), [format!("src/{}.rs is not there", PURE[0])]);
}

/// `main` and what surrounds a pass 0, `cli` 1, passes 2, what they share 3, and at the bottom the errors with the units that they speak in.
fn layer(module: &str) -> u8 {
    match module {
        "main" | "limits" | "refusal" | "runner" => 0,
        "lib" | "cli" => 1,
        "error" | "failure" | "pass_name" | "permission" | "text_enum" | "units" => 4,
        pass if PASSES.contains(&pass) => 2,
        _ => 3,
    }
}

fn against_the_layers(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut shared: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let module = source.path.split(['/', '.']).next().unwrap_or_default().to_owned();
        let code = code(&source.text);
        if code.contains("super::super::") {
            broken.push(format!("src/{}: super::super:: hides which module it means", source.path));
        }
        for imported in imports(&code) {
            match (layer(&module), layer(&imported)) {
                _ if module == imported => {}
                (from, to) if from < to => {}
                (from, to) if from == to && from > 2 => {
                    shared.entry(module.clone()).or_default().insert(imported);
                }
                _ => broken.push(format!("src/{}: {module} must not import {imported}", source.path)),
            }
        }
    }
    broken.extend(shared.keys().find_map(|module| ring(&shared, &mut vec![module.clone()])));
    broken
}

/// A way through `imports` from the last module of `way` to its first.
fn ring(imports: &BTreeMap<String, BTreeSet<String>>, way: &mut Vec<String>) -> Option<String> {
    for next in imports.get(way.last()?)? {
        if *next == way[0] {
            return Some(format!("{} → {next}: imports run in a ring", way.join(" → ")));
        }
        if !way.contains(next) {
            way.push(next.clone());
            let found = ring(imports, way);
            way.pop();
            if found.is_some() {
                return found;
            }
        }
    }
    None
}

/// The first names behind `crate::`, which `main` calls `footage::`; with or without braces, in a `use` or not.
fn imports(code: &str) -> BTreeSet<String> {
    let paths = code.split("crate::").skip(1).chain(code.split("use footage::").skip(1));
    paths.flat_map(first_names).collect()
}

fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| text.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let mut depth = 1;
    let top_level = group
        .chars()
        .take_while(|c| {
            depth += i32::from(*c == '{') - i32::from(*c == '}');
            depth > 0
        })
        .collect::<String>();
    let (mut names, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, c) in top_level.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if c == ',' && depth == 0 {
            names.push(name(&top_level[start..at]));
            start = at + 1;
        }
    }
    names.push(name(&top_level[start..]));
    names.retain(|name| !name.is_empty());
    names
}

fn impure(sources: &[Source]) -> Vec<String> {
    let mut broken = Vec::new();
    for pure in PURE {
        let mut files = sources
            .iter()
            .filter(|source| source.path == format!("{pure}.rs") || source.path.starts_with(&format!("{pure}/")))
            // Tests have a clock.
            .filter(|source| !source.path.ends_with("tests.rs"))
            .peekable();
        if files.peek().is_none() {
            broken.push(format!("src/{pure}.rs is not there"));
        }
        for source in files {
            let code = code(source.text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default());
            let found = EFFECTS.iter().filter(|effect| says(&code, effect)).map(ToString::to_string);
            let net = code.split("std::net::").skip(1).flat_map(first_names);
            let found = found.chain(net.filter(|name| !ADDRESSES.contains(&name.as_str())));
            let found = found.chain(impure_imports(&code));
            broken.extend(found.map(|effect| format!("src/{}: it is pure, and says {effect}", source.path)));
        }
    }
    broken
}

/// What code takes from shared modules that are not pure, other than values. (Within its pass, the modules that it takes from
/// are read with it.)
fn impure_imports(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for path in code.split("crate::").skip(1) {
        for module in first_names(path) {
            if layer(&module) < 3
                || ["error", "failure", "pass_name", "text_enum", "units"].contains(&module.as_str())
                || PURE.contains(&module.as_str())
            {
                continue;
            }
            let values = VALUES.iter().find(|(of, _)| *of == module).map_or(&[][..], |(_, values)| values);
            let names = path.strip_prefix(&format!("{module}::")).map(first_names).unwrap_or_default();
            if names.is_empty() || !names.iter().all(|name| values.contains(&name.as_str())) {
                found.push(format!("crate::{module}"));
            }
        }
    }
    found
}

/// Whether `effect` stands in the code as words of its own: `File::` is not in `RingFile::`.
fn says(code: &str, effect: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(effect).any(|(at, _)| !code[..at].ends_with(is_word))
}

/// The text without its comments.
fn code(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("//")).collect()
}
