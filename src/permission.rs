//! What to do about a file or a folder that the system does not let us use: whose it is, who this is, what to type.
//!
//! Names of users are read from `/etc/passwd`: the C library would load code of the host to look further.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::geteuid;

/// The folder of our own in a destination: with what is in it, it should belong to who owns the destination.
const STATE_DIR: &str = ".footage";

/// What stands in the way of a path, in words, and a command that helps: `it belongs to root (uid 0) and has mode 0644, this
/// is pi (uid 1000): run it as root, or type: sudo chown pi /srv/footage`. Empty where nothing can be seen.
#[must_use]
pub fn hint(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Some(Obstacle { path: obstacle, metadata, missing }) = Obstacle::find(&path) else { return String::new() };
    let users = fs::read("/etc/passwd").unwrap_or_default();
    let users = String::from_utf8_lossy(&users);
    let us = geteuid().as_raw();
    let what = if obstacle == path { "it".to_owned() } else { obstacle.display().to_string() };
    let owner = user(&users, metadata.uid());
    let mode = metadata.mode() & 0o7777;
    let this = user(&users, us);
    let remedy = remedy(&Case { obstacle: &obstacle, missing: missing.as_deref(), owner: metadata.uid(), us }, &users);
    format!("{what} belongs to {owner} and has mode {mode:04o}, this is {this}: {remedy}")
}

/// What keeps us out.
struct Obstacle {
    path: PathBuf,
    metadata: Metadata,
    /// What is not there yet, and cannot be made in it.
    missing: Option<PathBuf>,
}

impl Obstacle {
    /// The first folder on the way that we may not enter; else what is there of the path, or the folder that it would be in.
    fn find(path: &Path) -> Option<Self> {
        let may = |path: &Path, access| accessat(CWD, path, access, AtFlags::EACCESS).is_ok();
        let of = |path: &Path, missing: Option<&Path>| {
            let metadata = fs::metadata(path).ok()?;
            Some(Self { path: path.to_owned(), metadata, missing: missing.map(Path::to_owned) })
        };
        let mut way: Vec<&Path> = path.ancestors().collect();
        way.reverse();
        let mut last = *way.first()?;
        for here in way {
            let Ok(metadata) = fs::symlink_metadata(here) else { return of(last, Some(here)) };
            if metadata.is_dir() && !may(here, Access::EXEC_OK) {
                return of(here, None);
            }
            last = here;
        }
        let is_usable = may(path, Access::READ_OK | Access::WRITE_OK);
        // The file itself may be used: then it cannot be removed or replaced in its folder. Where that is not so either, it is
        // for a reason that no mode shows.
        let folder = path.parent().filter(|folder| is_usable && !may(folder, Access::WRITE_OK));
        if is_usable && folder.is_none() { None } else { of(folder.unwrap_or(path), None) }
    }
}

struct Case<'a> {
    obstacle: &'a Path,
    missing: Option<&'a Path>,
    owner: u32,
    us: u32,
}

fn remedy(case: &Case<'_>, users: &str) -> String {
    let Case { obstacle, missing, owner, us } = *case;
    let me = name(users, us).map_or_else(|| us.to_string(), str::to_owned);
    if us == 0 {
        return "root may not either; on NFS allow it with no_root_squash, or run as the owner".to_owned();
    }
    if owner == us {
        return format!("chmod u+rwX {}", quoted(obstacle));
    }
    let state = obstacle.ancestors().find(|folder| folder.file_name().is_some_and(|name| name == STATE_DIR));
    let missing_state = missing.is_some_and(|missing| missing.file_name().is_some_and(|name| name == STATE_DIR));
    match (state, missing) {
        // An earlier pass ran as another user.
        (Some(state), _) => run_as_or(users, owner, &format!("sudo chown -R {me} {}", quoted(state))),
        (None, None) if obstacle.is_file() => run_as_or(users, owner, &format!("sudo chown {me} {}", quoted(obstacle))),
        (None, Some(missing)) if !missing_state => format!("sudo install -d -o {me} {}", quoted(missing)),
        // A folder of the system is not given away.
        _ if obstacle.components().count() <= 2 => format!("name another folder, or run it as {}", user(users, owner)),
        _ => run_as_or(users, owner, &format!("sudo chown {me} {}", quoted(obstacle))),
    }
}

/// An earlier pass may have run as the owner, and this one could.
fn run_as_or(users: &str, owner: u32, command: &str) -> String {
    match name(users, owner) {
        Some(owner) => format!("run it as {owner}, or type: {command}"),
        None => format!("type: {command}"),
    }
}

/// `pi (uid 1000)`, or `uid 1000` where it has no name.
fn user(users: &str, uid: u32) -> String {
    name(users, uid).map_or_else(|| format!("uid {uid}"), |name| format!("{name} (uid {uid})"))
}

/// The name of a user in the text of `/etc/passwd`: `pi:x:1000:1000:…`.
fn name(users: &str, uid: u32) -> Option<&str> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid) && !name.is_empty()).then_some(name)
    })
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ',' | '@' | ':');
    if text.chars().all(is_plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\n\npi:x:1000:1000:,,,:/srv/pi:/bin/bash\n";

    fn remedy(obstacle: &str, missing: Option<&str>, owner: u32, us: u32) -> String {
        let case = Case { obstacle: Path::new(obstacle), missing: missing.map(Path::new), owner, us };
        super::remedy(&case, USERS)
    }

    #[test]
    fn users_are_named_as_passwd_has_them() {
        assert_eq!((user(USERS, 1000), user(USERS, 7)), ("pi (uid 1000)".into(), "uid 7".into()));
    }

    #[test]
    fn a_permission_error_has_a_command_to_type() {
        for (obstacle, missing, owner, us, typed) in [
            (
                "/srv/f/.footage/dashcam.lock",
                None,
                0,
                1000,
                "run it as root, or type: sudo chown -R pi /srv/f/.footage",
            ),
            ("/srv", Some("/srv/my cams"), 0, 1000, "sudo install -d -o pi '/srv/my cams'"),
            ("/srv/f", Some("/srv/f/.footage"), 7, 1000, "type: sudo chown pi /srv/f"),
            ("/srv", None, 0, 1000, "name another folder, or run it as root (uid 0)"),
            ("/srv/f", None, 1000, 1000, "chmod u+rwX /srv/f"),
            ("/srv/f", None, 7, 9, "type: sudo chown 9 /srv/f"),
        ] {
            assert_eq!(remedy(obstacle, missing, owner, us), typed);
        }
        assert!(remedy("/mnt/nas/f", None, 7, 0).contains("no_root_squash"));
    }
}
