//! What one pass leaves for the next. The file of the [report](crate::pass::Report) holds it, beside what the pass did.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::contact::Contact;

/// What one pass leaves for the next.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Recordings that were removed for room, and are not fetched again while the camera has them.
    pub given_up: BTreeSet<String>,
    /// The limits of room under which they were removed; under others they are fetched again.
    pub given_up_for: String,
    /// Removing recordings did not free the disk: none is removed for room until some is free again.
    pub removal_frees_nothing: bool,
    /// Recordings that broke off without getting further: the next pass tries them last.
    pub broke_off: BTreeSet<String>,
    /// How the objects of a destination of `upload` were named last, by destination.
    pub keyed: BTreeMap<String, Keyed>,
    /// The keys of the [notices](crate::notices) that were logged; `told` in the report.
    #[serde(rename = "told")]
    pub logged: BTreeSet<String>,
    /// Whether the camera, its storage or the server answers.
    pub contact: Contact,
}

/// How `upload` named the objects of a destination.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Keyed {
    /// `--key` and `--timezone`.
    pub by: String,
    /// Files that are there under another key than those give them.
    pub other_files: usize,
}

impl Memory {
    /// What a pass with these `peers` takes over from the last one. What was logged is not: the pass collects that anew.
    /// `arrived` is when an earlier version, which did not count, last saw a peer answer.
    #[must_use]
    pub fn carried_over(&self, peers: &[String], arrived: Option<f64>) -> Self {
        let contact = self.contact.carried_over(peers, arrived);
        Self { logged: BTreeSet::new(), contact, ..self.clone() }
    }
}
