//! `shuguan verify record`: an evidence record that two officers opened, against the receipt of its exchange.
//!
//! Takes the record (`audit unseal open`), a receipt, a trust file, and perhaps the sender's message key or its certificate; says that the record is the one that was sealed, and
//! what it shows: by which certificates the partner was known, what their revocation was, and what he signed. Refuses, with code 6, a record with one changed member or one that
//! stands twice, an officer's document that names another exchange, a
//! signature that is not the key's or is under another request than the entry tells of, and a certificate that no authority of the trust file vouched for when it was
//! sealed. Needs no key of the gateway.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustls_pki_types::CertificateDer;
use serde_json::json;
use shuguan_ledger::leaf::Event;
use shuguan_ledger::receipt::Proven;
use shuguan_ledger::time;
use shuguan_ledger::trust::Trust;
use x509_parser::pem::Pem;

use super::once::{self, NotOnce};
use super::sentence::sentence;
use super::{At, exit, headline, not_proven, prove, seen_by};
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::journal::{Borne, borne_out};
use crate::pki::hex;
use crate::sha256;
use crate::signature::{PublicKey, directory};

/// Longest record that is read, bytes.
const RECORD_BYTES_MAX: u64 = 16 << 20;

/// A record and what it is judged by.
#[derive(Debug, clap::Args)]
pub(super) struct RecordArgs {
    /// The record, JSON.
    file: PathBuf,
    /// The receipt of the exchange (tlog-proof).
    #[arg(long, value_name = "FILE")]
    receipt: PathBuf,
    /// The sender's message certificate with its chain, or the bare key, PEM: was the request signed by it? Whose a certificate is, the authorities (`ca`) of the trust file say.
    #[arg(long, value_name = "PEM")]
    key: Option<PathBuf>,
    /// Trust file with the log's public key.
    #[arg(long)]
    pub(super) trust: PathBuf,
}

/// What became of the request's signature.
enum Signed {
    /// The request was not signed, or no key was given.
    Unasked(&'static str),
    /// By the key with this id; whose it is, or why that is not proved.
    By(String, Result<String, &'static str>),
}

/// A key that a file holds, and the certificates that speak of it.
struct Held {
    key: PublicKey,
    /// From its own certificate on; empty for a bare key.
    chain: Vec<CertificateDer<'static>>,
}

/// Judges a record.
///
/// # Errors
/// When a file cannot be read or is not what it should be.
pub(super) fn run(args: &RecordArgs, trust: &Trust, output: &Output) -> Result<Exit, Failure> {
    let proven = match prove(&args.receipt, trust)? {
        Ok((proven, _)) => proven,
        Err(why) => return Ok(not_proven(output, &why, At::file(&args.receipt))),
    };
    let given = match read(&args.file)? {
        Ok(given) => given,
        Err(why) => return Ok(not_proven(output, &why, At::file(&args.file))),
    };
    if let Err(why) = given.is_of(proven.leaf.event.exchange()) {
        return Ok(not_proven(output, &why, At::file(&args.file)));
    }
    let borne = match borne_out(&proven.leaf, &given.record) {
        Ok(borne) => borne,
        Err(why) => return Ok(not_proven(output, why, At::file(&args.file))),
    };
    let signed = match signed((&proven, trust), &borne, args.key.as_deref())? {
        Ok(signed) => signed,
        Err(why) => return Ok(not_proven(output, &why, At::file(&args.file))),
    };
    show((&proven, trust), (&borne, given.exact), &signed, output);
    Ok(exit(proven.witnessed.quorum))
}

/// A record as it was given.
struct Given {
    /// As it is sealed: sorted, without blanks.
    record: Vec<u8>,
    /// The exchange that the officer's document around it names.
    exchange: Option<String>,
    /// Whether the file has these very bytes.
    exact: bool,
}

impl Given {
    /// Whether the document around it, when there is one, speaks of the exchange of the receipt.
    fn is_of(&self, exchange: Option<&str>) -> Result<(), String> {
        match (&self.exchange, exchange) {
            (Some(named), exchange) if exchange != Some(named.as_str()) => Err(format!(
                "the document around the record names the exchange {named}, and the receipt is of {}",
                exchange.unwrap_or("none")
            )),
            _ => Ok(()),
        }
    }
}

/// The record itself, out of the officer's document when it is one; the inner error: it can be read in more than one way.
fn read(file: &Path) -> Result<Result<Given, String>, Failure> {
    let unreadable = |error| Failure::local(format!("cannot read `{}`", file.display())).because(error);
    let no_record = || Failure::local(format!("`{}` is no evidence record", file.display()));
    if std::fs::metadata(file).map_err(unreadable)?.len() > RECORD_BYTES_MAX {
        return Err(no_record());
    }
    let bytes = std::fs::read(file).map_err(unreadable)?;
    let document = match once::read(&bytes) {
        Ok(document) => document,
        Err(NotOnce::Twice(why)) => return Ok(Err(why)),
        Err(NotOnce::Malformed) => {
            return Err(no_record().then("shuguan audit unseal open EXCHANGE -o record.json"));
        }
    };
    let within = document.get("record").filter(|record| record.is_object());
    let exchange = within.and(document.get("exchange")).map(|named| match named.as_str() {
        Some(text) => text.to_owned(),
        None => named.to_string(),
    });
    let record = serde_json::to_vec(within.unwrap_or(&document)).map_err(|_| no_record())?;
    let exact = bytes.trim_ascii_end() == record;
    Ok(Ok(Given {
        record,
        exchange,
        exact,
    }))
}

fn signed(
    (proven, trust): (&Proven, &Trust),
    borne: &Borne,
    key: Option<&Path>,
) -> Result<Result<Signed, String>, Failure> {
    let member = |name: &str| borne.members.get(name).map(String::as_str);
    let (Some(base), Some(signature)) = (member("signature-base"), member("signature")) else {
        return Ok(Ok(Signed::Unasked("the request was not signed")));
    };
    let Some(file) = key else {
        return Ok(Ok(Signed::Unasked(
            "the request was signed; give the sender's message certificate to verify that: --key message.pem",
        )));
    };
    let keys = keys_of(file)?;
    let Some(held) = keys.iter().find(|held| Some(held.key.id()) == member("message-key")) else {
        return Ok(Err("the request was signed by another key than this one".into()));
    };
    let signature = BASE64.decode(signature).ok();
    let signature: Option<[u8; 64]> = signature.and_then(|bytes| bytes.try_into().ok());
    if !signature.is_some_and(|signature| held.key.verifies(base, &signature)) {
        return Ok(Err("the signature under the request is not that of its key".into()));
    }
    // Where the times are far apart the signer's own is the one by which it was taken.
    let at_s = borne.another_day.unwrap_or(proven.leaf.when().div_euclid(1_000_000));
    let whose = whose(held, trust, at_s, member("message-certificate"));
    let sender = match sender(&proven.leaf.event, borne) {
        Ok(sender) => sender,
        Err(why) => return Ok(Err(why.into())),
    };
    if let (Ok(Ok(signer)), Some(sender)) = (&whose, sender)
        && *signer != sender
    {
        return Ok(Err(format!("the request was signed by {signer}, and sent by {sender}")));
    }
    Ok(whose.map(|whose| Signed::By(held.key.id().to_owned(), whose)))
}

/// By which name the sender was known on the line: that of the certificate that the leaf names, which the record holds; none of an older record.
fn sender(event: &Event, borne: &Borne) -> Result<Option<String>, &'static str> {
    let stated = match event {
        Event::Push(push) => push.cert,
        Event::Pull(pull) => pull.cert,
        Event::Compare(compare) => compare.cert,
        _ => return Ok(None),
    };
    let Some(chain) = borne.members.get("certificates") else {
        return Ok(None);
    };
    let first = chain.split(' ').next().and_then(|first| BASE64.decode(first).ok());
    let first = first.filter(|der| sha256::of(der) == stated.0);
    let first = first.ok_or("the certificate in the record is not the one that the entry names")?;
    Ok(directory::named(&first))
}

/// Whose key it was when it signed, as the authorities of the trust file say; the outer error: they do not.
fn whose(
    held: &Held,
    trust: &Trust,
    at_s: i64,
    certificate: Option<&str>,
) -> Result<Result<String, &'static str>, String> {
    if held.chain.is_empty() {
        return Ok(Err("whose key it is: give the certificate and not the bare key"));
    }
    if trust.authorities().is_empty() {
        return Ok(Err("whose key it is: the trust file names no authority (`ca`)"));
    }
    let authorities: Vec<_> = trust
        .authorities()
        .iter()
        .map(|der| CertificateDer::from(der.as_slice()))
        .collect();
    let holder = directory::judged(&held.chain, &authorities, Some(at_s))
        .map_err(|why| format!("the certificate of the key, when it signed: {why}"))?;
    if certificate.is_some_and(|sha256| sha256 != hex(&holder.sha256)) {
        return Ok(Err(
            "whose key it is: the record names another certificate for this key",
        ));
    }
    Ok(Ok(holder.spiffe))
}

/// The keys in a PEM file: public keys, and those of certificates with what stands behind them.
fn keys_of(file: &Path) -> Result<Vec<Held>, Failure> {
    let text = std::fs::read(file)
        .map_err(|error| Failure::local(format!("cannot read `{}`", file.display())).because(error))?;
    let blocks: Vec<Pem> = Pem::iter_from_buffer(&text).flatten().collect();
    let chain_from = |place: usize| {
        let rest = blocks.iter().skip(place).filter(|block| block.label == "CERTIFICATE");
        rest.map(|block| CertificateDer::from(block.contents.clone())).collect()
    };
    let held = |(place, block): (usize, &Pem)| match block.label.as_str() {
        "CERTIFICATE" => Some(Held {
            key: PublicKey::from_spki(block.parse_x509().ok()?.public_key().raw)?,
            chain: chain_from(place),
        }),
        "PUBLIC KEY" => Some(Held {
            key: PublicKey::from_spki(&block.contents)?,
            chain: Vec::new(),
        }),
        _ => None,
    };
    let keys: Vec<Held> = blocks.iter().enumerate().filter_map(held).collect();
    if keys.is_empty() {
        return Err(Failure::local(format!("`{}` holds no message key", file.display()))
            .because("a certificate or a public key, Ed25519 or P-256, PEM, is looked for"));
    }
    Ok(keys)
}

/// What is left open when the signature and the entry are more than a day apart.
fn on_another_day(signed_s: i64) -> String {
    let signed = time::format(signed_s.saturating_mul(1_000_000));
    format!(
        "that it was asked for when the entry says: it was signed at {signed}, as happens while a step of the gateway's clock is held or with a long upload, and would \
         with an old request under a new entry; the sender knows when he asked"
    )
}

/// How much of the record the entry bears out. A file with other blanks or another order has not the bytes that were sealed.
fn extent(whole: bool, exact: bool) -> &'static str {
    match (whole, exact) {
        (true, true) => "the record is, byte for byte, the one that was sealed with it",
        (true, false) => "the record is, member for member, the one that was sealed with it",
        (false, _) => {
            "the record agrees with everything that the entry commits to; the entry is of a version that did not commit to the rest"
        }
    }
}

fn show((proven, trust): (&Proven, &Trust), (borne, exact): (&Borne, bool), signed: &Signed, output: &Output) {
    let extent = extent(borne.whole, exact);
    let said = format!("{}; {extent}; {}", sentence(proven), seen_by(&proven.witnessed, trust));
    let (by, whose, note) = match signed {
        Signed::By(key, Ok(whose)) => (Some(key.as_str()), Some(whose.as_str()), None),
        Signed::By(key, Err(why)) => (Some(key.as_str()), None, Some((*why).to_owned())),
        Signed::Unasked(why) => (None, None, Some((*why).to_owned())),
    };
    let day = borne.another_day.filter(|_| by.is_some()).map(on_another_day);
    let notes: Vec<String> = note.into_iter().chain(day).collect();
    let note = (!notes.is_empty()).then(|| notes.join("; "));
    let document = json!({
        "verdict": proven.witnessed.verdict(), "sentence": said, "index": proven.index, "exchange": proven.leaf.event.exchange(),
        "whole": borne.whole, "exact": exact, "signed_by": by, "signer": whose, "not_proved": note, "record": borne.members,
    });
    if output.document("shuguan.record-verdict.v1", &document) {
        return;
    }
    output.line(headline(proven.witnessed.quorum, &said));
    if let Some(key) = by {
        let of = whose.map_or(String::new(), |whose| format!(" of {whose}"));
        output.line(format!(
            "      the request that the entry tells of was signed by the key {key}{of}, over:"
        ));
        for line in borne
            .members
            .get("signature-base")
            .into_iter()
            .flat_map(|base| base.lines())
        {
            output.line(format!("        {line}"));
        }
    }
    if let Some(note) = note {
        output.line(format!("      not proved: {note}"));
    }
    // Certificates and columns are long; whoever wants them takes the JSON.
    let short = borne
        .members
        .iter()
        .filter(|(_, text)| text.len() <= 100 && !text.contains('\n'));
    output.rows(
        &["MEMBER", "SAYS"],
        &short
            .map(|(name, text)| vec![name.clone(), text.clone()])
            .collect::<Vec<_>>(),
    );
}
