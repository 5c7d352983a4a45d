//! Where the access key of a pass comes from: variables, a profile of the AWS CLI, or a program that the profile names, in
//! the order of botocore. Pure.
//!
//! footage asks no service of AWS for keys. A profile that needs one (a role, SSO, `aws login`) works by the line
//! `credential_process = aws configure export-credentials …`, which the AWS CLI 2 itself ignores beside the others (version 1
//! has no such command).

use std::fmt;

use chrono::{DateTime, Utc};

use super::ini::Section;
use super::shell_words::shell_words;

/// A key and its secret, which no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The access key's id.
    pub key_id: String,
    /// Its secret.
    pub secret: String,
    /// The session token of a temporary key.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl Credentials {
    /// Checks what a file, a variable or a program has as a key. Blanks and newlines around it are not part of it.
    ///
    /// # Errors
    /// A part has a character that cannot be sent; `of` names the part from its kind.
    pub fn checked(
        key_id: &str,
        secret: &str,
        session_token: Option<&str>,
        of: impl Fn(Part) -> String,
    ) -> Result<Self, String> {
        let check = |part: Part, text: &str| {
            let text = text.trim();
            let is_wrong = |c: char| c.is_control() || (part != Part::Secret && !c.is_ascii_graphic());
            if text.is_empty() {
                return Err(format!("{} is empty", of(part)));
            }
            if text.contains(is_wrong) {
                return Err(format!(
                    "{} contains a line break or a character that no key has: write it anew",
                    of(part)
                ));
            }
            Ok(text.to_owned())
        };
        let session_token = session_token.filter(|token| !token.trim().is_empty());
        Ok(Self {
            key_id: check(Part::KeyId, key_id)?,
            secret: check(Part::Secret, secret)?,
            session_token: session_token.map(|token| check(Part::Token, token)).transpose()?,
        })
    }
}

/// A part of an access key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The id.
    KeyId,
    /// The secret.
    Secret,
    /// The session token.
    Token,
}

/// Where a pass gets its access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// From variables or a file.
    Fixed {
        /// The key.
        credentials: Credentials,
        /// Until when it is valid: `AWS_CREDENTIAL_EXPIRATION`.
        expires_at: Option<DateTime<Utc>>,
        /// Whether it is from a file, whose mode matters then.
        is_from_file: bool,
    },
    /// From a program, run whenever a key is needed.
    Process(CredentialProcess),
}

/// `credential_process` of a profile.
#[derive(Clone, PartialEq, Eq)]
pub struct CredentialProcess {
    /// The profile.
    pub profile: String,
    /// The program.
    pub program: String,
    /// Its arguments, which may be secrets.
    pub arguments: Vec<String>,
}

impl fmt::Debug for CredentialProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialProcess({:?})", self.program)
    }
}

/// A profile of the AWS CLI.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Whether `--profile` names it: variables of other keys do not count then.
    pub is_chosen: bool,
    /// Its section of the credentials file.
    pub in_credentials: Option<Section>,
    /// Its section of the configuration file.
    pub in_config: Option<Section>,
}

impl Profile {
    /// Its values in both files: the credentials file wins.
    #[must_use]
    pub fn merged(&self) -> Section {
        let upper = self.in_credentials.clone().unwrap_or_default();
        self.in_config.as_ref().map_or_else(|| upper.clone(), |config| config.under(&upper))
    }
}

/// Variables of the environment; one that is empty counts as not set.
pub type Variables<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Finds the access key, in the order of botocore's providers.
///
/// # Errors
/// A sentence for the user: there is none, half of one, or one that needs the AWS CLI.
pub fn find(profile: &Profile, variable: Variables<'_>) -> Result<KeySource, String> {
    if !profile.is_chosen
        && let Some(source) = of_variables(variable)?
    {
        return Ok(source);
    }
    let merged = profile.merged();
    let process = || -> Result<Option<KeySource>, String> {
        let command = merged.get("credential_process");
        command.map(|command| of_command(profile, command).map(KeySource::Process)).transpose()
    };
    let unsupported = of_role(profile, &merged, variable);
    if let Some(origin) = unsupported {
        return process()?.ok_or_else(|| needs_aws_cli(profile, origin));
    }
    if let Some(source) = of_section(profile, profile.in_credentials.as_ref(), "credentials file")? {
        return Ok(source);
    }
    if let Some(source) = process()? {
        return Ok(source);
    }
    if merged.has("login_session") {
        return Err(needs_aws_cli(profile, Origin::Profile("login_session")));
    }
    if let Some(source) = of_section(profile, profile.in_config.as_ref(), "configuration file")? {
        return Ok(source);
    }
    for name in ["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"] {
        if variable(name).is_some() {
            return Err(needs_aws_cli(profile, Origin::Variable(name)));
        }
    }
    if let Some(key) = ["sso_session", "sso_start_url"].into_iter().find(|key| merged.has(key)) {
        return Err(needs_aws_cli(profile, Origin::Profile(key)));
    }
    Err(format!(
        "there is no access key for the profile {:?}: put aws_access_key_id and aws_secret_access_key into \
         ~/.aws/credentials, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. For the role of this machine: {}",
        profile.name,
        by_profile_of_its_own()
    ))
}

fn of_variables(variable: Variables<'_>) -> Result<Option<KeySource>, String> {
    let Some(key_id) = variable("AWS_ACCESS_KEY_ID") else { return Ok(None) };
    let secret = variable("AWS_SECRET_ACCESS_KEY")
        .ok_or_else(|| "AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not".to_owned())?;
    let token_name = ["AWS_SECURITY_TOKEN", "AWS_SESSION_TOKEN"].into_iter().find(|name| variable(name).is_some());
    let token = token_name.and_then(variable);
    let named = |part| match part {
        Part::KeyId => "AWS_ACCESS_KEY_ID".to_owned(),
        Part::Secret => "AWS_SECRET_ACCESS_KEY".to_owned(),
        Part::Token => token_name.unwrap_or("AWS_SESSION_TOKEN").to_owned(),
    };
    let expiration = variable("AWS_CREDENTIAL_EXPIRATION");
    let expires_at = expiration.map(|text| {
        parse_time(&text)
            .ok_or_else(|| format!("AWS_CREDENTIAL_EXPIRATION is {text:?}, which is not a time with a zone"))
    });
    Ok(Some(KeySource::Fixed {
        credentials: Credentials::checked(&key_id, &secret, token.as_deref(), named)?,
        expires_at: expires_at.transpose()?,
        is_from_file: false,
    }))
}

fn of_section(profile: &Profile, section: Option<&Section>, file: &str) -> Result<Option<KeySource>, String> {
    let Some(section) = section.filter(|section| section.has("aws_access_key_id")) else { return Ok(None) };
    let named = |key: &str| format!("{key} of the profile {:?} in the {file}", profile.name);
    let value = |key: &str| {
        if section.has(key) {
            Ok(section.get(key).unwrap_or_default())
        } else {
            Err(format!("{} is missing", named(key)))
        }
    };
    let tokens = ["aws_security_token", "aws_session_token"];
    let token = tokens.into_iter().find(|key| section.has(key)).unwrap_or(tokens[1]);
    let credentials = Credentials::checked(
        value("aws_access_key_id")?,
        value("aws_secret_access_key")?,
        section.get(token),
        |part| {
            named(match part {
                Part::KeyId => "aws_access_key_id",
                Part::Secret => "aws_secret_access_key",
                Part::Token => token,
            })
        },
    )?;
    Ok(Some(KeySource::Fixed { credentials, expires_at: None, is_from_file: true }))
}

fn of_command(profile: &Profile, command: &str) -> Result<CredentialProcess, String> {
    let words = shell_words(command).and_then(|words| {
        let mut words = words.into_iter();
        let program = words.next().filter(|program| !program.is_empty()).ok_or("it names no program")?;
        Ok((program, words.collect()))
    });
    let (program, arguments) =
        words.map_err(|why| format!("credential_process of the profile {:?}: {why}", profile.name))?;
    Ok(CredentialProcess { profile: profile.name.clone(), program, arguments })
}

/// What asks for a key that only a service of AWS can give.
#[derive(Debug, Clone, Copy)]
enum Origin {
    /// A key of the profile.
    Profile(&'static str),
    /// A variable of the environment.
    Variable(&'static str),
}

/// What botocore prefers to a key in a file.
fn of_role(profile: &Profile, merged: &Section, variable: Variables<'_>) -> Option<Origin> {
    let web_identity = "web_identity_token_file";
    if merged.has("role_arn") && !merged.has(web_identity) {
        return Some(Origin::Profile("role_arn"));
    }
    if !profile.is_chosen && variable("AWS_WEB_IDENTITY_TOKEN_FILE").is_some() {
        return Some(Origin::Variable("AWS_WEB_IDENTITY_TOKEN_FILE"));
    }
    if merged.get(web_identity).is_some() {
        return Some(Origin::Profile(web_identity));
    }
    let is_sso = merged.has("sso_role_name") || merged.has("sso_account_id");
    let session = if merged.has("sso_session") { "sso_session" } else { "sso_start_url" };
    is_sso.then_some(Origin::Profile(session))
}

fn needs_aws_cli(profile: &Profile, origin: Origin) -> String {
    let name = &profile.name;
    match origin {
        Origin::Profile(key) => {
            let header = if name == "default" { name.clone() } else { format!("profile {}", quoted(name)) };
            format!(
                "the profile {name:?} gets its keys by {key}, which footage leaves to the AWS CLI 2: add the line \
                 `credential_process = aws configure export-credentials --profile {} --format process` to [{header}] \
                 in ~/.aws/config",
                quoted(name)
            )
        }
        Origin::Variable(variable) => {
            format!("{variable} is set, and footage leaves such keys to the AWS CLI 2: {}", by_profile_of_its_own())
        }
    }
}

/// For keys that the AWS CLI finds without a profile, which would ask itself in a profile that it reads.
fn by_profile_of_its_own() -> &'static str {
    "add `[profile footage]` with the line `credential_process = aws configure export-credentials --format process` to \
     ~/.aws/config, and give --profile footage"
}

/// A name as one word of a command line.
fn quoted(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.@+".contains(c);
    if !name.is_empty() && name.chars().all(is_plain) {
        return name.to_owned();
    }
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A time with its zone, in the forms of ISO 8601 that programs print.
#[must_use]
pub fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    let time = DateTime::parse_from_rfc3339(text).or_else(|_| DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f%z"));
    time.ok().map(|time| time.to_utc())
}
