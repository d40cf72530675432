//! `shuguan pull DATASET`: request an extract, wait for it, download it with resume, check digest and receipt.
//!
//! The content goes to `FILE.part` (mode 0600) and is renamed when its digest is that of `Repr-Digest`, and receipt and manifest are of this extract; until
//! then a former file stays, and after a failure no part does. A cut download goes on where it stopped. The place is
//! opened before the gateway is asked: what it seals is a release, whoever receives it.

use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use bytes::Bytes;
use http::Method;
use http_body_util::BodyExt;
use indicatif::{ProgressBar, ProgressDrawTarget};
use serde::Serialize;
use shuguan_ledger::leaf::{Digest, PullEvent};
use shuguan_ledger::tree::Hash;
use shuguan_ledger::trust::Trust;
use uuid::Uuid;

use super::exit::{Exit, Failure};
use super::output::Output;
use super::push::WITNESS_PATIENCE;
use crate::chain::Chain;
use crate::client::connect;
use crate::client::deliver::{digest_of, load_trust};
use crate::client::proven::{NotOurs, Received, extract_of};
use crate::client::signed::asked;
use crate::client::witnessed::upgrade;
use crate::client::{CallError, Client, ClientSettings, Listener};
use crate::durable::{self, beside};
use crate::opening::{MEDIA_TYPE, Opening};
use crate::sha256;
use crate::signature::{Profile, digest, profile};

mod place;

use place::Place;

/// Request an extract and download it.
#[derive(Debug, clap::Args)]
#[command(after_help = "EXAMPLES
  shuguan pull population --purpose enrolment.registration --case AJ-2026-001 -o population.ndjson -c client.toml
  shuguan pull enterprises --purpose enrolment.registration --case AJ-2026-002 --region 320707 -o enterprises.csv

A file of that name is replaced when the extract is here and proved.

EXIT CODES
  0 downloaded and verified · 1 local failure, or nothing can be put there · 2 something is there and is no regular file
  3 refused · 4 not reached (repeat) · 6 digest or receipt does not verify · 7 rate limited")]
pub struct PullArgs {
    /// `population` or `enterprises`.
    dataset: String,
    /// What it may be used for.
    #[arg(long)]
    purpose: String,
    /// The case that it is for.
    #[arg(long)]
    case: String,
    /// Only rows whose region begins so, e.g. `320707`.
    #[arg(long)]
    region: Option<String>,
    /// Only who changed in the registry since this moment (RFC 3339): the `as_of` of the last pull.
    #[arg(long)]
    since: Option<String>,
    /// `ndjson` or `csv`; by default as the file is called, else `ndjson`.
    #[arg(long)]
    form: Option<String>,
    /// Where to write it.
    #[arg(short, long)]
    output: PathBuf,
    /// How long to wait for it, seconds.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// The kit's client.toml.
    #[arg(short = 'c', long = "config", env = "SHUGUAN_CLIENT", default_value = "client.toml")]
    config: PathBuf,
}

/// What to ask for.
#[derive(Debug)]
pub struct Extract<'a> {
    /// Dataset.
    pub dataset: &'a str,
    /// Purpose.
    pub purpose: &'a str,
    /// Case number.
    pub case: &'a str,
    /// Region prefix.
    pub region: Option<&'a str>,
    /// RFC 3339 moment.
    pub since: Option<&'a str>,
    /// `ndjson` or `csv`.
    pub form: &'a str,
    /// Where to write it.
    pub output: &'a Path,
    /// How long to wait.
    pub patience: Duration,
}

/// What was downloaded.
#[derive(Debug, Serialize)]
pub struct Pulled {
    /// The exchange.
    pub exchange: String,
    /// Rows.
    pub rows: u64,
    /// As of when the registry was read: the next pull `--since` then misses nothing.
    pub as_of: Option<String>,
    /// Bytes.
    pub bytes: u64,
    /// The file.
    pub file: PathBuf,
    /// Its receipt.
    pub receipt: PathBuf,
    /// Under what it was given, and what is owed.
    pub manifest: PathBuf,
    /// What opens the commitment of the log to these bytes.
    pub opening: PathBuf,
    /// The gateway took our signed acknowledgement.
    pub acknowledged: bool,
}

/// Ends the work where it stands when the process is told to end, so that what was begun is removed.
async fn unless_interrupted<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let broken = |error: std::io::Error| Failure::local("cannot listen to signals").because(error);
    let mut term = signal(SignalKind::terminate()).map_err(broken)?;
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => Err(interrupted()),
        _ = term.recv() => Err(interrupted()),
    }
}

fn interrupted() -> Failure {
    Failure::new(Exit::Interrupted, "interrupted: no part of the extract stays here")
        .because("what the gateway released before stands in its log all the same")
        .then("pull again")
}

/// Runs the command.
pub fn run(args: PullArgs, output: &Output) -> Result<Exit, Failure> {
    let settings = ClientSettings::load(&args.config)?;
    let trust = load_trust(&settings.trust)?;
    let client = Client::open(&settings, Listener::Feed)?;
    let extract = Extract {
        dataset: &args.dataset,
        purpose: &args.purpose,
        case: &args.case,
        region: args.region.as_deref(),
        since: args.since.as_deref(),
        form: args.form.as_deref().unwrap_or_else(|| form_of(&args.output)),
        output: &args.output,
        patience: Duration::from_secs(args.timeout),
    };
    let runtime = super::runtime()?;
    let pulled = runtime.block_on(unless_interrupted(pull(&client, &trust, &extract, output)))?;
    let receipts = [(pulled.exchange.as_str(), pulled.receipt.as_path())];
    let upgraded = runtime.block_on(upgrade(&client, &trust, &receipts, WITNESS_PATIENCE))?;
    if upgraded.is_some_and(|upgraded| upgraded.missing > 0) {
        output.note("the receipt is not signed by a witness yet; later: shuguan receipt EXCHANGE -o FILE");
    }
    if output.is_json() {
        output.json("shuguan.pulled.v1", &pulled);
    } else {
        output.rows(
            &["EXCHANGE", "ROWS", "AS OF", "BYTES", "FILE", "RECEIPT", "MANIFEST"],
            &[vec![
                pulled.exchange.clone(),
                pulled.rows.to_string(),
                pulled.as_of.clone().unwrap_or_default(),
                pulled.bytes.to_string(),
                pulled.file.display().to_string(),
                pulled.receipt.display().to_string(),
                pulled.manifest.display().to_string(),
            ]],
        );
    }
    Ok(Exit::Done)
}

/// The form that a file's name promises.
fn form_of(file: &Path) -> &'static str {
    match file.extension() {
        Some(ending) if ending.eq_ignore_ascii_case("csv") => "csv",
        _ => "ndjson",
    }
}

/// Requests, waits, downloads and verifies.
pub async fn pull(client: &Client, trust: &Trust, extract: &Extract<'_>, output: &Output) -> Result<Pulled, Failure> {
    let (place, mut file) = Place::open(extract.output)?;
    if place.replaces() {
        output.note(format!(
            "`{}` is there, and is replaced when the extract is here",
            extract.output.display()
        ));
    }
    let mut select = serde_json::Map::new();
    for (name, value) in [("region", extract.region), ("since", extract.since)] {
        if let Some(value) = value {
            select.insert(name.into(), value.into());
        }
    }
    let request = serde_json::json!({
        "dataset": extract.dataset, "purpose": extract.purpose, "case": extract.case,
        "select": select, "form": extract.form,
    });
    let key = Uuid::new_v4().to_string();
    let accepted = post(
        client,
        &profile::EXTRACT,
        "/v1/extracts",
        (extract.purpose, &key),
        &request,
    )
    .await
    .map_err(|error| error.failure("POST /v1/extracts"))?;
    let id = member(&accepted, "extract")?;
    let ready = wait_until_ready(client, &id, extract.patience).await?;
    let digest = member(&ready, "repr_digest")?;
    let bytes = ready.get("bytes").and_then(serde_json::Value::as_u64).unwrap_or(0);
    let content = Content {
        id: &id,
        bytes,
        digest: &digest,
        patience: extract.patience,
    };
    download(client, &content, (&place, &mut file), output).await?;
    let unreadable = |error| Failure::local(format!("cannot read `{}`", place.part().display())).because(error);
    let bytes = file.metadata().map_err(unreadable)?.len();
    let (text, leaf, event) = proven_receipt(client, trust, extract, (&id, bytes)).await?;
    let manifest = sealed_manifest(client, &id, event.man).await?;
    let as_of = as_of(&manifest);
    let opening = proven_opening(client, (&id, &digest), &event).await?;
    let [receipt, manifest, opening] = keep_all(extract.output, place, [text.as_bytes(), &manifest, &opening])?;
    let acknowledged = client.signer().is_some() && acknowledge(client, &id, extract, &leaf, &digest, output).await;
    Ok(Pulled {
        acknowledged,
        exchange: id,
        rows: event.rows,
        as_of,
        bytes,
        file: extract.output.to_owned(),
        receipt,
        manifest,
        opening,
    })
}

/// As of when the registry was read, by the sealed manifest.
fn as_of(manifest: &[u8]) -> Option<String> {
    let manifest: serde_json::Value = serde_json::from_slice(manifest).ok()?;
    Some(manifest.get("as_of")?.as_str()?.to_owned())
}

/// Tells the gateway, signed, that the content is here and whole. The content is good without it, so a failure is only told.
async fn acknowledge(
    client: &Client,
    id: &str,
    extract: &Extract<'_>,
    leaf: &Hash,
    digest: &str,
    output: &Output,
) -> bool {
    let path = format!("/v1/exchanges/{id}/ack");
    let document = serde_json::json!({
        "exchange": id, "leaf": crate::pki::hex(leaf), "repr_digest": digest, "verdict": "complete",
    });
    let key = Uuid::new_v4().to_string();
    let sent = post(client, &profile::ACK, &path, (extract.purpose, &key), &document).await;
    if let Err(error) = &sent {
        output.note(format!(
            "the extract is here, but the gateway did not take its acknowledgement: {error}"
        ));
    }
    sent.is_ok()
}

/// Sends a JSON document under a key; signed when we have a message key.
pub(super) async fn post(
    client: &Client,
    profile: &Profile,
    path: &str,
    (purpose, key): (&str, &str),
    document: &serde_json::Value,
) -> Result<serde_json::Value, CallError> {
    let cannot = |error: &dyn std::fmt::Display| CallError::Network(error.to_string());
    let body = Bytes::from(document.to_string());
    let request = client
        .request(Method::POST, path)
        .header("content-type", "application/json")
        .header("content-digest", digest::write(&sha256::of(&body)))
        .header("exchange-purpose", purpose)
        .header("idempotency-key", key)
        .body(connect::full(body))
        .map_err(|error| cannot(&error))?;
    let (_, body) = client.send_signed(profile, request).await?;
    serde_json::from_slice(&body).map_err(|error| cannot(&format_args!("the answer is not JSON: {error}")))
}

pub(super) fn member(document: &serde_json::Value, name: &str) -> Result<String, Failure> {
    document
        .get(name)
        .and_then(serde_json::Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| Failure::new(Exit::Unreached, format!("the gateway's answer has no `{name}`")))
}

/// What an extract that came to nothing says of itself.
fn failed(document: &serde_json::Value) -> Failure {
    let fits_no_day = document.get("fits_no_day") == Some(&true.into());
    let (exit, what) = if fits_no_day {
        let what = "the extract failed: it alone is more than the grant allows in a whole day";
        (Exit::Refused, what)
    } else {
        (Exit::Unreached, "the extract failed")
    };
    let wait = document.get("retry_after_s").and_then(serde_json::Value::as_u64);
    let again = wait.map_or_else(String::new, |seconds| format!("ask again in {seconds} s; "));
    match document.get("code").and_then(serde_json::Value::as_str) {
        Some(code) => Failure::new(exit, what).coded(code).then(format!(
            "{again}shuguan explain {code}; if it stays, tell the operator the exchange id"
        )),
        None => Failure::new(exit, what).then("request it again; if it stays, tell the operator the exchange id"),
    }
}

async fn wait_until_ready(client: &Client, id: &str, patience: Duration) -> Result<serde_json::Value, Failure> {
    let path = format!("/v1/extracts/{id}");
    let began = Instant::now();
    loop {
        let response = client
            .get(&path, &[("prefer", "wait=10")])
            .await
            .map_err(|error| error.failure(&format!("GET {path}")))?;
        let document = connect::read_json(response)
            .await
            .map_err(|error| error.failure(&format!("GET {path}")))?;
        match document.get("state").and_then(serde_json::Value::as_str) {
            Some("ready") => return Ok(document),
            Some("preparing") if began.elapsed() < patience => tokio::time::sleep(Duration::from_millis(100)).await,
            Some("preparing") => {
                return Err(Failure::new(Exit::Unreached, "the extract is not ready yet")
                    .then("repeat with a longer --timeout"));
            }
            Some(ended @ ("revoked" | "changed" | "agreement-expired")) => {
                let code = document
                    .get("code")
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or("SG4114");
                return Err(Failure::new(
                    Exit::Refused,
                    format!("the extract was ended since it was asked for, and its content is gone: {ended}"),
                )
                .at(format!("GET {path}"))
                .then(format!("shuguan explain {code}; shuguan catalog")));
            }
            _ => return Err(failed(&document).at(format!("GET {path}"))),
        }
    }
}

/// What is to come.
struct Content<'a> {
    id: &'a str,
    bytes: u64,
    digest: &'a str,
    patience: Duration,
}

async fn download(
    client: &Client,
    content: &Content<'_>,
    (place, file): (&Place, &mut std::fs::File),
    output: &Output,
) -> Result<(), Failure> {
    let (id, digest) = (content.id, content.digest);
    let part = place.part();
    let unwritable =
        |error: std::io::Error| Failure::local(format!("cannot write `{}`", part.display())).because(error);
    let bar = ProgressBar::with_draw_target(Some(content.bytes), ProgressDrawTarget::hidden());
    if output.shows_progress() {
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
    }
    let place = format!("GET /v1/extracts/{id}/content");
    let began = Instant::now();
    while let Err(error) = download_rest(client, id, digest, file, &bar).await {
        if error.retry().is_none() || began.elapsed() > content.patience {
            return Err(error.failure(&place));
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bar.finish_and_clear();
    file.sync_all().map_err(unwritable)?;
    let found = digest::write(&digest_of(part)?);
    if found != digest {
        return Err(Failure::new(
            Exit::NotProven,
            "the content does not have the digest that the gateway stated",
        )
        .at(place)
        .then("pull again; if it stays, tell the operator the exchange id"));
    }
    Ok(())
}

/// Goes on from what the file already holds.
async fn download_rest(
    client: &Client,
    id: &str,
    digest: &str,
    file: &mut std::fs::File,
    bar: &ProgressBar,
) -> Result<(), CallError> {
    let local = |error: std::io::Error| CallError::Network(error.to_string());
    let have = file.seek(std::io::SeekFrom::End(0)).map_err(local)?;
    bar.set_position(have);
    let range = format!("bytes={have}-");
    let mut request = client.request(Method::GET, &format!("/v1/extracts/{id}/content"));
    if have > 0 {
        request = request.header("range", range);
    }
    let request = request
        .body(connect::empty())
        .map_err(|error| CallError::Network(error.to_string()))?;
    let asked = asked(&request);
    let response = client.send(request).await?;
    if let Some(signer) = client.signer() {
        signer.verify_content(&asked, response.status(), response.headers())?;
        // What is signed is the digest of the whole: what comes is compared with it when all of it is here.
        if response
            .headers()
            .get(digest::REPR_DIGEST)
            .is_none_or(|stated| stated != digest)
        {
            return Err(CallError::Unproven(
                "the content is signed with another digest than was promised".into(),
            ));
        }
    }
    if have > 0 && response.status() != http::StatusCode::PARTIAL_CONTENT {
        file.set_len(0).map_err(local)?;
        file.seek(std::io::SeekFrom::Start(0)).map_err(local)?;
    }
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| CallError::Network(error.to_string()))?;
        if let Some(data) = frame.data_ref() {
            file.write_all(data).map_err(local)?;
            bar.inc(u64::try_from(data.len()).unwrap_or(0));
        }
    }
    Ok(())
}

async fn fetch(client: &Client, path: &str) -> Result<Bytes, Failure> {
    fetch_as(client, path, &[]).await
}

async fn fetch_as(client: &Client, path: &str, headers: &[(&'static str, &str)]) -> Result<Bytes, Failure> {
    let failed = |error: CallError| error.failure(&format!("GET {path}"));
    let response = client.get(path, headers).await.map_err(failed)?;
    connect::read(response).await.map_err(failed)
}

/// Private: an opening holds what the commitments of a leaf hide, and a receipt says who asked about whom.
pub(super) fn keep(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    durable::write_private(path, bytes)
        .map_err(|error| Failure::local(format!("cannot write `{}`", path.display())).because(error))
}

/// The manifest, when it is the one that the leaf speaks of; a gateway that seals none has none.
async fn sealed_manifest(client: &Client, id: &str, stated: Option<Digest>) -> Result<Bytes, Failure> {
    let bytes = fetch(client, &format!("/v1/extracts/{id}/manifest")).await?;
    if stated.map(|stated| stated.0) != Some(sha256::of(&bytes)) {
        return Err(Failure::new(
            Exit::NotProven,
            "the manifest is not the one that was sealed with the extract",
        ));
    }
    Ok(bytes)
}

/// The receipt, when it is of this extract; the hash of its leaf, and the leaf.
async fn proven_receipt(
    client: &Client,
    trust: &Trust,
    extract: &Extract<'_>,
    (id, bytes): (&str, u64),
) -> Result<(String, Hash, PullEvent), Failure> {
    let text = fetch(client, &format!("/v1/exchanges/{id}/receipt")).await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let received = Received {
        exchange: id,
        dataset: extract.dataset,
        purpose: extract.purpose,
        form: extract.form,
        bytes,
    };
    let (hash, event) = extract_of(&text, trust, &received).map_err(|error| {
        let what = match error {
            NotOurs::Unproven(_) => "the receipt of the extract does not verify",
            _ => "the receipt is not that of this extract",
        };
        Failure::new(Exit::NotProven, what).because(Chain(&error))
    })?;
    Ok((text, hash, event))
}

/// What ties the content to the log, when it does: the leaf commits to the digest that was downloaded.
async fn proven_opening(client: &Client, (id, stated): (&str, &str), leaf: &PullEvent) -> Result<Bytes, Failure> {
    let path = format!("/v1/exchanges/{id}/receipt");
    let bytes = fetch_as(client, &path, &[("accept", MEDIA_TYPE)]).await?;
    let other = || {
        Failure::new(
            Exit::NotProven,
            "the leaf of the extract does not commit to its content",
        )
    };
    let opening: Opening = serde_json::from_slice(&bytes).map_err(|_| other())?;
    let content = digest::read(stated).ok_or_else(other)?;
    match opening.is_content(leaf, &content) {
        Ok(Some(true)) => Ok(bytes),
        Ok(_) => Err(other()),
        Err(fault) => Err(other().because(fault)),
    }
}

/// Writes receipt, manifest and opening, and gives the content its name last: a file without its proof is none.
fn keep_all(file: &Path, place: Place, proofs: [&[u8]; 3]) -> Result<[PathBuf; 3], Failure> {
    let paths = [".tlog-proof", ".manifest.json", ".opening.json"].map(|ending| beside(file, ending));
    for (path, proof) in paths.iter().zip(proofs) {
        keep(path, proof)?;
    }
    place
        .finish()
        .map_err(|error| Failure::local(format!("cannot write `{}`", file.display())).because(error))?;
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_that_is_called_csv_is_csv() {
        for (name, form) in [
            ("x.csv", "csv"),
            ("x.CSV", "csv"),
            ("x.ndjson", "ndjson"),
            ("csv", "ndjson"),
        ] {
            assert_eq!(form_of(Path::new(name)), form, "{name}");
        }
    }

    #[test]
    fn an_extract_that_failed_says_why_and_whether_a_repeat_helps() {
        let told = failed(&json!({ "state": "failed", "code": "SG4112", "fits_no_day": true }));
        assert_eq!((told.exit, told.code.as_deref()), (Exit::Refused, Some("SG4112")));
        assert!(told.what.contains("a whole day"), "{}", told.what);
        let told = failed(&json!({ "state": "failed", "code": "SG6101" }));
        assert_eq!((told.exit, told.code.as_deref()), (Exit::Unreached, Some("SG6101")));
        let told = failed(&json!({ "state": "failed", "code": "SG2121", "retry_after_s": 600 }));
        assert!(
            told.next.iter().any(|next| next.starts_with("ask again in 600 s; ")),
            "{:?}",
            told.next
        );
        // Of a gateway of before.
        let told = failed(&json!({ "state": "failed" }));
        assert_eq!((told.exit, told.code), (Exit::Unreached, None));
    }
}
