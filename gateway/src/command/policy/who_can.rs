//! `shuguan policy who-can FIELD`: everybody who learns anything about a field.

use std::path::PathBuf;

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::load;
use crate::clock::Clock;

#[derive(Debug, clap::Args)]
pub(super) struct WhoCanArgs {
    /// The bundle.
    pub(super) dir: PathBuf,
    /// A field wherever it occurs, e.g. `birth_date`, or of one record type or dataset, e.g. `population.birth_date`.
    pub(super) field: String,
    /// The moment with its offset; now unless given. Grants that are over by then tell nothing.
    #[arg(long)]
    pub(super) at: Option<String>,
}

pub(super) fn who_can(args: &WhoCanArgs, clock: &Clock, output: &Output) -> Result<Exit, Failure> {
    let at_us = match &args.at {
        None => clock.now_us(),
        Some(text) => super::explain::moment(text)?,
    };
    let set = load(&args.dir)?.without_expired(at_us);
    if !set.knows_field(&args.field) {
        return Err(Failure::new(
            Exit::Usage,
            format!("no record type or dataset has a field `{}`", args.field),
        )
        .then(format!("shuguan policy catalog {}", args.dir.display())));
    }
    let tellings = set.who_can(&args.field);
    if output.is_json() {
        output.json(
            "shuguan.policy-who-can.v1",
            &serde_json::json!({ "field": args.field, "grants": tellings }),
        );
    } else if tellings.is_empty() {
        output.line(format!("nobody learns anything about `{}`", args.field));
    } else {
        let rows: Vec<Vec<String>> = tellings
            .iter()
            .map(|one| {
                let way = format!("{}/{}", one.direction, one.mode);
                [
                    &one.partner,
                    &one.consumer,
                    one.target,
                    &one.purpose,
                    &way,
                    &one.strength,
                    &one.way,
                    &one.place,
                ]
                .map(str::to_owned)
                .to_vec()
            })
            .collect();
        let header = ["PARTNER", "FOR", "DATA", "PURPOSE", "WAY", "STRENGTH", "HOW", "WHERE"];
        output.rows(&header, &rows);
    }
    Ok(if tellings.is_empty() { Exit::Done } else { Exit::Local })
}
