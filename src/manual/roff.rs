//! Markdown to roff: as much of both as the chapters need, with the macros of man(7).

use std::mem::take;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use roff::{Inline, Roff, bold, italic, line_break, roman};

/// The text of a chapter, as what follows the first `.SH` of a page. The headings in it become subsections; the title goes,
/// since the page has one.
pub(super) fn body(markdown: &str) -> String {
    let mut writer = Writer::default();
    // Options and paths are copied: no hyphen may end a line in one.
    writer.roff.control("nh", []).control("ad", ["l"]);
    for event in Parser::new_ext(markdown, Options::ENABLE_TABLES) {
        writer.on(event);
    }
    writer.roff.render()
}

/// What has been read of a text, and what has been written of it.
#[derive(Default)]
struct Writer {
    roff: Roff,
    /// The text since the last block.
    line: Vec<Inline>,
    is_bold: bool,
    is_italic: bool,
    is_code: bool,
    /// The number of the next item of an ordered list.
    number: Option<u64>,
    /// Where a link leads, until its text has ended.
    link: String,
    headers: Vec<Vec<Inline>>,
    cells: Vec<Vec<Inline>>,
}

impl Writer {
    fn on(&mut self, event: Event) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) if self.is_code => {
                for line in text.lines() {
                    self.roff.text([roman(line)]);
                }
            }
            Event::Text(text) if self.is_bold => self.line.push(bold(text.as_ref())),
            Event::Text(text) if self.is_italic => self.line.push(italic(text.as_ref())),
            Event::Text(text) => self.line.push(roman(text.as_ref())),
            Event::Code(text) => self.line.push(bold(text.as_ref())),
            Event::SoftBreak => self.line.push(roman(" ")),
            Event::HardBreak => self.line.push(line_break()),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag) {
        match tag {
            Tag::Paragraph => {
                self.roff.control("PP", []);
            }
            Tag::CodeBlock(_) => {
                self.is_code = true;
                self.roff.control("PP", []).control("RS", ["4"]).control("nf", []);
            }
            Tag::List(first) => self.number = first,
            Tag::Item => {
                let label = self.number.map_or_else(|| "\\(bu".to_owned(), |number| format!("{number}."));
                self.number = self.number.map(|number| number + 1);
                self.roff.control("IP", [label.as_str(), "3"]);
            }
            Tag::Strong => self.is_bold = true,
            Tag::Emphasis => self.is_italic = true,
            Tag::Link { dest_url, .. } => self.link = dest_url.into_string(),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(level) => {
                let text = plain(&take(&mut self.line));
                if level != HeadingLevel::H1 {
                    self.roff.control("SS", [text.as_str()]);
                }
            }
            TagEnd::Paragraph | TagEnd::Item => {
                self.roff.text(take(&mut self.line));
            }
            TagEnd::CodeBlock => {
                self.is_code = false;
                self.roff.control("fi", []).control("RE", []);
            }
            TagEnd::Strong => self.is_bold = false,
            TagEnd::Emphasis => self.is_italic = false,
            TagEnd::Link => self.line.extend(beside(&take(&mut self.link)).map(roman)),
            TagEnd::TableCell => self.cells.push(take(&mut self.line)),
            TagEnd::TableHead => self.headers = take(&mut self.cells),
            TagEnd::TableRow => self.row(),
            _ => {}
        }
    }

    /// A row becomes an entry of a list: the first cell, and below it the others. A terminal is too narrow for most tables.
    fn row(&mut self) {
        let is_wide = self.headers.len() > 2;
        let mut cells = take(&mut self.cells).into_iter();
        self.roff.control("TP", []).text(cells.next().unwrap_or_default());
        let filled = self.headers.iter().skip(1).zip(cells).filter(|(_, cell)| !cell.is_empty());
        for (n, (header, mut cell)) in filled.enumerate() {
            let header = plain(header);
            if is_wide && header != "meaning" {
                cell.splice(..0, [italic(header), roman(": ")]);
            }
            if n > 0 {
                self.roff.control("br", []);
            }
            self.roff.text(cell);
        }
    }
}

/// What stands behind the text of a link: another chapter, or an address. A link within the page needs nothing.
fn beside(link: &str) -> Option<String> {
    let (file, _) = link.split_once('#').unwrap_or((link, ""));
    match file.strip_suffix(".md") {
        Some(chapter) => Some(format!(" (footage man {chapter})")),
        None => (!file.is_empty()).then(|| format!(" ({link})")),
    }
}

/// The argument of a macro: without fonts, and without quotation marks, which would end it.
fn plain(line: &[Inline]) -> String {
    let text = line.iter().map(|inline| match inline {
        Inline::Roman(text) | Inline::Bold(text) | Inline::Italic(text) => text.as_str(),
        Inline::LineBreak => " ",
    });
    text.collect::<String>().replace('"', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows the preamble.
    fn converted(markdown: &str) -> String {
        let text = body(markdown);
        text.split_once(".nh\n.ad l\n").unwrap().1.to_owned()
    }

    #[test]
    fn roff_headings_become_subsections() {
        assert_eq!(converted("# Files\n\nText.\n\n## Files of `record`\n"), ".PP\nText.\n.SS \"Files of record\"\n");
    }

    #[test]
    fn roff_code_blocks_keep_their_lines() {
        let block = "```text\n$ footage\n\n'a'  b\\\n.TH x\n```\n";
        let expected = ".PP\n.RS 4\n.nf\n$ footage\n\n\\*(Aqa\\*(Aq  b\\\\\n\\&.TH x\n.fi\n.RE\n";
        assert_eq!(converted(block), expected);
    }

    #[test]
    fn roff_lists_are_bulleted_or_numbered() {
        assert_eq!(converted("- **one**\n- two\n"), ".IP \\(bu 3\n\\fBone\\fR\n.IP \\(bu 3\ntwo\n");
        assert_eq!(converted("1. one\n2. two\n"), ".IP 1. 3\none\n.IP 2. 3\ntwo\n");
    }

    #[test]
    fn roff_table_rows_become_entries() {
        let two = "| file | is |\n| --- | --- |\n| `a` | b |\n| c | |\n";
        assert_eq!(converted(two), ".TP\n\\fBa\\fR\nb\n.TP\nc\n");
        let three = "| key | default | meaning |\n| --- | --- | --- |\n| `a` | | m |\n| `b` | 1 | a \\| n |\n";
        let expected = ".TP\n\\fBa\\fR\nm\n.TP\n\\fBb\\fR\n\\fIdefault\\fR: 1\n.br\na | n\n";
        assert_eq!(converted(three), expected);
    }

    #[test]
    fn roff_links_name_their_page() {
        let text =
            converted("See [Files of record](files.md#files-of-record), [above](#keys) and [Rust](https://rustup.rs).");
        assert_eq!(text, ".PP\nSee Files of record (footage man files), above and Rust (https://rustup.rs).\n");
    }
}
