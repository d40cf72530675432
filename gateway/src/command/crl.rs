//! `shuguan crl …`: sign the revocation lists anew, show them.

use std::path::PathBuf;

use super::cert::{Gateway, failure};
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::clock::Clock;
use crate::pki::authority::Tier;
use crate::pki::crl::{self, CrlView};

/// Sign the revocation lists anew, or show them.
#[derive(Debug, clap::Args)]
pub struct CrlArgs {
    #[command(subcommand)]
    action: CrlAction,
}

#[derive(Debug, clap::Subcommand)]
enum CrlAction {
    /// Sign the lists anew for another 30 days; the gateway refuses everybody once a list has expired.
    #[command(
        after_help = "EXAMPLES\n  shuguan crl issue -c demo/shuguan.toml\n\nRun it weekly from a timer, then reload the gateway. With the root's key kept elsewhere, `--issuing` signs only the list of the issuing authority.\n\nEXIT CODES\n  0 signed · 1 a key or file is not usable"
    )]
    Issue {
        /// Only the issuing authority's list.
        #[arg(long, conflicts_with = "root")]
        issuing: bool,
        /// Only the root's list.
        #[arg(long)]
        root: bool,
        #[command(flatten)]
        gateway: Gateway,
    },
    /// Show a list, or both lists of a gateway.
    #[command(
        after_help = "EXAMPLES\n  shuguan crl show -c demo/shuguan.toml\n  shuguan crl show issuing.crl.pem\n\nEXIT CODES\n  0 shown · 1 unreadable"
    )]
    Show {
        /// PEM file; without it the gateway's lists.
        file: Option<PathBuf>,
        #[command(flatten)]
        gateway: Gateway,
    },
}

/// Runs the command.
pub fn run(args: CrlArgs, output: &Output) -> Result<Exit, Failure> {
    match args.action {
        CrlAction::Issue { issuing, root, gateway } => {
            let tiers = match (root, issuing) {
                (true, _) => &[Tier::Root][..],
                (_, true) => &[Tier::Issuing][..],
                _ => &[Tier::Root, Tier::Issuing][..],
            };
            issue(tiers, &gateway, output)
        }
        CrlAction::Show { file, gateway } => {
            let pki = gateway.folder().join("pki");
            let files = match file {
                Some(file) => vec![file],
                None => vec![pki.join("root.crl.pem"), pki.join("issuing.crl.pem")],
            };
            let lists = files.iter().map(|file| crl::read(file)).collect::<Result<Vec<_>, _>>();
            show(&lists.map_err(failure)?, output);
            Ok(Exit::Done)
        }
    }
}

fn issue(tiers: &[Tier], gateway: &Gateway, output: &Output) -> Result<Exit, Failure> {
    let authority = gateway.authority()?;
    for tier in tiers {
        let number = authority.crl(*tier, Clock::system().now_us()).map_err(failure)?;
        output.note(format!(
            "{} list number {number}, valid {} days",
            tier.name(),
            authority.profile().crl_days()
        ));
    }
    output.note("next: reload the gateway (SIGHUP)");
    Ok(Exit::Done)
}

fn show(lists: &[CrlView], output: &Output) {
    if output.is_json() {
        output.json("shuguan.crl.v1", &lists);
        return;
    }
    for list in lists {
        output.note(format!(
            "{}\n  number {} · {} – {}",
            list.issuer, list.number, list.this_update, list.next_update
        ));
    }
    let revoked = lists.iter().flat_map(|list| &list.revoked);
    let cells: Vec<Vec<String>> = revoked
        .map(|entry| vec![entry.serial.clone(), entry.at.clone(), entry.reason.clone()])
        .collect();
    output.rows(&["serial", "revoked_at", "reason"], &cells);
}
