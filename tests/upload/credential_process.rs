//! Keys that a program prints: `credential_process` of a profile.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use super::SOON;
use crate::support::s3::{ACCESS_KEY, SECRET_KEY};
use crate::support::s3_proxy::{Answer, Times, When};
use crate::support::uploads::{MULTIPART, Uploads, content};
use crate::support::{Output, Program};

const TOKEN: &str = "TOKENOFTHETEST";

/// A folder, a server, and a home whose default profile has this script for `credential_process`. The script can call `key
/// LIFETIME`, which prints a key with the number of the run in its token.
struct Bench(Uploads);

impl Bench {
    fn new(files: &[&str], script: &str) -> Self {
        let bench = Self(Uploads::with(files));
        bench.set_script(script);
        bench.0.scratch.write("home/.aws/config", format!("[default]\ncredential_process = {}\n", bench.program()));
        bench
    }

    fn program(&self) -> String {
        format!("'{}' 'an argument'", self.0.scratch.join("home/the process").display())
    }

    fn set_script(&self, script: &str) {
        let runs = self.0.scratch.join("runs");
        let script = format!(
            "#!/bin/sh\n[ \"$#,$1\" = '1,an argument' ] || exit 9\necho >>'{runs}'\nN=$(($(wc -l <'{runs}')))\n\
             key() {{ printf '{{\"Version\": 1, \"AccessKeyId\": \"{ACCESS_KEY}\", \"SecretAccessKey\": \"{SECRET_KEY}\", \
             \"SessionToken\": \"{TOKEN}%s\", \"Expiration\": \"%s\"}}' $N \"$(date -u -d \"$1\" +%Y-%m-%dT%H:%M:%SZ)\"; }}\n{script}\n",
            runs = runs.display()
        );
        let path = self.0.scratch.write("home/the process", script);
        fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn footage(&self, options: &[&str]) -> Program {
        let program = self.0.bare(&["src", "--to", "s3://footage/cams", "--region", "us-east-1"]);
        program.args(["--endpoint-url", &self.0.s3.endpoint()]).args(options)
    }

    #[track_caller]
    fn fails(&self, options: &[&str], word: &str) -> Output {
        let output = self.footage(options).run().expect_code(1);
        assert!(output.stderr.contains(word), "{word}: {output}");
        for secret in [SECRET_KEY, TOKEN] {
            assert!(!output.stderr.contains(secret), "{output}");
        }
        output
    }

    fn runs(&self) -> usize {
        fs::read_to_string(self.0.scratch.join("runs")).map_or(0, |text| text.lines().count())
    }

    /// The tokens that were sent, in their order, each once.
    fn tokens(&self) -> Vec<String> {
        let requests = self.0.s3.proxy.requests();
        let mut tokens: Vec<String> =
            requests.iter().filter_map(|request| Some(request.header("x-amz-security-token")?.to_owned())).collect();
        tokens.dedup();
        tokens
    }
}

fn token(n: usize) -> String {
    format!("{TOKEN}{n}")
}

#[test]
fn credential_process_runs_once_and_only_where_there_is_something_to_send() {
    let bench = Bench::new(&["a.ts", "b.ts", "c/d.ts"], "key '+1 hour'");
    bench.footage(&["--dry-run"]).run().expect_code(0);
    assert_eq!(bench.runs(), 0);
    let output = bench.footage(&["-vv"]).run().expect_code(0);
    assert!(!output.stderr.contains(TOKEN) && !output.stderr.contains(SECRET_KEY), "{output}");
    bench.0.assert_uploaded();
    assert_eq!((bench.runs(), bench.tokens()), (1, vec![token(1)]));
    bench.footage(&[]).run().expect_silence_but_for_removals();
    assert_eq!(bench.runs(), 1);
}

#[test]
fn credential_process_is_run_again_before_its_key_expires() {
    let names: Vec<String> = (0..24).map(|n| format!("{n:02}.ts")).collect();
    let bench = Bench::new(&[], "key '+3 seconds'");
    for name in &names {
        bench.0.file(name, content(name, 100_000));
    }
    bench.footage(&["--limit-rate", "400k", "--jobs", "2"]).run().expect_code(0);
    bench.0.assert_uploaded();
    let tokens = bench.tokens();
    assert!((2..8).contains(&bench.runs()) && tokens.len() >= 2, "{} runs, {tokens:?}", bench.runs());
}

#[test]
fn credential_process_in_the_mandatory_window_runs_again_and_not_for_each_request() {
    let bench = Bench::new(&["a.ts", "b.ts", "c.ts", "d.ts", "e.ts"], "key '+9 minutes'");
    bench.footage(&["--jobs", "1"]).run().expect_code(0);
    assert_eq!((bench.runs(), bench.tokens()), (2, vec![token(1), token(2)]));
}

#[test]
fn a_key_that_is_not_renewed_is_used_to_its_end() {
    let bench = Bench::new(&["a.ts", "b.ts"], "[ $N = 1 ] || { echo 'login ended' >&2; exit 3; }\nkey '+5 minutes'");
    let output = bench.footage(&[]).run().expect_code(0);
    assert!(output.stderr.contains("login ended") && output.stderr.contains("used to its end"), "{output}");
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
    bench.0.assert_uploaded();
    assert_eq!((bench.runs(), bench.tokens()), (2, vec![token(1)]));
}

#[test]
fn a_key_that_expires_in_mid_pass_loses_no_part() {
    let bench = Bench::new(&[], "[ $N -le 1 ] || { echo 'login ended' >&2; exit 3; }\nkey '+4 seconds'");
    bench.0.file("big.ts", content("big", 2 * MULTIPART));
    bench.fails(&["--limit-rate", "4M", "--jobs", "1"], "login ended");
    let sent = bench.0.s3.proxy.requests_for("PUT partNumber").len();
    assert!(sent > 0);
    bench.set_script("key '+1 hour'");
    bench.0.s3.proxy.clear_log();
    bench.footage(&[]).run().expect_code(0);
    bench.0.assert_uploaded();
    let parts = bench.0.s3.proxy.requests_for("PUT partNumber");
    assert!(parts.iter().all(|part| part.part_number() > Some(1)), "{parts:?}");
}

#[test]
fn credential_process_is_run_again_when_the_server_says_expired_token() {
    for matcher in ["HEAD", "PUT"] {
        let bench = Bench::new(&["a.ts"], "key '+1 hour'");
        let answer = || Answer::error(400, "ExpiredToken").at(When::Early).into();
        bench.0.s3.proxy.fault(matcher, answer(), Times::First(1));
        if matcher == "HEAD" {
            bench.0.s3.proxy.fault("GET", answer(), Times::First(1));
        }
        bench.footage(&[]).run().expect_code(0);
        bench.0.assert_uploaded();
        assert_eq!((bench.runs(), bench.tokens()), (2, vec![token(1), token(2)]), "{matcher}");
    }
}

#[test]
fn an_expired_token_is_named_as_such() {
    let uploads = Uploads::with(&["a.ts"]);
    uploads.s3.proxy.fault("", Answer::error(400, "ExpiredToken").at(When::Early).into(), Times::Always);
    let output = uploads.footage(&[]).env("AWS_SESSION_TOKEN", TOKEN).run().expect_code(1);
    assert!(output.stderr.contains("has expired") && output.stderr.contains("aws sso login"), "{output}");
    assert_eq!(output.stderr.lines().count(), 1, "{output}");
}

#[test]
fn errors_of_credential_process_say_what_it_did() {
    let bench = Bench::new(&["a.ts"], "");
    for (script, word) in [
        ("echo 'Token has expired and refresh failed' >&2; exit 255", "exit status: 255): \"Token has expired"),
        ("kill -9 $$", "signal: 9"),
        ("echo {TOKENOFTHETEST", "no JSON"),
        (":", "no JSON"),
        ("key '-1 minute'", "has expired"),
        ("while :; do echo TOKENOFTHETEST; done", "more than a key"),
    ] {
        bench.set_script(script);
        bench.fails(&[], word);
    }
    assert!(bench.0.s3.proxy.requests().is_empty());
    bench
        .0
        .scratch
        .write("home/.aws/config", "[default]\ncredential_process = no-such-program --token TOKENOFTHETEST\n");
    bench.fails(&[], "full path");
    bench.0.scratch.write("home/.aws/config", "[default]\ncredential_process = /etc/passwd TOKENOFTHETEST\n");
    bench.fails(&[], "cannot run");
    bench.0.assert_safe();
}

#[test]
fn credential_process_is_killed_with_its_group_after_timeout() {
    let bench = Bench::new(&["a.ts"], "sleep 1000 & echo $! >\"$HOME/sleeper\"; wait");
    bench.fails(&["--timeout", "1s"], "took longer than 1s");
    let pid = fs::read_to_string(bench.0.scratch.join("home/sleeper")).unwrap();
    let status = format!("/proc/{}/status", pid.trim());
    let is_gone = || fs::read_to_string(&status).map_or(true, |status| status.contains("State:\tZ"));
    let began = Instant::now();
    while !is_gone() {
        assert!(began.elapsed() < SOON, "{pid} is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn credential_process_may_leave_a_process_behind_that_keeps_its_output_open() {
    let bench = Bench::new(&["a.ts"], "sleep 5 & key '+1 hour'");
    let began = Instant::now();
    bench.footage(&[]).run().expect_code(0);
    bench.0.assert_uploaded();
    assert!(began.elapsed() < SOON);
}

#[test]
fn credential_process_has_the_environment_and_no_password_of_ours() {
    let bench = Bench::new(&["a.ts"], "env >\"$HOME/env\"; cat >\"$HOME/stdin\"; key '+1 hour'");
    bench.footage(&[]).env("AWS_CONFIG_EXTRA", "here").env("FOOTAGE_ADDRESS", "http://u:p@cam").run().expect_code(0);
    let env = fs::read_to_string(bench.0.scratch.join("home/env")).unwrap();
    assert!(env.contains("AWS_CONFIG_EXTRA=here") && !env.contains("u:p@cam"), "{env}");
}

#[test]
fn access_keys_are_used_without_newlines_and_blanks_around_them() {
    let uploads = Uploads::with(&["a.ts"]);
    let program = uploads.footage(&[]).env("AWS_ACCESS_KEY_ID", format!(" {ACCESS_KEY}\r\n"));
    let program = program.env("AWS_SECRET_ACCESS_KEY", format!("{SECRET_KEY}\n")).env("AWS_SESSION_TOKEN", "t\n");
    program.run().expect_code(0);
    uploads.assert_uploaded();
    for (variable, value) in [
        ("AWS_ACCESS_KEY_ID", "AKIA\nFOOTAGE"),
        ("AWS_ACCESS_KEY_ID", "AKIA FOOTAGE"),
        ("AWS_SECRET_ACCESS_KEY", "TOKENOFTHE\u{1}TEST"),
        ("AWS_SESSION_TOKEN", "TOKENOFTHE\nTEST"),
    ] {
        let output = uploads.footage(&[]).env(variable, value).run().expect_code(2);
        assert!(output.stderr.contains(variable) && !output.stderr.contains("TOKENOFTHE"), "{output}");
        assert_eq!(output.stderr.lines().count(), 1, "{output}");
    }
}
