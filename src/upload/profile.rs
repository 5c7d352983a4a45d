//! Endpoint, region and credentials: options, then variables, then the files of the AWS CLI, in its order of precedence.
//! Pure: variables and files are arguments.

use super::credentials::{self, KeySource, Profile};
use super::ini::Ini;
use crate::network::CaBundle;

/// How the bucket is named in a URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Addressing {
    /// Virtual-host style for AWS, path style elsewhere.
    #[default]
    Auto,
    /// `https://endpoint/bucket/key`
    Path,
    /// `https://bucket.endpoint/key`
    Virtual,
}

/// The S3 options of the command line.
#[derive(Debug, Clone, Default)]
pub struct S3Options {
    /// `--profile`
    pub profile: Option<String>,
    /// `--region`
    pub region: Option<String>,
    /// `--endpoint-url`
    pub endpoint_url: Option<String>,
    /// `--addressing`
    pub addressing: Addressing,
}

/// The environment of the program.
#[derive(Clone, Copy)]
pub struct Environment<'a> {
    /// A variable of the environment; one that is empty counts as not set.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The text of the credentials file; empty if there is none.
    pub credentials: &'a str,
    /// The text of the configuration file.
    pub config: &'a str,
}

/// The settings of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// Where the access key comes from.
    pub keys: KeySource,
    /// The region to sign for.
    pub region: String,
    /// `https://host[:port][/path]`; `None` is AWS itself.
    pub endpoint_url: Option<String>,
    /// How the bucket is named.
    pub addressing: Addressing,
    /// The certificates to trust: `AWS_CA_BUNDLE`, else `ca_bundle` of the profile.
    pub ca_bundle: Option<CaBundle>,
}

/// The region of a request to AWS unless another is set.
const DEFAULT_REGION: &str = "us-east-1";

/// Resolves the options.
///
/// # Errors
/// A sentence for the user.
pub fn resolve(options: &S3Options, environment: Environment<'_>) -> Result<Access, String> {
    // Docker and Kubernetes leave a newline at the end of a secret.
    let variable = |name: &str| {
        let value = (environment.variable)(name).map(|value| value.trim().to_owned());
        value.filter(|value| !value.is_empty())
    };
    let credentials_file = Ini::parse(environment.credentials).map_err(|why| format!("the credentials file: {why}"))?;
    let config_file = Ini::parse(environment.config).map_err(|why| format!("the configuration file: {why}"))?;
    // In this order, as botocore has it.
    let named = options.profile.clone().or_else(|| variable("AWS_DEFAULT_PROFILE")).or_else(|| variable("AWS_PROFILE"));
    let name = named.as_deref().unwrap_or("default");
    let profile = Profile {
        name: name.to_owned(),
        is_chosen: options.profile.is_some(),
        in_credentials: credentials_file.section(name).cloned(),
        in_config: config_file.profile(name).cloned(),
    };
    if profile.in_credentials.is_none() && profile.in_config.is_none() && named.is_some() {
        return Err(format!("the profile {name:?} is in neither the credentials file nor the configuration file"));
    }
    let keys = credentials::find(&profile, &variable)?;

    // All settings of a profile, not only keys: the credentials file wins over the configuration file.
    let merged = profile.merged();
    let get = |key| merged.get(key);
    let ignores = variable("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")
        .or_else(|| get("ignore_configured_endpoint_urls").map(str::to_owned))
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let of_service = |name: &str| {
        let section = config_file.named("services", name);
        let section = section.ok_or_else(|| {
            let profile = &profile.name;
            format!("the profile {profile:?} names the services {name:?}, which are not in the configuration file")
        });
        section.map(|section| section.nested("s3", "endpoint_url"))
    };
    let configured = || -> Result<Option<String>, String> {
        let of_environment = variable("AWS_ENDPOINT_URL_S3").or_else(|| variable("AWS_ENDPOINT_URL"));
        if ignores || of_environment.is_some() {
            return Ok(of_environment.filter(|_| !ignores));
        }
        let of_service = get("services").map(of_service).transpose()?.flatten();
        Ok(of_service.or_else(|| get("endpoint_url")).map(str::to_owned))
    };
    let endpoint_url = match &options.endpoint_url {
        Some(url) => Some(url.clone()),
        None => configured()?,
    };
    let endpoint_url = endpoint_url.map(|url| checked_endpoint(&url)).transpose()?;
    let region = options
        .region
        .clone()
        .or_else(|| variable("AWS_REGION"))
        .or_else(|| variable("AWS_DEFAULT_REGION"))
        .or_else(|| get("region").map(str::to_owned))
        .or_else(|| endpoint_url.as_deref().and_then(region_of_endpoint).map(str::to_owned))
        .unwrap_or_else(|| DEFAULT_REGION.to_owned());
    if !region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
        return Err(format!("{region:?} is no region"));
    }
    let style = merged.nested("s3", "addressing_style");
    let addressing = match (options.addressing, style) {
        (Addressing::Auto, Some("path")) => Addressing::Path,
        (Addressing::Auto, Some("virtual")) => Addressing::Virtual,
        (addressing, _) => addressing,
    };
    let bundle = |path: String, named_by| CaBundle { path: path.into(), named_by };
    let ca_bundle = variable("AWS_CA_BUNDLE")
        .map(|path| bundle(path, "AWS_CA_BUNDLE"))
        .or_else(|| get("ca_bundle").map(|path| bundle(path.to_owned(), "ca_bundle of the profile")));
    Ok(Access { keys, region, endpoint_url, addressing, ca_bundle })
}

/// `https://host[:port][/path]` without a slash at its end, and without a password, which logs would show.
fn checked_endpoint(url: &str) -> Result<String, String> {
    let refuse = |why: &str| format!("--endpoint-url: {why}: write https://s3.example.com");
    if url.contains('@') {
        return Err(refuse("it may hold no user name or password"));
    }
    let uri: ureq::http::Uri = url.parse().map_err(|_| refuse(&format!("{url:?} is not a URL")))?;
    if url.contains(['?', '#']) {
        return Err(refuse(&format!("{url:?} has a query or a fragment")));
    }
    let path = uri.path();
    if path.split('/').any(|part| matches!(part, "." | "..")) {
        return Err(refuse(&format!("{url:?} has a part \".\" or \"..\"")));
    }
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme @ ("http" | "https")), Some(authority)) => {
            Ok(format!("{scheme}://{authority}{}", path.trim_end_matches('/')))
        }
        _ => Err(refuse(&format!("{url:?} is not an http or https URL"))),
    }
}

/// The providers that write the region into the name of the host.
const REGIONAL: [&str; 3] = [".backblazeb2.com", ".amazonaws.com", ".wasabisys.com"];

fn region_of_endpoint(url: &str) -> Option<&str> {
    let host = url.split_once("://")?.1.split([':', '/']).next()?.strip_prefix("s3.")?;
    let region = REGIONAL.iter().find_map(|domain| host.strip_suffix(domain))?;
    (!region.is_empty() && !region.contains('.')).then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upload::credentials::Credentials;

    const CREDENTIALS: &str = "[default]\naws_access_key_id=D\naws_secret_access_key=d\n\
                               [b2]\naws_access_key_id=B\naws_secret_access_key=b;#\naws_session_token=t\n";
    const CONFIG: &str = "[default]\nregion=eu-west-1\n[profile b2]\nregion=ca-east-006\naws_access_key_id=X\n\
                          aws_secret_access_key=x\nendpoint_url=https://s3.ca-east-006.backblazeb2.com/\ns3 =\n  addressing_style = virtual\n\
                          [profile role]\nrole_arn=arn:x\n[profile named]\nservices = mine\naws_access_key_id=N\naws_secret_access_key=n\n\
                          [services mine]\ns3 =\n  endpoint_url = http://127.0.0.1:9000\n";

    fn with(options: &S3Options, variables: &[(&str, &str)]) -> Result<Access, String> {
        let variable =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        resolve(options, Environment { variable: &variable, credentials: CREDENTIALS, config: CONFIG })
    }

    fn key(access: &Access) -> &Credentials {
        match &access.keys {
            KeySource::Fixed { credentials, .. } => credentials,
            KeySource::Process(process) => panic!("{process:?}"),
        }
    }

    fn profile(name: &str) -> S3Options {
        S3Options { profile: Some(name.into()), ..S3Options::default() }
    }

    #[test]
    fn a_profile_is_read_from_both_files() {
        let access = with(&profile("b2"), &[]).expect("resolved");
        assert_eq!(key(&access).key_id, "B");
        assert_eq!(key(&access).secret, "b;#");
        assert_eq!(key(&access).session_token.as_deref(), Some("t"));
        assert_eq!(access.region, "ca-east-006");
        assert_eq!(access.endpoint_url.as_deref(), Some("https://s3.ca-east-006.backblazeb2.com"));
        assert_eq!(access.addressing, Addressing::Virtual);
        assert!(matches!(access.keys, KeySource::Fixed { is_from_file: true, .. }));
        let named = with(&profile("named"), &[]).expect("resolved");
        assert_eq!(named.endpoint_url.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!((key(&named).key_id.as_str(), named.region.as_str()), ("N", "us-east-1"));
    }

    #[test]
    fn options_win_over_variables_and_profiles() {
        let keys = [
            ("AWS_ACCESS_KEY_ID", "V"),
            ("AWS_SECRET_ACCESS_KEY", "v"),
            ("AWS_REGION", "r"),
            ("AWS_DEFAULT_REGION", "q"),
        ];
        let access = with(&S3Options::default(), &keys).expect("resolved");
        assert_eq!((key(&access).key_id.as_str(), access.region.as_str()), ("V", "r"));
        assert!(matches!(access.keys, KeySource::Fixed { is_from_file: false, .. }));
        // Named by a variable a profile does not win over keys, named by an option it does.
        let by_variable = [keys.as_slice(), &[("AWS_PROFILE", "b2")]].concat();
        let access = with(&S3Options::default(), &by_variable).expect("resolved");
        assert_eq!(key(&access).key_id, "V");
        assert_eq!(access.endpoint_url.as_deref(), Some("https://s3.ca-east-006.backblazeb2.com"));
        assert_eq!(key(&with(&profile("b2"), &keys).expect("resolved")).key_id, "B");

        let urls = [("AWS_ENDPOINT_URL", "http://general"), ("AWS_ENDPOINT_URL_S3", "http://s3")];
        assert_eq!(with(&profile("b2"), &urls).expect("resolved").endpoint_url.as_deref(), Some("http://s3"));
        let options = S3Options { region: Some("o".into()), endpoint_url: Some("http://o".into()), ..profile("b2") };
        let access = with(&options, &urls).expect("resolved");
        assert_eq!((access.region.as_str(), access.endpoint_url.as_deref()), ("o", Some("http://o")));
        let options = S3Options { addressing: Addressing::Path, ..profile("b2") };
        assert_eq!(with(&options, &[]).expect("resolved").addressing, Addressing::Path);
        assert_eq!(with(&S3Options::default(), &[]).expect("resolved").region, "eu-west-1");
    }

    /// As botocore has it: whole settings of a profile in the credentials file win, not its keys alone.
    #[test]
    fn the_credentials_file_wins_over_the_configuration_file() {
        let with = |credentials: &str, config: &str, variables: &[(&str, &str)]| {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
            let credentials = format!("[default]\naws_access_key_id=K\naws_secret_access_key=s\n{credentials}");
            resolve(
                &S3Options::default(),
                Environment { variable: &variable, credentials: &credentials, config: &format!("[default]\n{config}") },
            )
        };
        let access = with(
            "region=r-1\nendpoint_url=http://a\ns3 =\n  addressing_style = virtual\n",
            "region=r-2\nendpoint_url=http://b\ns3 =\n  addressing_style = path\n",
            &[],
        )
        .expect("resolved");
        assert_eq!((access.region.as_str(), access.endpoint_url.as_deref()), ("r-1", Some("http://a")));
        assert_eq!(access.addressing, Addressing::Virtual);

        let ignored = with("", "endpoint_url=http://b\nignore_configured_endpoint_urls = true\n", &[]);
        assert_eq!(ignored.expect("resolved").endpoint_url, None);
        let heeded = [("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "false")];
        let heeded = with("", "endpoint_url=http://b\nignore_configured_endpoint_urls = true\n", &heeded);
        assert_eq!(heeded.expect("resolved").endpoint_url.as_deref(), Some("http://b"));

        // Footage for a server of one's own does not go to AWS because of a slip in a name.
        let unknown = "services = nowhere\nendpoint_url=http://b\n";
        assert!(with("", unknown, &[]).expect_err("unknown").contains("\"nowhere\""));
        let said = with("", unknown, &[("AWS_ENDPOINT_URL", "http://v")]).expect("not looked at");
        assert_eq!(said.endpoint_url.as_deref(), Some("http://v"));
    }

    #[test]
    fn the_region_is_read_from_the_endpoint() {
        for (url, region) in [
            ("https://s3.ca-east-006.backblazeb2.com", Some("ca-east-006")),
            ("https://s3.eu-central-1.amazonaws.com:443", Some("eu-central-1")),
            ("https://s3.amazonaws.com", None),
            ("http://127.0.0.1:9000", None),
        ] {
            assert_eq!(region_of_endpoint(url), region, "{url}");
        }
    }

    #[test]
    fn missing_credentials_have_a_remedy() {
        assert!(with(&profile("guest"), &[]).expect_err("unknown").contains("\"guest\""));
        assert!(with(&profile("role"), &[]).expect_err("a role").contains("role_arn"));
        for url in [
            "s3.example.com",
            "ftp://x",
            "https://user:secret@host",
            "https://host/x?y",
            "https://host/../x",
            "https://",
        ] {
            let options = S3Options { endpoint_url: Some(url.into()), ..profile("b2") };
            let error = with(&options, &[]).expect_err(url);
            assert!(!error.contains("secret"), "{error}");
        }
        let half = with(&S3Options::default(), &[("AWS_ACCESS_KEY_ID", "V")]);
        assert!(half.expect_err("half a key").contains("AWS_SECRET_ACCESS_KEY"));
        let nothing = resolve(&S3Options::default(), Environment { variable: &|_| None, credentials: "", config: "" });
        assert!(nothing.expect_err("no keys").contains("AWS_ACCESS_KEY_ID"));
    }

    #[test]
    fn a_secret_access_key_is_not_shown_by_debug() {
        let access = with(&profile("b2"), &[]).expect("resolved");
        assert_eq!(format!("{:?}", key(&access)), "Credentials");
    }
}
