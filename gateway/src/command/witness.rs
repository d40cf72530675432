//! `shuguan witness init | serve`: a witness of other people's logs, at another authority.
//!
//! `init` makes a folder with a key (mode 0400), an empty store and `witness.toml`, and prints what the gateway's operator and the verifiers
//! need. `serve` answers until SIGTERM or Ctrl-C. Neither knows anything of exchanges.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;
use shuguan_ledger::cosignature::{CosigningKey, WitnessKey};
use shuguan_ledger::note::VerifyingKey;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::cert::failure;
use super::exit::{Exit, Failure};
use super::output::Output;
use crate::chain::Chain;
use crate::clock::Clock;
use crate::edge::tls;
use crate::pki::keyfile;
use crate::witness::{Service, Store, StoreFault, WitnessSettings, listen, router};

/// Be a witness of a gateway's log: sign each checkpoint that only grew, and nothing else.
#[derive(Debug, clap::Args)]
#[command(after_help = "WHY
  A gateway signs its own log. Whoever holds its key could show one history to one agency and another to the next, or put back an
  older copy. A witness that another authority runs signs a checkpoint only when it continues the last one that it signed: then
  there is one history, and every receipt under that checkpoint says so. A witness learns sizes and hashes, never data.

STEPS
  at the other authority    shuguan witness init /etc/shuguan-witness --name witness.audit.example/w1 --log VKEY
                            shuguan witness serve --config /etc/shuguan-witness/witness.toml
  at the gateway            add the printed [[witness]] to shuguan.toml, and restart
  at who verifies           add the printed `witness` and `quorum` lines to trust.txt

KEEP
  witness.seed and witness.db belong together and to one machine: a witness that is put back from an older copy forgets what it
  signed, and could sign a fork. If the store is lost, make a new witness under a new name.")]
pub struct WitnessArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Make a witness's folder: key, store, configuration; print its public key.
    #[command(after_help = "EXAMPLES
  shuguan witness init /etc/shuguan-witness --name witness.audit.example/w1 --log gw1.lyg.example/log+…
  shuguan witness init w --name w1 --listen 127.0.0.1:8450

Nothing is overwritten. The log's key stands in the gateway's trust/log.vkey; more [[log]] can be added to witness.toml later.

A LOG THAT CHANGES ITS KEY
  Add its new key as a [[log]] of its own while both sign, with `from`, and give the old one `until` when it is retired: the sizes that the
  gateway's operator names (shuguan key list). Below `from` and from `until` on a key is not listened to. Then start the witness anew.

EXIT CODES
  0 made · 1 something is there already, or cannot be written")]
    Init {
        /// The folder; made with mode 0700.
        dir: PathBuf,
        /// Name of the witness's key, for ever: its address without scheme, e.g. witness.audit.example/w1.
        #[arg(long)]
        name: String,
        /// Public key of a log that it knows; may be repeated.
        #[arg(long = "log", value_name = "VKEY")]
        logs: Vec<String>,
        /// Where logs ask; beyond loopback `certificate` and `tls_key_file` must be added to witness.toml.
        #[arg(long, default_value = "127.0.0.1:8450")]
        listen: SocketAddr,
    },
    /// Answer logs until SIGTERM or Ctrl-C.
    #[command(after_help = "EXAMPLES
  shuguan witness serve --config /etc/shuguan-witness/witness.toml

HTTP (C2SP tlog-witness)
  POST /add-checkpoint                 200 the cosignature · 400 malformed, or old size above the new · 403 not signed by the log
                                       404 unknown log · 409 old size is not the stored one, which the body says
                                       422 not a continuation: a fork
  GET /<SHA-256 of origin>/checkpoint  the newest checkpoint that it signed

What it signed last is on disk before an answer leaves; killed anywhere, it signs no two histories.

EXIT CODES
  0 stopped · 1 did not start, or its store failed")]
    Serve {
        /// The configuration that `init` made.
        #[arg(short = 'c', long, default_value = "witness.toml")]
        config: PathBuf,
    },
}

/// Runs the command.
///
/// # Errors
/// When a file cannot be made or read, the address cannot be listened on, or the store fails.
pub fn run(args: WitnessArgs, output: &Output) -> Result<Exit, Failure> {
    match args.what {
        What::Init {
            dir,
            name,
            logs,
            listen,
        } => {
            let key = make(&dir, &name, &logs, listen)?;
            report(&dir, &key, listen, output);
        }
        What::Serve { config } => {
            let settings = load(&config)?;
            super::serve::log_to_stdout();
            super::runtime()?.block_on(serve(settings, output))?;
        }
    }
    Ok(Exit::Done)
}

fn load(path: &Path) -> Result<WitnessSettings, Failure> {
    WitnessSettings::load(path).map_err(|error| {
        Failure::local("the configuration is not taken")
            .because(error)
            .at(path.display().to_string())
            .then("shuguan witness init DIR --name NAME   makes one")
    })
}

fn stored(fault: &StoreFault) -> Failure {
    Failure::local("the witness's store cannot be used").because(Chain(fault))
}

/// Makes the folder; nothing in it is overwritten.
pub(crate) fn make(dir: &Path, name: &str, logs: &[String], listen: SocketAddr) -> Result<WitnessKey, Failure> {
    // Whether the name can stand in a note is known before anything is made.
    CosigningKey::from_seed(name, &[0; 32]).map_err(|error| {
        Failure::local(format!("`{name}` cannot be the name of a key"))
            .because(error)
            .then("use the witness's address without scheme, e.g. witness.audit.example/w1")
    })?;
    for vkey in logs {
        VerifyingKey::parse(vkey).map_err(|error| {
            Failure::local("--log is not the key of a log")
                .because(error)
                .then("it stands in the gateway's trust/log.vkey")
        })?;
    }
    keyfile::secret_folder(dir).map_err(failure)?;
    let seed = dir.join("witness.seed");
    keyfile::create_random_key(&seed).map_err(failure)?;
    Store::create(&dir.join("witness.db")).map_err(|fault| stored(&fault))?;
    keyfile::create_public(&dir.join("witness.toml"), settings_text(name, logs, listen).as_bytes()).map_err(failure)?;
    Ok(signing_key(name, &seed)?.witness_key())
}

fn signing_key(name: &str, seed: &Path) -> Result<CosigningKey, Failure> {
    let seed = keyfile::read_random_key(seed).map_err(failure)?;
    CosigningKey::from_seed(name, &seed)
        .map_err(|error| Failure::local("the witness's key cannot be used").because(error))
}

fn settings_text(name: &str, logs: &[String], listen: SocketAddr) -> String {
    let mut text = format!(
        "# A witness of logs: `shuguan witness serve --config` this file. Paths count from its folder.\n\
         name = \"{name}\"             # of its key, for ever: cosignatures carry it\n\
         key_file = \"witness.seed\"   # mode 0400\n\
         database = \"witness.db\"     # what it signed last; never to be put back from an older copy\n\
         listen = \"{listen}\"\n\
         # certificate = \"server.pem\"    # beyond loopback: the server's chain and key, PEM\n\
         # tls_key_file = \"server.key\"\n"
    );
    for vkey in logs {
        // Writing to a String cannot fail.
        let _ = write!(text, "\n[[log]]\nvkey = \"{vkey}\"\n");
    }
    if logs.is_empty() {
        text.push_str("\n# [[log]]\n# vkey = \"…\"    # as in the gateway's trust/log.vkey\n");
    }
    text
}

fn report(dir: &Path, key: &WitnessKey, listen: SocketAddr, output: &Output) {
    let (name, vkey) = (key.name(), key.vkey());
    if output.is_json() {
        output.json(
            "shuguan.witness.v1",
            &json!({ "name": name, "vkey": vkey, "listen": listen }),
        );
        return;
    }
    output.line(&vkey);
    output.note(format!(
        "\nmade `{0}`; run: shuguan witness serve --config {0}/witness.toml\n\n\
         for the gateway's shuguan.toml:\n\
         [[witness]]\nname = \"w1\"\nurl = \"http://{listen}\"\nvkey = \"{vkey}\"\n\n\
         for the trust file of who verifies, below its `log` line:\n\
         witness w1 {vkey}\nquorum w1",
        dir.display()
    ));
}

/// A witness that runs, for those who serve it in their own process.
pub(crate) async fn start(
    settings: WitnessSettings,
    stop: CancellationToken,
) -> Result<(Service, impl Future<Output = ()>), Failure> {
    let tls = match &settings.tls {
        Some((certificate, key)) => Some(Arc::new(tls::anonymous(certificate, key).map_err(|faults| {
            let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Failure::local("the server's certificate cannot be used").because(texts.join("\n"))
        })?)),
        None => None,
    };
    let key = signing_key(&settings.name, &settings.key_file)?;
    let store = Store::open(&settings.database).map_err(|fault| stored(&fault))?;
    let listener = TcpListener::bind(settings.listen)
        .await
        .map_err(|error| Failure::local(format!("cannot listen on {}", settings.listen)).because(error))?;
    let service = Service::new(key, settings.logs, store, Clock::system());
    let serving = listen(listener, tls, router(service.clone()), stop);
    Ok((service, serving))
}

async fn serve(settings: WitnessSettings, output: &Output) -> Result<(), Failure> {
    let broken = |error: std::io::Error| Failure::local("cannot listen to signals").because(error);
    let mut term = signal(SignalKind::terminate()).map_err(broken)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(broken)?;
    let (address, logs, stop) = (settings.listen, settings.logs.len(), CancellationToken::new());
    let (service, serving) = start(settings, stop.clone()).await?;
    let mut serving = std::pin::pin!(serving);
    tracing::info!(listen = %address, logs, "witnessing");
    tokio::select! {
        () = &mut serving => {}
        _ = term.recv() => {}
        _ = interrupt.recv() => {}
        () = service.failed() => {
            return Err(Failure::local("the witness's store failed; what was signed last is read anew at the next start")
                .then("look at the disk and the log, then start again"));
        }
    }
    output.note("stopping");
    stop.cancel();
    serving.await;
    Ok(())
}
