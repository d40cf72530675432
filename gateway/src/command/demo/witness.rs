//! The demo's own witness: another folder, another key, beside the gateway. In earnest another authority runs it on its own machine.
//!
//! Takes the demo's folder; makes `witness/`, names it in `shuguan.toml` and in every trust file, runs it, and shows that the receipts carry
//! its signature.

use std::path::{Path, PathBuf};
use std::time::Duration;

use shuguan_ledger::receipt::Receipt;
use shuguan_ledger::trust::{Quorum, Trust};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::client::Client;
use crate::client::deliver::Pushed;
use crate::client::witnessed::{Upgraded, upgrade};
use crate::command::cert::failure;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::command::witness;
use crate::pki::keyfile;
use crate::witness::WitnessSettings;

/// Where the demo's witness listens.
const LISTEN: &str = "127.0.0.1:8450";
const NAME: &str = "demo-witness";
/// How long the walk waits for signatures.
const PATIENCE: Duration = Duration::from_secs(20);

/// A witness that serves until it is stopped.
pub(super) struct Running {
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl Running {
    pub(super) async fn stop(mut self) {
        self.stop.cancel();
        while self.task.join_next().await.is_some() {}
    }
}

fn unwritten(path: &Path) -> impl Fn(std::io::Error) -> Failure {
    let what = format!("cannot read or write `{}`", path.display());
    move |error| Failure::local(what.clone()).because(error)
}

/// Makes it for a folder that `init --demo` has just made.
pub(super) fn add(dir: &Path) -> Result<(), Failure> {
    let log = keyfile::read_public(&dir.join("trust/log.vkey")).map_err(failure)?;
    let listen = LISTEN
        .parse()
        .map_err(|_| Failure::local(format!("`{LISTEN}` is no address")))?;
    let key = witness::make(
        &dir.join("witness"),
        "witness.example/demo",
        &[log.trim().to_owned()],
        listen,
    )?;
    let vkey = key.vkey();
    let config = dir.join("shuguan.toml");
    let text = std::fs::read_to_string(&config).map_err(unwritten(&config))?;
    let section = format!(
        "# The demo's own witness. In earnest another authority runs one: shuguan witness --help\n\
         [[witness]]\nname = \"{NAME}\"\nurl = \"http://{LISTEN}\"\nvkey = \"{vkey}\"\n\n[witnessing]\n"
    );
    let text = text.replacen("[witnessing]\n", &section, 1);
    keyfile::replace_public(&config, text.as_bytes()).map_err(failure)?;
    for trust in trust_files(dir)? {
        let text = std::fs::read_to_string(&trust).map_err(unwritten(&trust))?;
        let text = format!("{text}witness {NAME} {vkey}\nquorum {NAME}\n");
        keyfile::replace_public(&trust, text.as_bytes()).map_err(failure)?;
    }
    Ok(())
}

/// The gateway's own and those of every kit.
fn trust_files(dir: &Path) -> Result<Vec<PathBuf>, Failure> {
    let partners = dir.join("partners");
    let kits = std::fs::read_dir(&partners).map_err(unwritten(&partners))?;
    let mut files = vec![dir.join("trust/trust.txt"), dir.join("officers/trust.txt")];
    files.extend(kits.flatten().map(|kit| kit.path().join("trust.txt")));
    files.retain(|path| path.is_file());
    Ok(files)
}

/// Runs it; none when the folder was made without one.
pub(super) async fn start(dir: &Path, output: &Output) -> Result<Option<Running>, Failure> {
    let path = dir.join("witness/witness.toml");
    if !path.is_file() {
        return Ok(None);
    }
    output.note("starting a witness of its log (in earnest another authority runs it)");
    let settings = WitnessSettings::load(&path)
        .map_err(|error| Failure::local("the witness's configuration is not taken").because(error))?;
    let stop = CancellationToken::new();
    let (_service, serving) = witness::start(settings, stop.clone()).await?;
    let mut task = JoinSet::new();
    task.spawn(serving);
    Ok(Some(Running { stop, task }))
}

/// Fetches the receipts that the witness has signed over those that the pushes were answered with, and verifies one.
pub(super) async fn show(trust: &Trust, receipts: &[(&Client, &str, &Path)], output: &Output) -> Result<(), Failure> {
    let Some(quorum) = trust.quorum() else { return Ok(()) };
    output.note("\nwaiting for the witness to sign the log over all of it:");
    for (client, exchange, path) in receipts {
        let done = upgrade(client, trust, &[(exchange, path)], PATIENCE).await?;
        if done.is_none_or(|Upgraded { missing, .. }| missing > 0) {
            return Err(
                Failure::local(format!("`{quorum}` did not sign the log")).then("see gateway.log in the demo's folder")
            );
        }
    }
    let Some((_, _, path)) = receipts.first() else {
        return Ok(());
    };
    let text = std::fs::read_to_string(path).map_err(unwritten(path))?;
    let proven = Receipt::parse(&text).and_then(|receipt| receipt.verify(trust));
    let proven = proven.map_err(|error| Failure::new(Exit::NotProven, "the receipt does not verify").because(error))?;
    if proven.witnessed.quorum != Quorum::Met {
        return Err(Failure::new(Exit::NotProven, "the witness's signature is missing"));
    }
    output.line(format!(
        "有效  {} receipts, each under a checkpoint that `{}` signed: {} entries of one history",
        receipts.len(),
        proven.witnessed.names(),
        proven.checkpoint.size
    ));
    Ok(())
}

/// Exchange and receipt of each push.
pub(super) fn of<'p>(client: &'p Client, pushed: &'p Pushed) -> (&'p Client, &'p str, &'p Path) {
    (client, &pushed.exchange, &pushed.receipt)
}
