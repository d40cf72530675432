//! `shuguan log clock`: how the machine's clock stands against the time that the log goes on by, asked of the running gateway; with `--confirm` the operator
//! says that a step that is held is the time. Refuses what the gateway refuses.

use std::path::Path;

use serde_json::{Value, json};

use super::super::exit::Failure;
use super::super::output::Output;
use super::super::query::flatten;
use crate::client::{Client, ClientSettings, Listener};

/// Asks, or confirms.
pub(super) fn run(confirm: bool, config: &Path, output: &Output) -> Result<(), Failure> {
    let client = Client::open(&ClientSettings::load(config)?, Listener::Console)?;
    let path = "/console/api/clock";
    let document = super::super::runtime()?
        .block_on(async {
            if confirm {
                client.post_json(path, &json!({ "confirm": true })).await
            } else {
                client.get_json(path).await
            }
        })
        .map_err(|error| error.failure(path))?;
    if output.is_json() {
        output.json("shuguan.clock.v1", &document);
        return Ok(());
    }
    output.rows(&["CLOCK", "VALUE"], &flatten(&document));
    match document.get("leaf").and_then(Value::as_u64) {
        Some(leaf) => output.note(format!("done; leaf {leaf} of the log says so")),
        None if document.get("held_s").is_some_and(Value::is_i64) => {
            output.note(
                "the machine's clock stepped and is not followed: put it right, or: shuguan log clock --confirm --yes",
            );
        }
        None => {}
    }
    Ok(())
}
