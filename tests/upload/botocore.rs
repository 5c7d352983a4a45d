//! The access key of a pass is the one that botocore finds with the same files, variables and options.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::support::s3_proxy::{Answer, Proxy, Times, When};
use crate::support::uploads::Uploads;
use crate::support::{Output, Program};

/// Files, variables and the profile of `--profile`.
#[derive(Clone, Default)]
struct Case {
    name: &'static str,
    credentials: String,
    config: String,
    variables: Vec<(&'static str, String)>,
    profile: Option<&'static str>,
    /// footage is more patient than botocore: the key that it uses where botocore fails.
    more: Option<&'static str>,
}

fn key(id: &str) -> String {
    format!("aws_access_key_id = {id}\naws_secret_access_key = secret\n")
}

fn case(name: &'static str, credentials: impl Into<String>, config: impl Into<String>) -> Case {
    Case { name, credentials: credentials.into(), config: config.into(), ..Case::default() }
}

impl Case {
    fn with(mut self, variables: &[(&'static str, &str)]) -> Self {
        self.variables.extend(variables.iter().map(|(name, value)| (*name, (*value).to_owned())));
        self
    }

    fn env_key(self) -> Self {
        self.with(&[("AWS_ACCESS_KEY_ID", "ENV"), ("AWS_SECRET_ACCESS_KEY", "env")])
    }

    fn profile(self, profile: &'static str) -> Self {
        Self { profile: Some(profile), ..self }
    }

    fn more(self, key: &'static str) -> Self {
        Self { more: Some(key), ..self }
    }
}

/// A process that prints this key.
fn process(id: &str) -> String {
    format!(
        "credential_process = /bin/echo '{{\"Version\": 1, \"AccessKeyId\": \"{id}\", \"SecretAccessKey\": \"p\", \
         \"SessionToken\": \"token-of-{id}\"}}'\n"
    )
}

/// Which provider wins.
fn precedence() -> Vec<Case> {
    let both = || {
        let (a, b, c, d) = (key("CRED"), key("CREDB2"), key("CONF"), key("CONFB2"));
        case(
            "both files",
            format!("[default]\n{a}[b2]\n{b}"),
            format!("[default]\n{c}[profile b2]\n{d}[profile only]\n{c}"),
        )
    };
    let role = "role_arn = arn:aws:iam::123456789012:role/x\nsource_profile = base\n[profile base]\naws_access_key_id=BASE\naws_secret_access_key=b\n";
    let sso = "sso_start_url = https://x\nsso_region = eu-west-1\nsso_account_id = 1\nsso_role_name = r\n";
    let token = "aws_session_token = session\naws_security_token = security\n";
    vec![
        both(),
        both().env_key(),
        both().profile("b2"),
        both().profile("only"),
        both().profile("b2").env_key(),
        both().profile("missing"),
        both().with(&[("AWS_PROFILE", "b2")]),
        both().with(&[("AWS_PROFILE", "b2")]).env_key(),
        both().with(&[("AWS_PROFILE", "b2")]).profile("default"),
        both().with(&[("AWS_DEFAULT_PROFILE", "b2")]),
        both().with(&[("AWS_DEFAULT_PROFILE", "b2"), ("AWS_PROFILE", "only")]),
        both().with(&[("AWS_ACCESS_KEY_ID", "HALF")]),
        both().with(&[("AWS_SECRET_ACCESS_KEY", "half")]),
        both().env_key().with(&[("AWS_SESSION_TOKEN", "t1"), ("AWS_SECURITY_TOKEN", "t2")]),
        both().env_key().with(&[("AWS_SESSION_TOKEN", "t1")]),
        both().with(&[("AWS_SESSION_TOKEN", "t1")]),
        both().env_key().with(&[("AWS_CREDENTIAL_EXPIRATION", "2100-01-01T00:00:00Z")]),
        both().env_key().with(&[("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z")]),
        both().env_key().with(&[("AWS_CREDENTIAL_EXPIRATION", "soon")]),
        case("tokens", format!("[default]\n{}{token}", key("A")), ""),
        case("tokens in config", "", format!("[default]\n{}{token}", key("A"))),
        case("half in credentials", "[default]\naws_access_key_id = A\n", format!("[default]\n{}", key("B"))),
        case("secret alone", "[default]\naws_secret_access_key = A\n", format!("[default]\n{}", key("B"))),
        case("process", "", format!("[default]\n{}", process("P"))),
        case("process in credentials", format!("[default]\n{}", process("P")), ""),
        case("process in both", format!("[default]\n{}", process("P")), format!("[default]\n{}", process("Q"))),
        case("process and key in credentials", format!("[default]\n{}{}", process("P"), key("A")), ""),
        case(
            "process in config, key in credentials",
            format!("[default]\n{}", key("A")),
            format!("[default]\n{}", process("P")),
        ),
        case("process and key in config", "", format!("[default]\n{}{}", process("P"), key("B"))),
        case("process, variables", "", format!("[default]\n{}", process("P"))).env_key(),
        case("process of a profile", "", format!("[profile b2]\n{}", process("P"))).profile("b2").env_key(),
        case("process fails", "", "[default]\ncredential_process = /bin/false\n"),
        case("process is missing", "", "[default]\ncredential_process = /nowhere/program\n"),
        case("process without shell", "", "[default]\ncredential_process = /bin/echo {} | cat\n"),
        case("open quote", "", "[default]\ncredential_process = /bin/echo 'x\n"),
        case("process of version 2", "", format!("[default]\n{}", process("P").replace("1,", "2,"))),
        case("role", format!("[default]\n{}", key("A")), format!("[default]\n{role}")),
        case("role, variables", "", format!("[default]\n{role}")).env_key(),
        case("role of a profile", "", format!("[profile b2]\n{role}")).profile("b2"),
        case("sso", format!("[default]\n{}", key("A")), format!("[default]\n{sso}")),
        case("sso without a role", format!("[default]\n{}", key("A")), "[default]\nsso_start_url = https://x\n"),
        case("web identity", format!("[default]\n{}", key("A")), "")
            .with(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")]),
        case("web identity, profile", format!("[default]\n{}", key("A")), "")
            .profile("default")
            .with(&[("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/x")]),
        case("login, key", format!("[default]\n{}", key("A")), "[default]\nlogin_session = x\n"),
        case("login", "", "[default]\nlogin_session = x\n"),
        case("container, key", format!("[default]\n{}", key("A")), "")
            .with(&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:9/")]),
        case("nothing", "", ""),
    ]
}

/// How files are written.
fn notations() -> Vec<Case> {
    let a = key("A");
    let nested = "s3 =\n    addressing_style = path\n    max_concurrent_requests = 20\n";
    vec![
        case("CRLF", format!("[default]\n{a}").replace('\n', "\r\n"), ""),
        case("CR", format!("[default]\n{a}").replace('\n', "\r"), ""),
        case("byte order mark", format!("\u{feff}[default]\n{a}"), "").more("A"),
        case("case of keys", "[default]\nAWS_Access_Key_ID=A\nAWS_SECRET_ACCESS_KEY=s\n", ""),
        case("case of sections", format!("[Default]\n{a}"), ""),
        case("colons", "[default]\naws_access_key_id: A\naws_secret_access_key : s=:\n", ""),
        case("comments", format!("# x\n[default]\n; y\n  # z\n{a}"), ""),
        case("no inline comments", "[default]\naws_access_key_id=A#b;c\naws_secret_access_key=s # x\n", ""),
        case("comment after a section", format!("[default] # mine\n{a}"), ""),
        case("bracket after a section", format!("[default] # [mine]\n{a}"), ""),
        case("blanks in brackets", format!("[ default ]\n{a}"), ""),
        case("blanks in brackets of config", "", format!("[ default ]\n{a}")),
        case("indented", "  [default]\n   aws_access_key_id = A\n   aws_secret_access_key = s\n", ""),
        case("deeper secret", "[default]\naws_access_key_id = A\n  aws_secret_access_key = s\n", ""),
        case("deeper id", "[default]\nregion = x\n  aws_access_key_id = A\naws_secret_access_key = s\n", ""),
        case("nested", format!("[default]\n{nested}{a}"), ""),
        case("nested key", "[default]\ns3 =\n  aws_access_key_id = A\naws_secret_access_key = s\n", ""),
        case("nested without =", format!("[default]\ns3 =\n  word\n{a}"), ""),
        case("section twice", format!("[default]\n{a}[b2]\n{a}[default]\n{}", key("B")), ""),
        case("key twice", format!("[default]\n{a}aws_access_key_id = B\n"), ""),
        case("key twice in two cases", format!("[default]\n{a}AWS_ACCESS_KEY_ID = B\n"), ""),
        case("junk", format!("[default]\n{a}junk\n"), ""),
        case("junk in the other file", format!("[default]\n{a}"), "[default]\njunk\n"),
        case("above a section", format!("region = x\n[default]\n{a}"), ""),
        case("empty section", format!("[]\n[default]\n{a}"), ""),
        case("DEFAULT", format!("[DEFAULT]\n{a}[default]\nregion = x\n"), ""),
        case("DEFAULT alone", format!("[DEFAULT]\n{a}"), ""),
        case("profile in credentials", format!("[profile b2]\n{a}"), "").profile("b2"),
        case("no profile in config", "", format!("[b2]\n{a}")).profile("b2"),
        case("quoted", "", format!("[profile \"x y\"]\n{a}")).profile("x y"),
        case("single quotes", "", format!("[profile 'x y']\n{a}")).profile("x y"),
        case("not quoted", "", format!("[profile x y]\n{a}")).profile("x y"),
        case("quoted in credentials", format!("[x y]\n{a}"), "").profile("x y"),
        case("tab", "", format!("[profile\tb2]\n{a}")).profile("b2"),
        case("profile default", "", format!("[profile default]\n{a}")),
        case("default twice", "", format!("[default]\n{a}[profile default]\n{}", key("B"))),
        case("default twice, turned", "", format!("[profile default]\n{a}[default]\n{}", key("B"))),
        case("profiles", "", format!("[profiles b2]\n{a}")).profile("b2"),
        case("continued process", "", format!("[default]\n{}", process("P").replace("/bin/echo ", "/bin/echo\n  "))),
        case("quotes in a key", "[default]\naws_access_key_id = \"A\"\naws_secret_access_key = s\n", ""),
    ]
}

struct Bench {
    uploads: Uploads,
    server: Proxy,
}

impl Bench {
    fn home(&self, n: usize, case: &Case) -> PathBuf {
        let home = self.uploads.scratch.join(format!("homes/{n}"));
        fs::create_dir_all(home.join(".aws")).expect("our own directory");
        for (name, text) in [("credentials", &case.credentials), ("config", &case.config)] {
            if !text.is_empty() {
                fs::write(home.join(".aws").join(name), text).expect("our own file");
            }
        }
        home
    }

    /// The key and token of the first request, or that none was sent.
    fn used(&self, case: &Case, home: &Path) -> (Option<(String, Option<String>)>, Output) {
        self.server.clear_log();
        let endpoint = format!("http://{}", self.server.address());
        let program =
            self.uploads.bare(&["src", "--to", "s3://footage/cams", "--endpoint-url", &endpoint, "--region", "x"]);
        let program =
            case.variables.iter().fold(program.env("HOME", home), |program, (name, value)| program.env(name, value));
        let output = program.args(case.profile.into_iter().flat_map(|profile| ["--profile", profile])).run();
        let requests = self.server.requests();
        let used = requests.first().map(|request| {
            let (key, _) = request.signed_by().expect("signed");
            (key.to_owned(), request.header("x-amz-security-token").map(str::to_owned))
        });
        (used, output)
    }
}

#[track_caller]
fn assert_as_botocore(cases: &[Case]) {
    let uploads = Uploads::with(&["a.ts"]);
    let server = Proxy::start();
    server.fault("", Answer::error(403, "InvalidAccessKeyId").at(When::Early).into(), Times::Always);
    let bench = Bench { uploads, server };
    let homes: Vec<PathBuf> = cases.iter().enumerate().map(|(n, case)| bench.home(n, case)).collect();
    let asked: Vec<Value> = cases
        .iter()
        .zip(&homes)
        .map(|(case, home)| {
            let variables: serde_json::Map<String, Value> =
                case.variables.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
            json!({ "home": home, "variables": variables, "profile": case.profile })
        })
        .collect();
    let asked = bench.uploads.scratch.write("cases.json", Value::Array(asked).to_string());
    let found = botocore(&asked);
    assert!(found.iter().filter(|found| found["key"].is_string()).count() > cases.len() / 3, "{found:?}");
    for ((case, home), found) in cases.iter().zip(&homes).zip(found) {
        let (used, output) = bench.used(case, home);
        let text = |name: &str| found[name].as_str().map(str::to_owned);
        let expected =
            text("key").map(|key| (key, text("token"))).or_else(|| case.more.map(|key| (key.to_owned(), None)));
        // What cannot be sent as a header is refused with a reason instead.
        let expected = expected.filter(|(key, _)| !key.contains(|c: char| c.is_control()));
        assert_eq!(used, expected, "{}: botocore has {found}; {output}", case.name);
        assert!(used.is_some() || output.code == Some(2) || output.code == Some(1), "{}: {output}", case.name);
        if let Some(by) = found["by"].as_str() {
            assert!(output.stderr.contains("credential_process = aws configure export-credentials"), "{by}: {output}");
        }
    }
}

fn botocore(cases: &Path) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let modules = target.join("tools/botocore-1.43.11");
    assert!(modules.is_dir(), "{} is not there: run tests/setup", modules.display());
    let output = Program::new("/usr/bin/python3")
        .arg(root.join("tests/upload/access_key.py"))
        .arg(cases)
        .env("PYTHONPATH", modules)
        .run()
        .expect_code(0);
    serde_json::from_str(&output.stdout).expect("JSON")
}

#[test]
fn access_key_precedence_is_that_of_botocore() {
    assert_as_botocore(&precedence());
}

#[test]
fn access_keys_are_read_from_files_as_botocore_reads_them() {
    assert_as_botocore(&notations());
}
