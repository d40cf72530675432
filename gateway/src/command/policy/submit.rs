//! `shuguan policy submit`: a signed bundle into force, through the console listener, while the gateway serves.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::json;
use shuguan_policies::Bundle;

use crate::client::{Client, ClientSettings, Listener};
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::command::query::flatten;

#[derive(Debug, clap::Args)]
pub(super) struct SubmitArgs {
    /// The bundle, signed by both roles.
    dir: PathBuf,
    /// The policy officer's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

/// Runs the command.
pub(super) fn run(args: &SubmitArgs, output: &Output) -> Result<Exit, Failure> {
    let bundle = Bundle::read(&args.dir).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::local(format!("the bundle cannot be read\n{}", lines.join("\n")))
            .then(format!("shuguan policy check {}", args.dir.display()))
    })?;
    let signature = bundle.envelope().ok_or_else(|| {
        Failure::local("nobody has signed the bundle")
            .coded("SG7202")
            .at(args.dir.display().to_string())
            .then(format!("shuguan policy sign {} -c OFFICER.toml", args.dir.display()))
    })?;
    let files: BTreeMap<&str, &str> = bundle
        .texts()
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let client = Client::open(&ClientSettings::load(&args.config)?, Listener::Console)?;
    let path = "/console/api/policy";
    let question = json!({ "files": files, "signature": signature });
    let document = crate::command::runtime()?
        .block_on(client.post_json(path, &question))
        .map_err(|error| error.failure(&format!("POST {path}")))?;
    if output.is_json() {
        output.json("shuguan.policy.v1", &document);
    } else {
        output.rows(&["MEMBER", "VALUE"], &flatten(&document));
    }
    match document.get("leaf").and_then(serde_json::Value::as_u64) {
        Some(leaf) => output.note(format!("in force; leaf {leaf} of the log says so")),
        None => output.note("this bundle was in force already"),
    }
    Ok(Exit::Done)
}
