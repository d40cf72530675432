//! `shuguan verify policy`: that a bundle is the one that an entry names, and what officers signed of it.
//!
//! Takes a bundle's folder, the receipt of an exchange or of a `policy` entry, and a trust file; says that the entry names this bundle by its hash, by which agreement
//! was decided, which officers signed its files (by the authorities, `ca`, of the trust file), and what is not proved. Refuses, with code 6, another bundle, one that has no
//! plan with the hash of the entry, one whose files are not the signed ones or whose signatures do not hold, and one of which the entry says that it was
//! offered and refused: that one never decided anything.

use std::path::{Path, PathBuf};

use serde_json::json;
use shuguan_ledger::leaf::{Digest, Event};
use shuguan_ledger::receipt::Proven;
use shuguan_ledger::trust::Trust;
use shuguan_policies::envelope::Statement;
use shuguan_policies::{Bundle, PolicySet};

use super::sentence::sentence;
use super::{At, exit, headline, not_proven, prove, seen_by};
use crate::bundle::{Signer, digest_of, signed};
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::edge::signers::Signers;
use crate::edge::tls::signers_of;
use crate::hex::hex;
use crate::refusal::Refusal;

/// Results of a `policy` entry after which its bundle is in force.
const IN_FORCE: [&str; 2] = ["loaded", "revoked"];

/// A bundle and what it is compared with.
#[derive(Debug, clap::Args)]
pub(super) struct PolicyArgs {
    /// The folder of the bundle.
    pub(super) bundle: PathBuf,
    /// The receipt of an exchange (tlog-proof).
    #[arg(long, value_name = "FILE")]
    pub(super) receipt: PathBuf,
    /// Trust file with the log's public key.
    #[arg(long)]
    pub(super) trust: PathBuf,
}

/// What is known of a bundle whose hash the entry names.
struct Known {
    /// By which agreement the entry was decided.
    decided: Option<String>,
    /// What officers signed, and who they are; else why nobody can say.
    officers: Result<(Statement, Vec<Signer>), String>,
    /// Whether the entry itself says that the bundle came into force, or was.
    in_force: bool,
    /// Whether the entry names the very statement that officers signed, and not only what it allows.
    by_statement: bool,
}

/// Compares them.
///
/// # Errors
/// When a file cannot be read or is not what it should be.
pub(super) fn run(args: &PolicyArgs, trust: &Trust, output: &Output) -> Result<Exit, Failure> {
    let proven = match prove(&args.receipt, trust)? {
        Ok((proven, _)) => proven,
        Err(why) => return Ok(not_proven(output, &why, At::file(&args.receipt))),
    };
    let Some((bundle, plan)) = named(&proven.leaf.event) else {
        return Err(Failure::new(Exit::Usage, "this entry names no policy bundle")
            .because(format!("it is of the kind `{}`", proven.leaf.event.kind())));
    };
    let (folder, set) = compiled(&args.bundle)?;
    if set.hash() != bundle.0 {
        let why = format!(
            "the entry names the bundle {}, and this is {}",
            hex(&bundle.0),
            hex(&set.hash())
        );
        return Ok(not_proven(output, &why, At::file(&args.bundle)));
    }
    let signers = signers(args, trust)?;
    match known(&proven.leaf.event, plan, (&folder, &set), signers.as_ref()) {
        Ok(known) => {
            show((&proven, trust), bundle, &known, output);
            Ok(exit(proven.witnessed.quorum))
        }
        Err(why) => Ok(not_proven(output, &why, At::file(&args.bundle))),
    }
}

/// What holds of a bundle that the entry names; the error: why it is not the one that decided.
fn known(
    event: &Event,
    plan: Option<Digest>,
    (bundle, set): (&Bundle, &PolicySet),
    signers: Option<&Signers>,
) -> Result<Known, String> {
    if let Some(code) = refused(event) {
        return Err(format!(
            "the entry says that this bundle was offered and refused ({code}): it was not in force by it"
        ));
    }
    let decided = plan.map(|plan| decided_by(set, plan)).transpose()?;
    let officers = officers(bundle, set, signers)?;
    let accepted = match event {
        Event::Policy(event) => event.stm,
        _ => None,
    };
    // The same table may be signed twice, with other files around it.
    if let (Some(accepted), Ok((statement, _))) = (accepted, &officers)
        && accepted.0 != digest_of(statement)
    {
        return Err("the entry names another signed statement than the one in `bundle.sig`".into());
    }
    Ok(Known {
        decided,
        officers,
        in_force: matches!(event, Event::Policy(_)),
        by_statement: accepted.is_some(),
    })
}

fn decided_by(set: &PolicySet, plan: Digest) -> Result<String, String> {
    let plan = set.plans().find(|one| one.hash() == plan.0);
    let plan = plan.ok_or("the bundle has no plan with the hash that the entry names")?;
    Ok(format!(
        "the agreement `{}`, for `{}`",
        plan.agreement(),
        plan.purpose()
    ))
}

/// By whom officers are known; none: the trust file names nobody.
fn signers(args: &PolicyArgs, trust: &Trust) -> Result<Option<Signers>, Failure> {
    let authorities = trust.authorities();
    let signers = (!authorities.is_empty()).then(|| signers_of(authorities)).transpose();
    // That the authorities cannot be read says nothing of the bundle.
    signers.map_err(|why| {
        let file = args.trust.display().to_string();
        Failure::local("an authority (`ca`) of the trust file cannot be read")
            .because(why)
            .at(file)
    })
}

/// What officers signed of it; the inner error: nothing tells. The outer one: what stands in `bundle.sig` does not hold.
fn officers(
    bundle: &Bundle,
    set: &PolicySet,
    signers: Option<&Signers>,
) -> Result<Result<(Statement, Vec<Signer>), String>, String> {
    let Some(signers) = signers else {
        return Ok(Err(
            "the trust file names no authority (`ca`) that would know them".into()
        ));
    };
    match signed(bundle, set, signers) {
        Ok(signed) => Ok(Ok(signed)),
        Err(refused) if refused.refusal == Refusal::BundleUnsigned => Ok(Err(refused.detail)),
        // The trust file may be of others than the officers are.
        Err(refused) if refused.refusal == Refusal::UnknownIssuer => Ok(Err(refused.detail)),
        Err(refused) => Err(format!("what its officers signed is not this: {}", refused.detail)),
    }
}

/// Each thing that the verdict leaves open.
fn not_proved(known: &Known) -> Vec<String> {
    let mut open = Vec::new();
    if let Err(why) = &known.officers {
        open.push(format!("that officers signed it: {why}"));
        open.push(
            "that its files read as then: the hash is of what the bundle allows, not of names, remarks and document numbers"
                .into(),
        );
    }
    if !known.in_force {
        open.push(
            "that it had come into force, beyond that the gateway names it here: the receipt of the `policy` entry that loaded it shows that".into(),
        );
    }
    if known.officers.is_ok() && !known.by_statement {
        open.push("that this very statement is the one that was loaded: the entry names what the bundle allows, which may be signed again".into());
        open.push(
                "that no certificate of theirs was revoked when they signed: the gateway asks that before it loads a bundle"
                    .into(),
            );
    }
    open
}

fn show((proven, trust): (&Proven, &Trust), bundle: Digest, known: &Known, output: &Output) {
    let by_officers = known.officers.as_ref().ok().map(|(statement, signers)| {
        let names: Vec<String> = signers
            .iter()
            .map(|one| format!("`{}` ({})", one.id, one.role.name()))
            .collect();
        format!(
            "its files are those that were signed as number {} by {}",
            statement.serial,
            names.join(" and ")
        )
    });
    let said: Vec<String> = [sentence(proven), "the entry names this bundle by its hash".into()]
        .into_iter()
        .chain(by_officers)
        .chain([seen_by(&proven.witnessed, trust)])
        .collect();
    let (said, open) = (said.join("; "), not_proved(known));
    let signers = known.officers.as_ref().ok().map(|(_, signers)| {
        let one = |signer: &Signer| json!({ "id": signer.id, "role": signer.role.name() });
        signers.iter().map(one).collect::<Vec<_>>()
    });
    let document = json!({
        "verdict": proven.witnessed.verdict(), "sentence": said, "index": proven.index, "exchange": proven.leaf.event.exchange(),
        "bundle": hex(&bundle.0), "decided_by": known.decided, "signers": signers,
        "serial": known.officers.as_ref().ok().map(|(statement, _)| statement.serial), "not_proved": open,
    });
    if output.document("shuguan.policy-verdict.v1", &document) {
        return;
    }
    output.line(headline(proven.witnessed.quorum, &said));
    output.line(format!("      bundle {}", hex(&bundle.0)));
    if let Some(decided) = &known.decided {
        output.line(format!(
            "      decided by {decided}: shuguan policy explain shows each field"
        ));
    }
    for open in open {
        output.line(format!("      not proved: {open}"));
    }
}

/// The bundle that an entry names, and the plan.
fn named(event: &Event) -> Option<(Digest, Option<Digest>)> {
    match event {
        Event::Push(event) => Some((event.bun, Some(event.plan))),
        Event::Pull(event) => Some((event.bun, Some(event.plan))),
        Event::Compare(event) => Some((event.bun, Some(event.plan))),
        Event::Refusal(event) => Some((event.bun?, None)),
        Event::Aborted(event) => Some((event.bun, None)),
        Event::Policy(event) => Some((event.bun?, None)),
        _ => None,
    }
}

/// Why the entry's bundle did not come into force. A result that this version does not know is none by which it did.
fn refused(event: &Event) -> Option<&str> {
    match event {
        Event::Policy(event) if !IN_FORCE.contains(&event.result.as_str()) => {
            Some(event.code.as_deref().unwrap_or(&event.result))
        }
        _ => None,
    }
}

fn compiled(folder: &Path) -> Result<(Bundle, PolicySet), Failure> {
    let read = Bundle::read(folder).and_then(|bundle| {
        let set = bundle.compile()?;
        Ok((bundle, set))
    });
    read.map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
        Failure::local(format!("the bundle cannot be read\n{}", lines.join("\n"))).at(folder.display().to_string())
    })
}

#[cfg(test)]
mod tests {
    use shuguan_policies::envelope::Statement;

    use super::{Known, not_proved};

    fn open(in_force: bool, by_statement: bool) -> Vec<String> {
        let statement = Statement {
            serial: 1,
            bundle: [0; 32],
            files: [0; 32],
            replaces: None,
            goes_back_from: None,
        };
        not_proved(&Known {
            decided: None,
            officers: Ok((statement, Vec::new())),
            in_force,
            by_statement,
        })
    }

    #[test]
    fn an_entry_that_does_not_name_the_statement_leaves_open_which_was_loaded_and_that_nobody_was_revoked() {
        let begins = |open: &[String], with: [&str; 2]| {
            let all = open.iter().zip(with).all(|(open, with)| open.starts_with(with));
            assert!(all && open.len() == 2, "{open:?}");
        };
        assert_eq!(open(true, true), Vec::<String>::new());
        begins(&open(true, false), ["that this very statement", "that no certificate"]);
        assert_eq!(open(false, false).len(), 3);
    }
}
