//! The manual: a chapter for each command, and one for each subject that several commands share.
//!
//! The chapters are Markdown files that link to each other as files, for readers on a repository site. `footage man CHAPTER` prints
//! a chapter as a manual page; that of a command comes after its options.

#![allow(clippy::doc_markdown, reason = "users read of BlackVue, not of `BlackVue`")]

// The build script has it too.
#[cfg(test)]
mod roff;

use std::fmt::Write;

/// A chapter of the manual.
#[derive(Debug)]
pub struct Chapter {
    /// Its module here, and its page: `files`.
    pub name: &'static str,
    /// Its first heading.
    pub title: &'static str,
    /// The text below that heading, in roff.
    body: &'static str,
}

/// All chapters, by name. `manual/build.rs` makes them.
pub const CHAPTERS: &[Chapter] = include!(concat!(env!("OUT_DIR"), "/chapters.rs"));

/// The chapter of this name.
#[must_use]
pub fn chapter(name: &str) -> Option<&'static Chapter> {
    CHAPTERS.iter().find(|chapter| chapter.name == name)
}

impl Chapter {
    /// A page of its own, of section 7, in roff.
    #[must_use]
    pub fn page(&self) -> String {
        let Self { name, title, body } = self;
        let version = env!("CARGO_PKG_VERSION");
        format!(
            ".TH footage-{name} 7 \"\" \"footage {version}\"\n.SH NAME\nfootage\\-{name} \\- {title}\n.SH DESCRIPTION\n{body}"
        )
    }

    /// The section that follows the options on the page of the command of this name, in roff.
    #[must_use]
    pub fn section(&self) -> String {
        format!(".SH MANUAL\n{}", self.body)
    }
}

/// The section that lists the chapters, for the page of `footage` itself, in roff.
#[must_use]
pub fn contents() -> String {
    let entries = CHAPTERS.iter().map(|it| format!(".TP\n\\fBfootage man {}\\fR\n{}\n", it.name, it.title));
    format!(".SH CHAPTERS\n{}", entries.collect::<String>())
}

/// A page in ASCII: other characters by their names, which every roff knows, and some that roff would print as typographic ones,
/// so that commands can be copied.
#[must_use]
pub fn to_ascii(page: &str) -> String {
    let mut text = String::with_capacity(page.len());
    for c in page.chars() {
        match c {
            '`' => text += "\\(ga",
            '^' => text += "\\(ha",
            '~' => text += "\\(ti",
            // Of a progress bar. Fonts for paper have neither.
            '█' => text.push('#'),
            '░' => text.push('.'),
            c if c.is_ascii() => text.push(c),
            // Writing to a text does not fail.
            c => drop(write!(text, "\\[u{:04X}]", u32::from(c))),
        }
    }
    text
}

macro_rules! modules {
    ($($name:ident)*) => {$(
        #[doc = include_str!(concat!("manual/", stringify!($name), ".md"))]
        // Here a chapter is a directory: `files.md#anchor` becomes `../files/index.html#anchor`.
        #[doc = r#"

<script>
addEventListener("DOMContentLoaded", () => document.querySelectorAll("a[href*='.md']").forEach(a =>
    a.href = a.getAttribute("href").replace(/^(\w+)\.md/, "../$1/index.html")))
</script>"#]
        pub mod $name {}
    )*};
}

modules! { benchmarks dashcam files hikvision install metrics migrating nas network options record security status upload }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_man_page_has_a_title_and_a_name() {
        let page = Chapter { name: "files", title: "Files on disk", body: ".PP\nText.\n" }.page();
        assert!(page.starts_with(".TH footage-files 7 \"\" \"footage "), "{page}");
        assert!(page.ends_with(".SH NAME\nfootage\\-files \\- Files on disk\n.SH DESCRIPTION\n.PP\nText.\n"), "{page}");
    }

    #[test]
    fn to_ascii_names_characters() {
        assert_eq!(to_ascii(".PP\na…\n~ `^` █░"), ".PP\na\\[u2026]\n\\(ti \\(ga\\(ha\\(ga #.");
    }
}
