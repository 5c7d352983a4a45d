//! Unknown `FOOTAGE_` variables of the environment: misspelt options, or options of another version. Their values may be passwords
//! and are not read.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::Cli;

/// The prefix of the variables of options.
const PREFIX: &str = "FOOTAGE_";
/// Set for the programs of `on_segment`, which may be footage itself.
const OF_SEGMENT: &str = "FOOTAGE_SEGMENT_";
/// Set in containers by Kubernetes and Docker for a service named footage.
const OF_SERVICES: [&str; 2] = ["FOOTAGE_SERVICE_", "FOOTAGE_PORT"];
/// How similar two names must be for a suggestion, 0 to 1.
const ALIKE: f64 = 0.7;

/// A warning that names the unknown variables; none if there are none.
#[must_use]
pub fn unknown() -> Option<String> {
    let set: BTreeSet<String> = std::env::vars_os()
        .filter(|(_, value)| !value.is_empty())
        .filter_map(|(name, _)| name.into_string().ok())
        .filter(|name| name.starts_with(PREFIX))
        .collect();
    // Building the options of all commands takes a millisecond.
    if set.is_empty() {
        return None;
    }
    describe(&set, &known())
}

/// The variables of all options, including those that are set but empty.
fn known() -> BTreeSet<String> {
    let mut cli = Cli::command();
    cli.build();
    let mut names = BTreeSet::new();
    for command in cli.get_subcommands() {
        for argument in command.get_arguments() {
            let word =
                argument.get_long().or_else(|| argument.get_value_names()?.first().map(clap::builder::Str::as_str));
            names.extend(word.map(|word| PREFIX.to_owned() + &word.to_uppercase().replace('-', "_")));
            names.extend(argument.get_env().and_then(|name| name.to_str()).map(str::to_owned));
        }
    }
    names
}

fn describe(set: &BTreeSet<String>, known: &BTreeSet<String>) -> Option<String> {
    let is_others = |name: &str| OF_SERVICES.iter().chain([&OF_SEGMENT]).any(|prefix| name.starts_with(prefix));
    let unknown = set.iter().filter(|name| !known.contains(*name) && !is_others(name));
    let named: Vec<String> = unknown
        .map(|name| match meant(name, known) {
            Some(meant) => format!("{name} (did you mean {meant}?)"),
            None => name.clone(),
        })
        .collect();
    let what = if named.len() == 1 { "an unknown variable" } else { "unknown variables" };
    (!named.is_empty()).then(|| format!("the environment has {what}, which footage ignores: {}", named.join(", ")))
}

fn meant<'a>(name: &str, known: &'a BTreeSet<String>) -> Option<&'a str> {
    let word = name.strip_prefix(PREFIX)?;
    let alike = known.iter().filter_map(|known| {
        let likeness = strsim::jaro_winkler(known.strip_prefix(PREFIX)?, word);
        (likeness >= ALIKE).then_some((likeness, known.as_str()))
    });
    alike.max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_variables_are_named_with_a_suggestion() {
        let describe = |names: &[&str]| {
            let set = names.iter().map(|name| (*name).to_owned()).collect();
            describe(&set, &known())
        };
        assert_eq!(describe(&["FOOTAGE_KEEP", "FOOTAGE_SEGMENT_PATH", "FOOTAGE_PORT_80_TCP", "FOOTAGE_ADDRESS"]), None);
        assert_eq!(
            describe(&["FOOTAGE_EVRY"]).as_deref(),
            Some(
                "the environment has an unknown variable, which footage ignores: FOOTAGE_EVRY (did you mean FOOTAGE_EVERY?)"
            )
        );
        let several = describe(&["FOOTAGE_XQZ", "FOOTAGE_KEEPS"]).unwrap_or_default();
        assert!(several.ends_with("FOOTAGE_KEEPS (did you mean FOOTAGE_KEEP?), FOOTAGE_XQZ"), "{several}");
    }
}
