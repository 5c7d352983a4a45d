//! What the command line prints about itself: manual pages and completion scripts.

use std::io;

use clap::CommandFactory;
use clap_complete::Shell;

use super::Cli;
use crate::manual;

/// The completion script of a shell.
#[must_use]
pub fn completions(shell: Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "footage", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The page of a command, with its options first, or of a chapter of the manual; without a name that of `footage`.
///
/// # Errors
/// What clap says of a command that it cannot describe.
pub fn man(name: Option<&str>) -> io::Result<String> {
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let command = name.map_or(Some(&cli), |name| cli.find_subcommand(name));
    let chapter = name.and_then(manual::chapter);
    let mut page = Vec::new();
    if let Some(command) = command {
        let options = clap_mangen::Man::new(command.clone()).source(concat!("footage ", env!("CARGO_PKG_VERSION")));
        options.render(&mut page)?;
    }
    let text = match (command, chapter) {
        (None, Some(chapter)) => chapter.page(),
        (Some(_), Some(chapter)) => chapter.section(),
        _ if name.is_none() => manual::contents(),
        _ => String::new(),
    };
    page.extend(text.into_bytes());
    Ok(manual::to_ascii(&String::from_utf8_lossy(&page)))
}
