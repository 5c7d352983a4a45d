#!/bin/sh
# http-auth refuses a challenge with two blanks between the scheme and its first parameter. RFC 7235 (2.1) has `1*SP`
# there: one or more. The crate's documentation says that the parser "rigorously matches the official ABNF grammar", and
# lists two exceptions; this is none of them. Between parameters it takes any number of blanks.
#
# Package: http-auth 0.1.10 (crates.io), without its default features
# Input:   Digest realm="a", nonce="b" with one and two blanks after Digest, and with three before nonce
# Expect:  the same challenge with two parameters three times
# Seen:    2026-11-30: two blanks after the scheme are an error, "invalid byte at byte 8"; the other two are parsed
# Matters: a client cannot log in to a camera that asks in this way, with the right password.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work"
mkdir src
cat >Cargo.toml <<'EOF'
[package]
name = "finding"
version = "0.0.0"
edition = "2021"
[dependencies]
http-auth = { version = "=0.1.10", default-features = false }
[workspace]
EOF
cat >src/main.rs <<'EOF'
fn main() {
    let challenges = [
        ("one blank", r#"Digest realm="a", nonce="b""#),
        ("two blanks", r#"Digest  realm="a", nonce="b""#),
        ("three before nonce", r#"Digest realm="a",   nonce="b""#),
    ];
    for (name, text) in challenges {
        match http_auth::parser::ChallengeParser::new(text).collect::<Result<Vec<_>, _>>() {
            Ok(parsed) => println!("{name}: {} with {} parameters", parsed[0].scheme, parsed[0].params.len()),
            Err(error) => {
                eprintln!("{error}");
                println!("{name}: error");
            }
        }
        assert_eq!(http_auth::parse_challenges(text).is_ok(), name != "two blanks");
    }
}
EOF
CARGO_TARGET_DIR="$work/target" cargo run --quiet | tee seen
cat >expected <<'EOF'
one blank: Digest with 2 parameters
two blanks: error
three before nonce: Digest with 2 parameters
EOF
cmp -s seen expected || { echo "changed: http-auth 0.1.10 takes two blanks"; exit 1; }
echo "as found: one blank more is an error"
