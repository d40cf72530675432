//! The bundle in force, and how another one takes its place while exchanges go on.
//!
//! Takes bundles from officers (`submit`) or from the folder (`reload`, SIGHUP); judges, compiles and fits them off the path, seals a `policy` leaf
//! with both hashes, and swaps the set whole: an exchange runs on the plan and the hash that it pinned at admission. Refuses without touching what is in
//! force; each refusal is a leaf too.
//!
//! | Step | What | A crash after it leaves |
//! |---|---|---|
//! | 1 | judged, compiled, compared with the registry | nothing |
//! | 1a | what its plans release is kept (`past`) | plans of a bundle that was not loaded, which no leaf names |
//! | 2 | the registry's writer knows the columns of both bundles | nothing |
//! | 3 | a submitted bundle is installed in its folder | the new bundle, signed: the next start loads it and seals its leaf |
//! | 4 | the `loaded` leaf is durable | the same, and the log says so |
//! | 5 | swapped; extracts whose grant is gone or another end, each with a `refusal` leaf at `kept` if it was ready; a `revoked` leaf for each grant and partner that is gone; what the journal does not take of these is owed (`exchange/owed.rs`) | as 4; what is gone follows from both hashes |

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use shuguan_ledger::leaf::{Digest, Event, PolicyEvent};
use shuguan_policies::{Bundle, Plan, PolicySet};
use tokio::sync::Mutex;

use super::folder::{self, Installed};
use super::history::History;
use super::judge::{Bench, BundleRefused, EVEN_OUT, Signer, Vouched, judge};
use super::past;
use crate::clock;
use crate::edge::health::Light;
use crate::edge::signers::Signers;
use crate::exchange::compare::REGISTRY_RETRY_AFTER_S;
use crate::exchange::owed::OwedLeaf;
use crate::exchange::seal::unavailable;
use crate::exchange::{Fault, RefusalLeaf, Refused, Stations, Stop, pull};
use crate::hex::hex;
use crate::journal::{Entry, Outcome, SealError};
use crate::refusal::Refusal;
use crate::registry::schema::{self, TableSpec};

/// `/readyz` warns so long before an agreement expires.
const AGREEMENT_WARN_S: i64 = 30 * 86_400;

/// What is in force, for people.
#[derive(Clone, Debug)]
pub struct InForce {
    /// Its serial number.
    pub serial: u64,
    /// Its hash.
    pub bundle: [u8; 32],
    /// Who signed it.
    pub signers: Vec<Signer>,
    /// Last second of the agreement that ends first.
    pub first_end_s: Option<i64>,
    /// Why the last bundle that was offered did not take its place.
    pub refused: Option<Refusal>,
    statement: [u8; 32],
}

impl InForce {
    /// Of a bundle that was judged.
    pub fn of(vouched: &Vouched) -> Self {
        Self {
            serial: vouched.statement.serial,
            bundle: vouched.set.hash(),
            signers: vouched.signers.clone(),
            first_end_s: vouched.set.plans().map(|plan| plan.valid().until_s).min(),
            refused: None,
            statement: vouched.load().statement,
        }
    }

    /// Serial, hash, signers, and when the first agreement expires.
    pub fn describe(&self, now_s: i64) -> (Light, String) {
        let signers: Vec<&str> = self.signers.iter().map(|signer| signer.id.as_str()).collect();
        let days = self.first_end_s.map(|end| (end - now_s).div_euclid(86_400));
        let ends = match days {
            None => "it has no agreement".to_owned(),
            Some(days) if days < 0 => format!("an agreement expired {} days ago", -days),
            Some(days) => format!("the first agreement expires in {days} days"),
        };
        let mut text = format!(
            "serial {}, sha256:{}, signed by {}; {ends}",
            self.serial,
            hex(&self.bundle),
            signers.join(" and ")
        );
        let soon = self.first_end_s.is_some_and(|end| end - now_s < AGREEMENT_WARN_S);
        if let Some(refusal) = self.refused {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "; the last bundle offered was refused: {} {}",
                refusal.code(),
                refusal.slug()
            );
        }
        let light = if soon || self.refused.is_some() {
            Light::Yellow
        } else {
            Light::Green
        };
        (light, text)
    }
}

/// What became of a bundle that was offered and not refused.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// It is in force.
    pub in_force: Arc<InForce>,
    /// Index of its leaf; none when it was in force already.
    pub leaf: Option<u64>,
}

/// Holds what is in force.
#[derive(Debug)]
pub struct Keeper {
    folder: PathBuf,
    stations: Arc<Stations>,
    signers: ArcSwap<Signers>,
    in_force: ArcSwap<InForce>,
    /// One change at a time; what the log knows.
    turn: Mutex<History>,
}

/// A bundle that may come into force, with the tables that it needs.
struct Ready {
    vouched: Vouched,
    /// What the registry has to be told of; nothing where it knows all of it and does not answer.
    tables: Option<Vec<TableSpec>>,
}

impl Keeper {
    /// A keeper of the bundle that the gateway starts with; seals its `loaded` leaf.
    ///
    /// # Errors
    /// [`SealError`] when the leaf cannot be sealed: then nothing may be decided by the bundle.
    pub async fn start(
        folder: &Path,
        stations: Arc<Stations>,
        signers: Arc<Signers>,
        vouched: &Vouched,
        history: History,
    ) -> Result<Self, SealError> {
        let keeper = Self {
            folder: folder.to_owned(),
            stations,
            signers: ArcSwap::new(signers),
            in_force: ArcSwap::from_pointee(InForce::of(vouched)),
            turn: Mutex::new(history),
        };
        let mut history = keeper.turn.lock().await;
        past::keep(&keeper.stations.journal, &vouched.set).await?;
        let before = history.newest().map(|load| load.bundle);
        keeper.seal(loaded(vouched, before, None, "start")).await?;
        if !vouched.accepted {
            history.add(vouched.load());
        }
        drop(history);
        warn_uneven(vouched, keeper.stations.wall.now_us());
        Ok(keeper)
    }

    /// What is in force.
    pub fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// Takes new authorities and lists; what is in force stays.
    pub fn signers(&self) -> Arc<Signers> {
        self.signers.load_full()
    }

    /// Takes other authorities and lists.
    pub fn trust(&self, signers: Arc<Signers>) {
        self.signers.store(signers);
    }

    /// Brings an officer's bundle into force; one that could not even be read is refused, and that is a leaf.
    ///
    /// # Errors
    /// The first reason against it, sealed; or a fault of ours. What is in force stays.
    pub async fn submit(&self, bundle: Result<Bundle, BundleRefused>, by: &str) -> Result<Loaded, Stop> {
        self.load(bundle, by, true).await
    }

    /// Reads the folder anew and brings it into force, if it is another bundle.
    ///
    /// # Errors
    /// As [`Keeper::submit`].
    pub async fn reload(&self) -> Result<Loaded, Stop> {
        let folder = self.folder.clone();
        let read = tokio::task::spawn_blocking(move || {
            folder::recover(&folder)?;
            Ok::<_, crate::pki::PkiFault>(Bundle::read(&folder))
        });
        let read = read.await.map_err(Fault::from_error("read the bundle"))?;
        let bundle = read.map_err(Fault::from_error("recover the bundle's folder"))?;
        let bundle = bundle.map_err(|faults| BundleRefused::faulty(&faults));
        self.load(bundle, "reload", false).await
    }

    async fn load(&self, bundle: Result<Bundle, BundleRefused>, by: &str, install: bool) -> Result<Loaded, Stop> {
        let mut history = self.turn.lock().await;
        let considered = match bundle {
            Ok(bundle) => self.consider(bundle, &history).await?,
            Err(refused) => Err(refused),
        };
        let ready = match considered {
            Ok(ready) => ready,
            Err(refused) => return Err(self.refuse(refused, by).await),
        };
        let load = ready.vouched.load();
        if load.statement == self.in_force.load().statement {
            self.mark(None);
            let in_force = self.in_force();
            return Ok(Loaded { in_force, leaf: None });
        }
        let leaf = self.enact(ready, by, install).await?;
        history.add(load);
        Ok(Loaded {
            in_force: self.in_force(),
            leaf: Some(leaf),
        })
    }

    /// Step 1, on a blocking thread: nothing of it is visible to anybody.
    async fn consider(&self, bundle: Bundle, history: &History) -> Result<Result<Ready, BundleRefused>, Fault> {
        let (stations, signers) = (Arc::clone(&self.stations), self.signers.load_full());
        let history = history.clone();
        let work = tokio::task::spawn_blocking(move || {
            let table = stations.policies.load_full();
            let bench = Bench {
                signers: &signers,
                history: &history,
                table: Some(&table),
                now_s: stations.wall.now_us().div_euclid(1_000_000),
            };
            let vouched = judge(bundle, &bench)?;
            let unfit = |detail: &dyn std::fmt::Display| BundleRefused {
                serial: Some(vouched.statement.serial),
                bundle: Some(vouched.set.hash()),
                ..BundleRefused::new(Refusal::BundleUnfit, detail)
            };
            let tables = schema::tables(vouched.set.plans()).map_err(|fault| unfit(&fault))?;
            match stations.registry.fits(&tables) {
                Ok(()) => Ok(Ready {
                    vouched,
                    tables: Some(tables),
                }),
                // A registry that does not answer must not keep in force what is taken away; what brings no column needs nothing of it.
                Err(fault) if fault.is_silence() && stations.registry.knows(&tables) => {
                    Ok(Ready { vouched, tables: None })
                }
                Err(fault) if fault.is_silence() => Err(BundleRefused {
                    serial: Some(vouched.statement.serial),
                    bundle: Some(vouched.set.hash()),
                    ..BundleRefused::new(Refusal::RegistryUnavailable, &fault)
                }),
                Err(fault) => Err(unfit(&fault)),
            }
        });
        work.await.map_err(Fault::from_error("judge a bundle"))
    }

    /// Steps 1a to 5.
    async fn enact(&self, ready: Ready, by: &str, install: bool) -> Result<u64, Stop> {
        let Ready { vouched, tables } = ready;
        let kept = past::keep(&self.stations.journal, &vouched.set).await;
        kept.map_err(unavailable)?;
        let before = self.stations.policies.load_full();
        if let Some(tables) = tables {
            let adopted = self.stations.registry.adopt(tables).await;
            adopted.map_err(Fault::from_error("tell the registry of new columns"))?;
        }
        let (vouched, installed) = if install {
            self.install(vouched).await?
        } else {
            (vouched, None)
        };
        let change = Change::between(&before, &vouched.set);
        let event = loaded(&vouched, Some(before.hash()), Some(&change), by);
        let leaf = match self.seal(event).await {
            Ok(leaf) => leaf,
            Err(error) => {
                if let Some(Err(fault)) = installed.map(Installed::undo) {
                    tracing::error!(error = %fault, "a bundle that could not be sealed stays in its folder; the next start loads it");
                }
                return Err(unavailable(error));
            }
        };
        warn_uneven(&vouched, self.stations.wall.now_us());
        let in_force = InForce::of(&vouched);
        let set = vouched.set;
        self.in_force.store(Arc::new(in_force));
        self.stations.policies.store(Arc::clone(&set));
        let ended = pull::end_unheld(&self.stations).await;
        tracing::info!(
            policy.serial = vouched.statement.serial,
            grants.gone = change.gone.len(),
            extracts.ended = ended,
            "another policy bundle is in force"
        );
        self.seal_revoked(&change, vouched.statement.serial, &set, &before, by)
            .await;
        Ok(leaf)
    }

    async fn install(&self, vouched: Vouched) -> Result<(Vouched, Option<Installed>), Fault> {
        let folder = self.folder.clone();
        let work = tokio::task::spawn_blocking(move || {
            folder::install(&folder, &vouched.bundle).map(|installed| (vouched, Some(installed)))
        });
        let done = work.await.map_err(Fault::from_error("install a bundle"))?;
        done.map_err(Fault::from_error("install a bundle"))
    }

    /// What is gone; the load itself is durable by now, so a leaf that cannot be sealed stops nothing and is owed.
    async fn seal_revoked(&self, change: &Change, serial: u64, set: &PolicySet, before: &PolicySet, by: &str) {
        let grants = change.gone.iter().map(|grant| (Some(grant.clone()), None));
        let partners = change.partners_gone.iter().map(|id| (None, Some(id.clone())));
        for (grant, p) in grants.chain(partners) {
            let event = PolicyEvent {
                result: "revoked".into(),
                bun: Some(Digest(set.hash())),
                prev: Some(Digest(before.hash())),
                serial: Some(serial),
                grant,
                p,
                ..blank(by)
            };
            let Ok(exchange) = clock::exchange_id(&self.stations.clock) else {
                tracing::error!("a revocation is in force and its leaf has no id");
                continue;
            };
            let leaf = OwedLeaf {
                exchange,
                partner: None,
                event: Event::Policy(event),
            };
            self.stations.owed.seal(&self.stations.journal, leaf).await;
        }
    }

    async fn refuse(&self, refused: BundleRefused, by: &str) -> Stop {
        let event = PolicyEvent {
            result: "refused".into(),
            serial: refused.serial,
            bun: refused.bundle.map(Digest),
            prev: Some(Digest(self.in_force.load().bundle)),
            code: Some(refused.refusal.slug().into()),
            ..blank(by)
        };
        let leaf = match self.seal(event).await {
            Ok(_index) => RefusalLeaf::Sealed(None),
            Err(error) => {
                tracing::error!(error = %error, "a refused bundle could not be sealed");
                RefusalLeaf::Waived
            }
        };
        self.mark(Some(refused.refusal));
        let mut stop = Refused::new(refused.refusal).detail(&refused.detail);
        stop.leaf = leaf;
        // The one refusal of a bundle that a wait helps.
        stop.retry_after_s = (refused.refusal == Refusal::RegistryUnavailable).then_some(REGISTRY_RETRY_AFTER_S);
        stop.into()
    }

    /// Notes what became of the last bundle that was offered.
    fn mark(&self, refused: Option<Refusal>) {
        let mut in_force = InForce::clone(&self.in_force.load());
        in_force.refused = refused;
        self.in_force.store(Arc::new(in_force));
    }

    async fn seal(&self, event: PolicyEvent) -> Result<u64, SealError> {
        let id = clock::exchange_id(&self.stations.clock).map_err(|_| SealError::Unavailable)?;
        match self.stations.journal.seal(Entry::new(id, Event::Policy(event))).await? {
            Outcome::Sealed(sealed) | Outcome::Repeated(sealed) => Ok(sealed.index),
            Outcome::KeyReused | Outcome::Replayed => Err(SealError::Unavailable),
        }
    }
}

/// Said once a load: also of grants that hold together only later, since nobody looks again then.
fn warn_uneven(vouched: &Vouched, now_us: i64) {
    let uneven = vouched.uneven(now_us);
    if let Some(first) = uneven.first() {
        tracing::warn!(
            policy.serial = vouched.statement.serial,
            uneven.count = uneven.len(),
            uneven.first = %first,
            uneven.next = EVEN_OUT,
            "push grants release different columns of the same rows while both hold, so a push under one empties what only the other brings"
        );
    }
}

fn blank(by: &str) -> PolicyEvent {
    PolicyEvent {
        result: String::new(),
        by: by.to_owned(),
        serial: None,
        bun: None,
        prev: None,
        stm: None,
        signers: None,
        back: None,
        added: None,
        gone: None,
        code: None,
        grant: None,
        p: None,
    }
}

fn loaded(vouched: &Vouched, before: Option<[u8; 32]>, change: Option<&Change>, by: &str) -> PolicyEvent {
    let count = |names: &BTreeSet<String>| u64::try_from(names.len()).unwrap_or(u64::MAX);
    let signers: Vec<&str> = vouched.signers.iter().map(|signer| signer.id.as_str()).collect();
    let load = vouched.load();
    PolicyEvent {
        result: "loaded".into(),
        serial: Some(load.serial),
        bun: Some(Digest(load.bundle)),
        prev: before.map(Digest),
        stm: Some(Digest(load.statement)),
        signers: Some(signers.join(" ")),
        back: vouched.statement.goes_back_from,
        added: change.map(|change| count(&change.added)),
        gone: change.map(|change| count(&change.gone)),
        ..blank(by)
    }
}

/// What differs between two sets, by the ids of grants and partners.
#[derive(Debug)]
struct Change {
    /// Grants that are new or say something else.
    added: BTreeSet<String>,
    gone: BTreeSet<String>,
    partners_gone: BTreeSet<String>,
}

impl Change {
    fn between(old: &PolicySet, new: &PolicySet) -> Self {
        // A grant is gone for a partner that is left when nothing has its key any more, whatever else bears its id.
        let gone = |plan: &Plan| {
            let (target, purpose, way) = (plan.target(), plan.purpose(), (plan.direction(), plan.mode()));
            let lost =
                |id: &String| new.partner(id).is_some() && new.grant(id, target, purpose, way.0, way.1).is_none();
            plan.partner_ids().iter().any(lost) || !new.plans().any(|known| known.grant_id() == plan.grant_id())
        };
        let added = new
            .plans()
            .filter(|plan| !old.plans().any(|known| known.hash() == plan.hash()))
            .map(|plan| plan.grant_id().to_owned());
        let gone = old
            .plans()
            .filter(|plan| gone(plan))
            .map(|plan| plan.grant_id().to_owned());
        let partners = old.partners().iter().map(|partner| partner.id.clone());
        Self {
            added: added.collect(),
            gone: gone.collect(),
            partners_gone: partners.filter(|id| new.partner(id).is_none()).collect(),
        }
    }
}
