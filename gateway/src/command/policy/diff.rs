//! `shuguan policy diff OLD NEW`: what changes in meaning, and whether anything becomes wider.

use std::path::PathBuf;

use policies::diff::Turn;
use serde::Serialize;
use shuguan_policies as policies;

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::{hex, load};

#[derive(Debug, clap::Args)]
pub(super) struct DiffArgs {
    /// The bundle as it is.
    pub(super) old: PathBuf,
    /// The bundle as it is to be.
    pub(super) new: PathBuf,
}

#[derive(Serialize)]
struct DiffView {
    widens: bool,
    old: String,
    new: String,
    changes: Vec<policies::diff::Change>,
}

pub(super) fn diff(args: &DiffArgs, output: &Output) -> Result<Exit, Failure> {
    Ok(show(&load(&args.old)?, &load(&args.new)?, output))
}

/// Says what changes from one bundle to the other; ends with 3 when anything widens.
pub(super) fn show(old: &policies::PolicySet, new: &policies::PolicySet, output: &Output) -> Exit {
    let diff = old.diff(new);
    let widens = diff.widens();
    if output.is_json() {
        let view = DiffView {
            widens,
            old: hex(&old.hash()),
            new: hex(&new.hash()),
            changes: diff.changes,
        };
        output.json("shuguan.policy-diff.v1", &view);
    } else if diff.changes.is_empty() {
        output.line("no change in meaning");
    } else {
        let rows: Vec<Vec<String>> = diff
            .changes
            .into_iter()
            .map(|one| {
                vec![
                    word(one.turn).to_owned(),
                    one.subject,
                    one.component,
                    one.before,
                    one.after,
                ]
            })
            .collect();
        output.rows(&["TURN", "WHAT", "COMPONENT", "BEFORE", "AFTER"], &rows);
    }
    if widens { Exit::Refused } else { Exit::Done }
}

fn word(turn: Turn) -> &'static str {
    match turn {
        Turn::Narrowed => "narrowed",
        Turn::Widened => "WIDENED",
        Turn::Incomparable => "INCOMPARABLE",
        Turn::Restated => "restated",
    }
}
