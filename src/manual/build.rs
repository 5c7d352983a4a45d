//! Makes the manual pages of the chapters when footage is compiled, so that the binary brings no reader of Markdown.

mod roff;

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    const CHAPTERS: &str = "src/manual";
    println!("cargo::rerun-if-changed={CHAPTERS}");

    let mut paths = fs::read_dir(CHAPTERS)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    paths.sort();
    let chapters = paths.iter().map(|path| chapter(path)).collect::<io::Result<Vec<_>>>()?;
    let out = env::var_os("OUT_DIR").unwrap_or_default();
    fs::write(Path::new(&out).join("chapters.rs"), format!("&[{}]", chapters.concat()))
}

/// A `Chapter` of `manual.rs`, in Rust.
fn chapter(path: &Path) -> io::Result<String> {
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let text = fs::read_to_string(path)?;
    let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
    Ok(format!("Chapter {{ name: {name:?}, title: {title:?}, body: {:?} }},", roff::body(&text)))
}
