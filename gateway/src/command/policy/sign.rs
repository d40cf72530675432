//! `shuguan policy sign`: an officer puts his signature under a bundle.
//!
//! Takes a bundle's folder and the officer's own key and certificate; adds one signature to `bundle.sig`, which holds the others. Refuses a bundle
//! with a fault, a key that others can read, a certificate of another role, and a second signature of one officer. Works without a gateway.

use std::path::{Path, PathBuf};

use serde::Serialize;
use shuguan_policies::bundle::SIGNATURE_FILE;
use shuguan_policies::document::Fault;
use shuguan_policies::envelope::{Envelope, Statement};
use shuguan_policies::{Bundle, PolicySet, Role};

use crate::bundle::OfficerKey;
use crate::client::ClientSettings;
use crate::clock::Clock;
use crate::command::cert::failure;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::hex::hex;
use crate::pki::keyfile;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("officer").required(true))]
pub(super) struct SignArgs {
    /// The bundle.
    dir: PathBuf,
    /// The officer's client.toml: names certificate and key.
    #[arg(short = 'c', long = "config", group = "officer")]
    config: Option<PathBuf>,
    /// The officer's key, PEM (PKCS #8), mode 0400.
    #[arg(long, value_name = "FILE", group = "officer", requires = "cert")]
    key: Option<PathBuf>,
    /// The officer's certificate with its issuers, PEM.
    #[arg(long, value_name = "FILE", requires = "key")]
    cert: Option<PathBuf>,
    /// Key and certificate in one PKCS #12 file.
    #[arg(long, value_name = "FILE", group = "officer", requires = "password_file")]
    p12: Option<PathBuf>,
    /// The file that holds the password of the PKCS #12 file, mode 0400.
    #[arg(long, value_name = "FILE", requires = "p12")]
    password_file: Option<PathBuf>,
    /// The bundle in force, or its bundle.sig, when the older signature in this folder is not that of the bundle in force.
    #[arg(long, value_name = "BUNDLE")]
    after: Option<PathBuf>,
    /// Says that an older bundle comes back on purpose; with --after.
    #[arg(long, requires = "after")]
    rollback: bool,
}

/// What a signature says, for people and programs.
#[derive(Debug, Serialize)]
struct SignedView {
    serial: u64,
    bundle: String,
    files: String,
    replaces: Option<String>,
    goes_back_from: Option<u64>,
    signers: Vec<String>,
    missing: Option<&'static str>,
}

/// Runs the command.
pub(super) fn run(args: &SignArgs, clock: &Clock, output: &Output) -> Result<Exit, Failure> {
    let key = officer_key(args)?;
    let envelope = sign(args, &key, clock.now_us().div_euclid(1_000_000))?;
    show(&envelope, &args.dir, output);
    Ok(Exit::Done)
}

/// Signs as an officer whose key and certificate lie in two files: what a demo does for the officers that it made.
pub(crate) fn sign_as(dir: &Path, key: &Path, certificate: &Path, now_us: i64) -> Result<(), Failure> {
    let args = SignArgs {
        dir: dir.to_owned(),
        config: None,
        key: None,
        cert: None,
        p12: None,
        password_file: None,
        after: None,
        rollback: false,
    };
    let key = OfficerKey::from_pem(key, certificate).map_err(failure)?;
    sign(&args, &key, now_us.div_euclid(1_000_000)).map(drop)
}

fn officer_key(args: &SignArgs) -> Result<OfficerKey, Failure> {
    let key = match args {
        SignArgs {
            key: Some(key),
            cert: Some(cert),
            ..
        } => OfficerKey::from_pem(key, cert),
        SignArgs {
            p12: Some(file),
            password_file: Some(password),
            ..
        } => OfficerKey::from_p12(file, password),
        SignArgs { config, .. } => {
            let path = config.clone().unwrap_or_default();
            let settings = ClientSettings::load(&path)?;
            OfficerKey::from_pem(&settings.key, &settings.certificate)
        }
    };
    key.map_err(failure)
}

fn sign(args: &SignArgs, key: &OfficerKey, now_s: i64) -> Result<Envelope, Failure> {
    let (bundle, set) = read(&args.dir)?;
    let before = known(&args.dir, bundle.envelope())?;
    let after = args.after.as_deref().map(base).transpose()?;
    let statement = statement(args, &bundle, &set, before.as_ref(), after.as_ref())?;
    if is_new(&statement) {
        set.into_new().map_err(|faults| faulty(&args.dir, &faults))?;
    }
    // Signatures of another statement are of no use to this one.
    let mut envelope = match before {
        Some(before) if before.statement == statement => before,
        _ => Envelope {
            statement,
            signatures: Vec::new(),
        },
    };
    if envelope
        .signatures
        .iter()
        .any(|signature| signature.by.spiffe == key.spiffe())
    {
        return Err(
            Failure::local(format!("`{}` has signed this bundle already", key.spiffe()))
                .at(args.dir.join(SIGNATURE_FILE).display().to_string())
                .then("the other role signs: shuguan policy sign BUNDLE -c OFFICER.toml"),
        );
    }
    envelope
        .signatures
        .push(key.sign(&envelope.statement, now_s).map_err(failure)?);
    keyfile::replace_public(&args.dir.join(SIGNATURE_FILE), envelope.text().as_bytes()).map_err(failure)?;
    Ok(envelope)
}

/// A bundle that can be signed: it has no fault.
fn read(dir: &Path) -> Result<(Bundle, PolicySet), Failure> {
    let read = Bundle::read(dir).and_then(|bundle| {
        let set = bundle.compile()?;
        Ok((bundle, set))
    });
    read.map_err(|faults| faulty(dir, &faults))
}

fn faulty(dir: &Path, faults: &[Fault]) -> Failure {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    Failure::local(format!("a bundle with a fault is not signed\n{}", lines.join("\n")))
        .coded("SG7201")
        .at(dir.display().to_string())
        .then(format!("shuguan policy check {}", dir.display()))
}

/// Whether it says neither that an older bundle comes back nor again what is in force: those two were not asked what a new one is. The gateway looks into
/// its log whether that is so.
fn is_new(statement: &Statement) -> bool {
    statement.goes_back_from.is_none() && statement.replaces != Some(statement.bundle)
}

fn known(place: &Path, text: Option<&str>) -> Result<Option<Envelope>, Failure> {
    text.map(Envelope::parse).transpose().map_err(|fault| {
        Failure::local("`bundle.sig` cannot be read")
            .coded("SG7203")
            .at(place.display().to_string())
            .because(fault)
            .then("remove it and let both officers sign again")
    })
}

/// The statement of the bundle in force: its folder, or the file alone.
fn base(path: &Path) -> Result<Statement, Failure> {
    let file = if path.is_dir() {
        path.join(SIGNATURE_FILE)
    } else {
        path.to_owned()
    };
    let text = keyfile::read_public(&file).map_err(failure)?;
    let envelope = known(&file, Some(&text))?;
    envelope
        .map(|envelope| envelope.statement)
        .ok_or_else(|| Failure::local("there is no statement in it").at(file.display().to_string()))
}

/// What is signed: the statement that stands there, if it is of these very files; else the next one.
fn statement(
    args: &SignArgs,
    bundle: &Bundle,
    set: &PolicySet,
    before: Option<&Envelope>,
    after: Option<&Statement>,
) -> Result<Statement, Failure> {
    let (hash, files) = (set.hash(), bundle.files_hash());
    let same = |statement: &Statement| statement.bundle == hash && statement.files == files;
    let before = before.map(|envelope| &envelope.statement);
    if after.is_none()
        && let Some(statement) = before.filter(|statement| same(statement))
    {
        return Ok(statement.clone());
    }
    let base = after.or(before);
    let serial = base.map_or(Some(1), |base| base.serial.checked_add(1));
    let serial = serial.ok_or_else(|| Failure::local("there is no serial number left"))?;
    Ok(Statement {
        serial,
        bundle: hash,
        files,
        replaces: base.map(|base| base.bundle),
        goes_back_from: after.filter(|_| args.rollback).map(|after| after.serial),
    })
}

fn show(envelope: &Envelope, dir: &Path, output: &Output) {
    let statement = &envelope.statement;
    let sha = |hash: &[u8; 32]| format!("sha256:{}", hex(hash));
    let signed = |role| envelope.signatures.iter().any(|signature| signature.by.role == role);
    let missing = [Role::PolicyOfficer, Role::SecurityOfficer]
        .into_iter()
        .find(|role| !signed(*role))
        .map(Role::name);
    let view = SignedView {
        serial: statement.serial,
        bundle: sha(&statement.bundle),
        files: sha(&statement.files),
        replaces: statement.replaces.as_ref().map(sha),
        goes_back_from: statement.goes_back_from,
        signers: envelope.signatures.iter().map(|one| one.by.spiffe.clone()).collect(),
        missing,
    };
    if output.is_json() {
        output.json("shuguan.policy-signature.v1", &view);
    } else {
        let mut rows = vec![
            vec!["serial".to_owned(), view.serial.to_string()],
            vec!["bundle".to_owned(), view.bundle],
            vec!["replaces".to_owned(), view.replaces.unwrap_or("none".into())],
        ];
        rows.extend(
            view.goes_back_from
                .map(|from| vec!["goes back from".into(), from.to_string()]),
        );
        rows.extend(view.signers.into_iter().map(|signer| vec!["signed".into(), signer]));
        output.rows(&["WHAT", "VALUE"], &rows);
    }
    match missing {
        Some(role) => output.note(format!(
            "the signature of a {role} is missing; he runs: shuguan policy sign {} -c HIS.toml",
            dir.display()
        )),
        None => output.note(format!(
            "both roles have signed; next: shuguan policy submit {} -c OFFICER.toml, or `serve` with it",
            dir.display()
        )),
    }
}
