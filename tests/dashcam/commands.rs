//! The commands beside the passes.

use crate::support::{Program, Scratch};

#[test]
fn completions_exist_for_each_shell() {
    let scratch = Scratch::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = scratch.footage(["completions", shell]).run().expect_code(0).stdout;
        assert!(script.contains("dashcam") && script.contains("retry-failed-after"), "{shell}: {script}");
    }
    let output = scratch.footage(["completions", "cmd.exe"]).run().expect_code(2);
    assert!(output.stderr.contains("bash"), "{output}");
}

#[test]
fn the_bash_completion_completes() {
    let scratch = Scratch::new();
    let script = scratch.footage(["completions", "bash"]).run().expect_code(0).stdout;
    let path = scratch.write("footage.bash", script);
    let try_it = format!(
        "source {} && COMP_WORDS=(footage dashcam --retry) COMP_CWORD=2 && _footage footage --retry dashcam && echo \"${{COMPREPLY[@]}}\"",
        path.display()
    );
    let output = Program::new("bash").args(["--norc", "-c", &try_it]).run().expect_code(0);
    assert_eq!(output.stdout.trim(), "--retry-failed-after", "{output}");
}

#[test]
fn man_pages_render() {
    let scratch = Scratch::new();
    for (arguments, title, mentioned) in [
        (&["man"][..], ".TH footage 1", "dashcam"),
        (&["man", "dashcam"], ".TH footage-dashcam 1", "retry\\-failed\\-after"),
    ] {
        let page = scratch.footage(arguments).run().expect_code(0).stdout;
        assert!(page.contains(title) && page.contains(mentioned), "{page}");
        for section in [".SH NAME", ".SH SYNOPSIS", ".SH DESCRIPTION", ".SH OPTIONS"] {
            assert_eq!(page.matches(section).count(), 1, "{section}");
        }
        // A line that begins with a dot is a request; an unknown one vanishes with its text.
        let known =
            [".SH", ".SS", ".TH", ".TP", ".PP", ".br", ".ie", ".el", ".RS", ".RE", ".IP", ".nf", ".fi", ".nh", ".ad"];
        for line in page.lines().filter(|line| line.starts_with('.')) {
            assert!(known.iter().any(|request| line.split(' ').next() == Some(request)), "{line}");
        }
        assert!(!page.contains("affinity"), "what is hidden stays hidden");
    }
    let output = scratch.footage(["man", "unheard-of"]).run().expect_code(2);
    assert_eq!(output.stdout, "");
}

#[test]
fn man_prints_the_chapter_after_the_options_or_by_itself() {
    let scratch = Scratch::new();
    let page = scratch.footage(["man", "dashcam"]).run().expect_code(0).stdout;
    let (options, chapter) = page.split_once(".SH MANUAL\n").expect("a chapter");
    assert!(options.contains(".SH OPTIONS") && chapter.contains(".SS \"Notes on dashcams\""), "{page}");

    let page = scratch.footage(["man", "files"]).run().expect_code(0).stdout;
    assert!(page.contains(".TH footage-files 7") && page.contains(".SS \"Files of dashcam\""), "{page}");
    let contents = scratch.footage(["man"]).run().expect_code(0).stdout;
    assert!(contents.contains("footage man files\\fR\nFiles on disk"), "{contents}");
}

#[test]
fn man_pages_have_the_version() {
    let scratch = Scratch::new();
    for arguments in [&["man"][..], &["man", "dashcam"]] {
        let page = scratch.footage(arguments).run().expect_code(0).stdout;
        let title = page.lines().find(|line| line.starts_with(".TH")).expect("a title");
        assert!(title.contains(&format!("footage {}", env!("CARGO_PKG_VERSION"))), "{title}");
    }
}

#[test]
fn version_is_printed() {
    let scratch = Scratch::new();
    for option in ["--version", "-V"] {
        let output = scratch.footage([option]).run().expect_code(0);
        assert_eq!(output.stdout, format!("footage {}\n", env!("CARGO_PKG_VERSION")));
    }
}

#[test]
fn help_is_printed_for_h_help_and_without_arguments() {
    let scratch = Scratch::new();
    for arguments in [&["--help"][..], &["-h"], &["dashcam", "--help"], &["dashcam", "-h"], &["man", "--help"]] {
        let output = scratch.footage(arguments).run().expect_code(0);
        assert!(output.stdout.contains("Usage: footage") && output.stderr.is_empty(), "{output}");
    }
    let asked = |words: &[&str]| scratch.footage(words).run().expect_code(0).stdout;
    assert_eq!(asked(&["help", "dashcam"]), asked(&["dashcam", "--help"]));
    assert_eq!(asked(&["help"]), asked(&["--help"]));
    let nothing = scratch.footage([""; 0]).run().expect_code(2);
    assert!(nothing.stderr.contains("dashcam"), "without a command, the commands are listed: {nothing}");
    let typo = scratch.footage(["dashcan", "cam"]).run().expect_code(2);
    assert!(typo.stderr.contains("dashcam"), "{typo}");
}

#[test]
fn help_lists_every_exit_code() {
    let help = Scratch::new().footage(["dashcam", "--help"]).run().expect_code(0).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for code in ["0 done", "1 failed", "2 wrong usage", "3 done but some files failed", "75 not now", "128+n"] {
        assert!(help.contains(code), "{code}: {help}");
    }
}
