//! SQLite indexes that no camera writes: crafted by an attacker, or broken in an unlucky way.

use std::fs;
use std::path::Path;

const PAGE: usize = 4096;
/// SQLite follows 20 levels at most.
const LEVELS: usize = 15;
const CHILDREN: usize = 100;

/// Makes a table of a database endless: above its rows, which must fit on one page, come levels of pages that all
/// lead to the one below, a hundred times each.
pub(crate) fn make_endless(database: &Path, table: &str) {
    let root: u32 = {
        let connection = rusqlite::Connection::open(database).unwrap();
        connection.query_row("SELECT rootpage FROM sqlite_master WHERE name = ?", [table], |row| row.get(0)).unwrap()
    };
    let mut bytes = fs::read(database).unwrap();
    assert_eq!(bytes[16..18], [0x10, 0], "a page has {PAGE} bytes");
    let root = usize::try_from(root).unwrap() - 1;
    add_levels(&mut bytes, root);
    fs::write(database, bytes).unwrap();
}

/// Makes the schema of a database endless in the same way.
pub(crate) fn make_schema_endless(database: &Path) {
    let mut bytes = fs::read(database).unwrap();
    add_levels(&mut bytes, 0);
    fs::write(database, bytes).unwrap();
}

fn add_levels(bytes: &mut Vec<u8>, root: usize) {
    // The first page has the header of the file before its own.
    let header = if root == 0 { 100 } else { 0 };
    let mut leaf = bytes[root * PAGE..][..PAGE].to_vec();
    assert_eq!(leaf[header], 0x0D, "its rows fit on one page");
    let cells = usize::from(u16::from_be_bytes([leaf[header + 3], leaf[header + 4]]));
    leaf.copy_within(header..header + 8 + 2 * cells, 0);
    let first = u32::try_from(bytes.len() / PAGE).unwrap() + 1;
    bytes[root * PAGE + header..][..PAGE - header].copy_from_slice(&interior(first, header)[header..]);
    for level in 1..u32::try_from(LEVELS).unwrap() {
        bytes.extend(interior(first + level, 0));
    }
    bytes.extend(leaf);
    let pages = u32::try_from(bytes.len() / PAGE).unwrap();
    bytes[28..32].copy_from_slice(&pages.to_be_bytes());
}

/// An interior page of a table, of which every pointer leads to the same child.
fn interior(child: u32, header: usize) -> Vec<u8> {
    let mut page = vec![0; PAGE];
    page[header] = 0x05;
    page[header + 3..][..2].copy_from_slice(&u16::try_from(CHILDREN).unwrap().to_be_bytes());
    page[header + 8..][..4].copy_from_slice(&child.to_be_bytes());
    for cell in 0..CHILDREN {
        // The child, and a row number of one byte.
        let at = PAGE - 5 * (cell + 1);
        page[at..at + 4].copy_from_slice(&child.to_be_bytes());
        page[at + 4] = 1;
        page[header + 12 + 2 * cell..][..2].copy_from_slice(&u16::try_from(at).unwrap().to_be_bytes());
    }
    let content = u16::try_from(PAGE - 5 * CHILDREN).unwrap();
    page[header + 5..][..2].copy_from_slice(&content.to_be_bytes());
    page
}
