//! `shuguan relay status`: what waits for the registry, asked of the running gateway's health page.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::Duration;

use super::config;
use super::exit::{Exit, Failure};
use super::output::Output;
use super::query::flatten;

/// The relay between inbox and registry.
#[derive(Debug, clap::Args)]
pub struct RelayArgs {
    #[command(subcommand)]
    action: RelayAction,
}

#[derive(Debug, clap::Subcommand)]
enum RelayAction {
    /// What waits, how fast it goes, and the checks behind `/readyz`.
    #[command(
        after_help = "EXAMPLES\n  shuguan relay status -c demo/shuguan.toml\n\nEXIT CODES\n  0 shown · 4 the gateway is not running"
    )]
    Status {
        /// The gateway's configuration.
        #[arg(short = 'c', long = "config", env = "SHUGUAN_CONFIG", default_value = "shuguan.toml")]
        config: PathBuf,
    },
}

/// Runs the command.
pub fn run(args: RelayArgs, output: &Output) -> Result<Exit, Failure> {
    let RelayAction::Status { config } = args.action;
    let config = config::load(&config)?;
    let address = config.listen.health;
    let text = get(address, "/readyz").map_err(|error| {
        Failure::new(
            Exit::Unreached,
            format!("the gateway's health page at {address} does not answer"),
        )
        .because(error)
        .then("shuguan serve -c FILE")
    })?;
    let document: serde_json::Value = serde_json::from_str(&text)
        .map_err(|error| Failure::new(Exit::Unreached, "the health page is not JSON").because(error))?;
    if output.is_json() {
        output.json("shuguan.relay.v1", &document);
    } else {
        output.rows(&["CHECK", "VALUE"], &flatten(&document));
    }
    Ok(Exit::Done)
}

/// The body of a page of the loopback listener.
fn get(address: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    Ok(body.to_owned())
}
