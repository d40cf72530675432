//! One file to send, and how its sender means it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::tied::Tie;

/// One file to send and how.
#[derive(Clone, Debug)]
pub struct Feed<'a> {
    /// The file.
    pub file: &'a Path,
    /// Record type.
    pub record: &'a str,
    /// Purpose.
    pub purpose: &'a str,
    /// Content type; detected when absent.
    pub content_type: Option<String>,
    /// Mode, scope, count, layout and constants.
    pub asked: Asked,
    /// Folder for state and receipts.
    pub state: Option<&'a Path>,
    /// Where the receipt goes; beside the file, or in the state's folder, under a name with the exchange, when absent.
    pub receipt: Option<PathBuf>,
    /// Ties the receipt to the file, in a drop folder.
    pub tie: Option<&'a Tie>,
    /// Under a new key, whatever was sent before: as a batch of its own.
    pub again: bool,
    /// How long to go on trying.
    pub patience: Duration,
}

/// How a batch is meant: what becomes the headers `Exchange-…`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// `delta` or `snapshot`; none: upsert.
    pub mode: Option<String>,
    /// Scope of a snapshot.
    pub scope: Option<String>,
    /// Rows that the sender counted.
    pub count: Option<u64>,
    /// Name of a layout that the gateway knows.
    pub layout: Option<String>,
    /// What is stated of the whole file, as the header has it.
    pub constants: Option<String>,
}

/// `month=202511`, as often as is stated, as one header; a code that is no number is quoted.
pub fn constants(stated: &[String]) -> Option<String> {
    let member = |stated: &String| match stated.split_once('=') {
        Some((field, code)) if !code.trim().bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{}=\"{}\"", field.trim(), code.trim().trim_matches('"'))
        }
        Some((field, code)) => format!("{}={}", field.trim(), code.trim()),
        None => stated.trim().to_owned(),
    };
    let members: Vec<String> = stated.iter().map(member).collect();
    (!members.is_empty()).then(|| members.join(", "))
}

impl Asked {
    /// The headers.
    pub(super) fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let headers = [
            ("exchange-mode", self.mode.clone()),
            ("exchange-scope", self.scope.clone()),
            ("exchange-count", self.count.map(|count| count.to_string())),
            ("exchange-layout", self.layout.clone()),
            ("exchange-constants", self.constants.clone()),
        ];
        headers.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// What the idempotency key is bound to besides content, target and purpose; empty for a plain upsert.
    pub fn canonical(&self) -> String {
        let pairs: Vec<String> = self.headers().map(|(name, value)| format!("{name}: {value}")).collect();
        pairs.join("\n")
    }
}
