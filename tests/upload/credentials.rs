//! Whose keys, which region and which server: as the AWS CLI finds them.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::support::s3::{ACCESS_KEY, SECRET_KEY};
use crate::support::s3_proxy::{Answer, Proxy, Times, When};
use crate::support::uploads::Uploads;
use crate::support::{Output, Program, as_root};

const CREDENTIALS: &str = "\
# A comment
[default]
aws_access_key_id = DEFAULTKEY
aws_secret_access_key = default

[b2]
aws_access_key_id=B2KEY
aws_secret_access_key=b2
aws_session_token = b2-token

[half]
aws_access_key_id = HALFKEY
";

const CONFIG: &str = "\
[default]
region = eu-west-1

[profile b2]
region = ca-east-006
aws_access_key_id = NEVER
aws_secret_access_key = never

[profile only-config]
aws_access_key_id = CONFIGKEY
aws_secret_access_key = config
region=eu-north-1

[profile role]
role_arn = arn:aws:iam::123456789012:role/backup
source_profile = default
";

/// A file to upload, a home with the files of the AWS CLI, and a server that takes no key but notes it.
struct Bench {
    uploads: Uploads,
    server: Proxy,
}

impl Bench {
    fn new() -> Self {
        let uploads = Uploads::with(&["a.ts"]);
        uploads.scratch.write("home/.aws/config", CONFIG);
        let server = Proxy::start();
        server.fault("", Answer::error(403, "InvalidAccessKeyId").at(When::Early).into(), Times::Always);
        let bench = Self { uploads, server };
        bench.write_credentials("home/.aws/credentials", CREDENTIALS);
        bench
    }

    fn write_credentials(&self, name: &str, text: &str) -> PathBuf {
        let path = self.uploads.scratch.write(name, text);
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
        path
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.server.address())
    }

    fn footage(&self, options: &[&str], variables: &[(&str, &str)]) -> Program {
        let program = self.uploads.bare(&["src", "--to", "s3://footage/cams"]).args(options);
        variables.iter().fold(program, |program, (name, value)| program.env(name, value))
    }

    /// The key and the region of the first request of a pass with these options and variables.
    #[track_caller]
    fn signed_by(&self, options: &[&str], variables: &[(&str, &str)]) -> (String, String) {
        self.server.clear_log();
        let output = self.footage(options, variables).args(["--endpoint-url", &self.endpoint()]).run();
        let requests = self.server.requests();
        let first = requests.first().unwrap_or_else(|| panic!("{options:?} {variables:?}: no request; {output}"));
        assert_eq!(output.code, Some(1), "{output}");
        let (key, region) = first.signed_by().unwrap();
        (key.to_owned(), region.to_owned())
    }
}

#[track_caller]
fn assert_signed_by(cases: &[(&[&str], Variables<'_>, &str, &str)]) {
    let bench = Bench::new();
    for (options, variables, key, region) in cases {
        let signed = bench.signed_by(options, variables);
        assert_eq!(signed, ((*key).to_owned(), (*region).to_owned()), "{options:?} {variables:?}");
    }
}

type Variables<'a> = &'a [(&'a str, &'a str)];

const ENV_KEY: [(&str, &str); 2] = [("AWS_ACCESS_KEY_ID", "ENVKEY"), ("AWS_SECRET_ACCESS_KEY", "env")];

#[test]
fn access_keys_have_the_precedence_of_the_aws_cli() {
    let profile = |name| [ENV_KEY[0], ENV_KEY[1], ("AWS_PROFILE", name)];
    assert_signed_by(&[
        (&[], &[], "DEFAULTKEY", "eu-west-1"),
        (&[], &ENV_KEY, "ENVKEY", "eu-west-1"),
        (&[], &[("AWS_PROFILE", "b2")], "B2KEY", "ca-east-006"),
        // Keys in the environment win over a profile in the environment, and `--profile` wins over them.
        (&[], &profile("b2"), "ENVKEY", "ca-east-006"),
        (&["--profile", "b2"], &ENV_KEY, "B2KEY", "ca-east-006"),
        (&["--profile", "b2"], &[("AWS_PROFILE", "default")], "B2KEY", "ca-east-006"),
        (&["--profile", "only-config"], &[], "CONFIGKEY", "eu-north-1"),
        // Empty is not set.
        (&[], &[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")], "DEFAULTKEY", "eu-west-1"),
    ]);
}

#[test]
fn region_has_the_precedence_of_the_aws_cli() {
    let (region, default) = (("AWS_REGION", "ap-south-1"), ("AWS_DEFAULT_REGION", "ap-south-2"));
    assert_signed_by(&[
        (&["--region", "us-west-1"], &[region, default], "DEFAULTKEY", "us-west-1"),
        (&[], &[region, default], "DEFAULTKEY", "ap-south-1"),
        (&["--profile", "b2"], &[default], "B2KEY", "ap-south-2"),
        (&["--profile", "b2"], &[], "B2KEY", "ca-east-006"),
    ]);
}

#[test]
fn aws_shared_credentials_file_and_aws_config_file_are_read() {
    let bench = Bench::new();
    let credentials =
        bench.write_credentials("c", "[default]\r\naws_access_key_id = THERE\r\naws_secret_access_key = x\r\n");
    let config = bench.uploads.scratch.write("f", "[default]\nregion = sa-east-1\n");
    let variables =
        [("AWS_SHARED_CREDENTIALS_FILE", credentials.to_str().unwrap()), ("AWS_CONFIG_FILE", config.to_str().unwrap())];
    assert_eq!(bench.signed_by(&[], &variables), ("THERE".into(), "sa-east-1".into()));
}

#[test]
fn endpoint_has_the_precedence_of_the_aws_cli() {
    let bench = Bench::new();
    let (right, wrong) = (bench.endpoint(), "http://127.0.0.1:9");
    let section = |endpoint: &str, service: &str| {
        format!(
            "[profile e]\nregion = eu-west-1\nendpoint_url = {endpoint}\nservices = mine\n\
             aws_access_key_id = EKEY\naws_secret_access_key = e\n[services mine]\ns3 =\n  endpoint_url = {service}\n\
             [profile plain]\nregion = eu-west-1\nendpoint_url = {endpoint}\naws_access_key_id = PKEY\n\
             aws_secret_access_key = p\n"
        )
    };
    let reaches = |options: &[&str], variables: &[(&str, &str)]| {
        bench.server.clear_log();
        let output = bench.footage(options, variables).run();
        assert!(!bench.server.requests().is_empty(), "{options:?} {variables:?} {output}");
    };
    let both = [("AWS_ENDPOINT_URL_S3", wrong), ("AWS_ENDPOINT_URL", wrong)];
    reaches(&["--endpoint-url", &right], &both);
    reaches(&[], &[("AWS_ENDPOINT_URL_S3", &right), ("AWS_ENDPOINT_URL", wrong)]);
    reaches(&[], &[("AWS_ENDPOINT_URL", &right)]);
    bench.uploads.scratch.write("home/.aws/config", section(wrong, &right));
    reaches(&["--profile", "e"], &[]);
    bench.uploads.scratch.write("home/.aws/config", section(&right, wrong));
    reaches(&["--profile", "plain"], &[]);
    bench.uploads.scratch.write("home/.aws/config", section(wrong, wrong));
    reaches(&["--profile", "e"], &[("AWS_ENDPOINT_URL_S3", &right)]);
}

#[test]
fn a_session_token_goes_with_its_key() {
    let bench = Bench::new();
    for (options, variables, token) in [
        (&["--profile", "b2"][..], vec![], Some("b2-token")),
        (&[], vec![ENV_KEY[0], ENV_KEY[1], ("AWS_SESSION_TOKEN", "env-token")], Some("env-token")),
        // A token of the environment belongs to the key of the environment.
        (&["--profile", "only-config"], vec![("AWS_SESSION_TOKEN", "env-token")], None),
    ] {
        bench.signed_by(options, &variables);
        let requests = bench.server.requests();
        assert_eq!(requests[0].header("x-amz-security-token"), token, "{options:?}");
        let signed = requests[0].header("authorization").unwrap().contains("x-amz-security-token");
        assert_eq!(signed, token.is_some());
    }
}

#[test]
fn without_an_access_key_no_request_is_sent() {
    let bench = Bench::new();
    let refused = |options: &[&str], variables: &[(&str, &str)], word: &str| -> Output {
        let output = bench.footage(options, variables).args(["--endpoint-url", &bench.endpoint()]).run().expect_code(2);
        assert!(output.stderr.contains(word), "{options:?} {variables:?}: {output}");
        output
    };
    refused(&["--profile", "guest"], &[], "guest");
    refused(&[], &[("AWS_PROFILE", "guest")], "guest");
    refused(&["--profile", "half"], &[], "half");
    // Half a key in the environment is a mistake, and no reason to take another user's.
    refused(&[], &[("AWS_ACCESS_KEY_ID", "ENVKEY")], "AWS_SECRET_ACCESS_KEY");
    refused(&["--profile", "role"], &[], "role_arn");
    std::fs::remove_dir_all(bench.uploads.scratch.join("home/.aws")).unwrap();
    refused(&[], &[], "aws_access_key_id");
    assert!(bench.server.requests().is_empty());
    assert!(bench.uploads.src("a.ts").exists());
}

#[test]
fn a_secret_access_key_may_have_any_characters() {
    // The server checks the signature; the secret has what other readers take for a comment.
    assert!(SECRET_KEY.contains('#') && SECRET_KEY.contains(';'));
    let bench = Bench::new();
    bench.write_credentials(
        "home/.aws/credentials",
        &format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n"),
    );
    let endpoint = bench.uploads.s3.endpoint();
    bench.footage(&["--endpoint-url", &endpoint], &[]).run().expect_code(0);
    bench.uploads.assert_uploaded();
}

#[test]
fn credentials_that_others_can_read_are_warned_about() {
    let bench = Bench::new();
    let text = format!("[default]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {SECRET_KEY}\n");
    let path = bench.write_credentials("home/.aws/credentials", &text);
    let endpoint = bench.uploads.s3.endpoint();
    for (mode, is_open) in [(0o600, false), (0o400, false), (0o644, true), (0o640, true), (0o604, true)] {
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        bench.uploads.file("a.ts", format!("{mode}"));
        let _ = std::fs::remove_file(bench.uploads.s3.bucket("footage").join("cams/a.ts"));
        let output = bench.footage(&["--endpoint-url", &endpoint], &[]).run().expect_code(0);
        assert_eq!(output.stderr.contains("credentials"), is_open, "{mode:o}: {output}");
        // Whose keys are not from that file need not care.
        let output = bench
            .footage(&["--endpoint-url", &endpoint], &[("AWS_ACCESS_KEY_ID", ACCESS_KEY)])
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
            .run()
            .expect_code(0);
        assert_eq!(output.stderr, "");
    }
}

/// A host name for the server, and for each bucket, needs a resolver: `/etc/hosts` of a jail, which needs no mount.
#[test]
fn virtual_host_addressing_is_used_where_configured() {
    as_root!();
    let uploads = Uploads::with(&["a b.ts"]);
    let jail = &uploads.scratch;
    jail.write("etc/hosts", "127.0.0.1 localhost s3.test footage.s3.test\n");
    let config = "[default]\nregion = us-east-1\ns3 =\n    addressing_style = virtual\n";
    jail.write("home/.aws/config", config);
    // Not by ourselves: what another test starts meanwhile would have the file open for writing, and it could not be run.
    Program::new("cp").arg(env!("CARGO_BIN_EXE_footage")).arg(jail.join("footage")).run().expect_code(0);
    let domain = uploads.s3.domain();
    let program =
        Program::new("chroot").arg(jail.path()).args(["/footage", "upload", "/src", "--to", "s3://footage/cams"]);
    let program = program.args(["--endpoint-url", &format!("http://{domain}")]).env("HOME", "/home");
    let program = program.env("AWS_ACCESS_KEY_ID", ACCESS_KEY).env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
    program.run().expect_code(0);
    uploads.assert_uploaded();
    for request in uploads.s3.proxy.requests() {
        assert_eq!(request.header("host"), Some(format!("footage.{domain}").as_str()));
        assert!(!request.target.starts_with("/footage"), "{}", request.target);
    }
}
