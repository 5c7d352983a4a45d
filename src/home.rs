//! The home directory of the user: `$HOME`, else `/etc/passwd`.
//!
//! `getpwuid` would load the modules that `/etc/nsswitch.conf` names, see [`resolve`](crate::resolve).

use std::path::PathBuf;

use rustix::process::getuid;

/// `$HOME`; under a scheduler that sets none, the directory that `/etc/passwd` has for the user. None where neither has one.
#[must_use]
pub fn directory() -> Option<PathBuf> {
    let set = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    set.or_else(|| in_passwd(&std::fs::read("/etc/passwd").ok()?, getuid().as_raw()))
}

/// The directory in the first line of a user: see passwd(5).
fn in_passwd(passwd: &[u8], uid: u32) -> Option<PathBuf> {
    let text = String::from_utf8_lossy(passwd);
    text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let &[_name, _password, id, _gid, _gecos, home, _shell] = fields.as_slice() else { return None };
        (id.parse() == Ok(uid) && !home.is_empty()).then(|| home.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwd_has_the_home_of_a_user_id() {
        let passwd = b"# comment\nbroken:x:1000\nadmin:x:1000:100:\xFF:/data/admin:/bin/sh\n\
            again:x:1000:100::/data/again:/bin/sh\nnone:x:1001:100:::/bin/sh\n+::::::\n";
        assert_eq!(in_passwd(passwd, 1000), Some("/data/admin".into()));
        for uid in [0, 1, 100, 1001] {
            assert_eq!(in_passwd(passwd, uid), None, "{uid}");
        }
    }
}
