//! Admission: may this partner send this, for this purpose, now?
//!
//! Takes the peer and the head of a request; gives an [`Admitted`] that holds the plan, the layout and the partner's permit. Refuses from
//! the head alone, before a limiter is charged for a stranger's wish and before a byte of the body is read: wrong agency, no grant, bad
//! headers, too large, inbox full or overdue, over rate, key in flight.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, header};
use shuguan_adapters::catalogue::{self, RecordType};
use shuguan_adapters::inflate::Coding;
use shuguan_adapters::layout::{Encoding, Layout};
use shuguan_adapters::operation::Intent;
use shuguan_policies::{Denial, Direction, Mode, Plan, PolicySet, Role, Target};
use uuid::Uuid;

use super::inflight::InFlight;
use super::mode::{Manner, Scope};
use super::stated::Stated;
use super::{Fault, Refused, Stations, Stop, signing};
use crate::clock;
use crate::edge::Peer;
use crate::edge::gatekeeper::Gatekeeper;
use crate::journal::{Journal, Nonce};
use crate::layouts;
use crate::limits::quota::{Exhausted, Hold};
use crate::limits::{Permit, Standing};
use crate::refusal::Refusal;
use crate::signature::{Asked, Signed, digest, profile};

pub(super) const PURPOSE: HeaderName = HeaderName::from_static("exchange-purpose");
pub(super) const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAYOUT: HeaderName = HeaderName::from_static("exchange-layout");
/// What `Retry-After` says when the inbox is full.
pub(super) const INBOX_RETRY_AFTER_S: u64 = 30;
/// What it says when a batch waits for too long: that took days, and whether it is over is known within a second of it.
const OVERDUE_RETRY_AFTER_S: u64 = 300;
/// Witnesses are asked each second, one that failed at least each five.
const WITNESS_RETRY_AFTER_S: u64 = 30;

/// The head of a push, as HTTP gave it.
#[derive(Debug)]
pub struct PushHead {
    /// `agency/record` out of the path.
    pub record: String,
    /// Method, target and headers.
    pub asked: Asked,
    /// Asked once more before sealing.
    pub gatekeeper: Arc<Gatekeeper>,
}

/// A push that may proceed. Only this module makes one.
///
/// ```compile_fail
/// let _ = |peer| shuguan::exchange::admit::Admitted { peer };
/// ```
#[derive(Debug)]
pub struct Admitted {
    pub(super) peer: Arc<Peer>,
    pub(super) exchange: Uuid,
    /// The day on which it began.
    pub(super) today: i32,
    pub(super) record: &'static RecordType,
    pub(super) plan: Arc<Plan>,
    pub(super) bundle: [u8; 32],
    /// The revocation lists of this moment, for the evidence record.
    pub(super) revocation: Arc<str>,
    pub(super) layout: Layout,
    /// The name of that layout, when it is one of the configuration.
    pub(super) layout_name: Option<String>,
    pub(super) manner: Manner,
    pub(super) coding: Option<Coding>,
    pub(super) digest: Option<[u8; 32]>,
    /// The sender's signature, when there is one.
    pub(super) signed: Option<Signed>,
    /// What the journal remembers of it.
    pub(super) nonce: Option<Nonce>,
    pub(super) content_length: Option<u64>,
    pub(super) permit: Permit,
    /// Why nothing new may come in now, and the seconds after which it may. A repeat of an answered key is answered all the same.
    pub(super) barred: Option<(Refusal, u64)>,
    /// Its part of the quota of the day; a repeat of an answered key needs none, and only the journal knows which key that is.
    pub(super) quota: Result<Hold, Exhausted>,
    pub(super) in_flight: InFlight,
}

impl Admitted {
    /// What mode, scope, count, constants and layout add to the content that a key is bound to; empty for a plain upsert.
    pub(super) fn manner_text(&self) -> String {
        let manner = self.manner.canonical();
        match &self.layout_name {
            Some(name) => format!("{manner} layout {name}"),
            None => manner,
        }
    }

    /// What has to be read of the rows for the mode. Of a record of which only the keys matter, what the grant's row filters read is read as
    /// well, where it stands there: a delete of what the agreement does not cover is held back.
    pub(super) fn intent(&self) -> Intent {
        self.manner
            .intent(self.plan.rows().iter().map(|atom| atom.field).collect())
    }

    /// The exchange's id.
    pub fn exchange(&self) -> Uuid {
        self.exchange
    }

    /// The partner's limits as they stand.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            requests: Some(self.permit.allowance),
            quotas: self.quota.as_ref().map(Hold::standing).unwrap_or_default(),
        }
    }
}

/// Admits a push.
pub fn push(stations: &Stations, peer: Arc<Peer>, head: &PushHead) -> Result<Admitted, Stop> {
    let headers = &head.asked.headers;
    let record = own_record(&peer, &head.record)?;
    let purpose = text(headers, &PURPOSE).ok_or(Refusal::MissingPurpose)?;
    let key = idempotency_key(headers).ok_or(Refusal::BadIdempotencyKey)?;
    let manner = Manner::of(headers, record)?;
    let policies = stations.policies.load_full();
    let plan = policies
        .decide(
            peer.partner(),
            Target::Record(record),
            purpose,
            Direction::Push,
            Mode::Feed,
            stations.wall.now_us(),
        )
        .map_err(|denial| Refused::new(denied(denial)).under(policies.hash()))?;
    within_plan(&manner, &plan)?;
    let (layout, layout_name) = layout(stations, &peer.partner().id, record, headers, &manner.stated)?;
    let coding = coding(headers)?;
    let digest = content_digest(headers)?;
    let content_length = content_length(headers);
    let limit = stations.limits.body_bytes_max.get();
    if content_length.is_some_and(|length| length > limit) {
        return Err(too_large(limit));
    }
    let barred = barred(stations, &peer, purpose);
    let permit = stations.admission.admit(&peer.partner().id)?;
    let refused_too_often = || Some((Refusal::RateLimited, permit.refused_too_often()?));
    let barred = barred.or_else(refused_too_often);
    // After the limiter: of all that the head shows, this alone costs something.
    let signed = stations
        .signing
        .judge(&profile::PUSH, &head.asked.message(), &peer, stations.wall.now_us())
        .map_err(|refused| refused.under(policies.hash()))?;
    let quota = stations.quotas.hold(&peer.partner().id, &plan, stations.clock.now_us());
    let tag = stations.tags.idempotency(&peer.partner().id, key);
    let in_flight =
        InFlight::begin(&stations.in_flight, tag).ok_or_else(|| Refused::new(Refusal::KeyInFlight).retry_after(1))?;
    let exchange = clock::exchange_id(&stations.clock).map_err(|_| Fault::new("make an exchange id"))?;
    let nonce = signed
        .as_ref()
        .map(|signed| signing::nonce(&stations.tags, signed, &tag));
    Ok(Admitted {
        bundle: policies.hash(),
        revocation: head.gatekeeper.lists(),
        peer,
        exchange,
        today: clock::day_in(exchange),
        record,
        plan,
        layout,
        layout_name,
        manner,
        coding,
        digest,
        signed,
        nonce,
        content_length,
        permit,
        barred,
        quota,
        in_flight,
    })
}

/// Whether the log is witnessed, as far as exchanges of a purpose depend on it: nothing comes in and nothing goes out that might not stay in it.
///
/// # Errors
/// [`Refusal::Unwitnessed`], [`Refusal::LogDisputed`].
pub(super) fn is_witnessed(stations: &Stations, purpose: &str) -> Result<(), Refused> {
    match stations.witnessing.refuses(purpose) {
        Some(refusal) => Err(Refused::new(refusal).retry_after(WITNESS_RETRY_AFTER_S)),
        None => Ok(()),
    }
}

/// Whether the log is witnessed, and the inbox moves and has room.
fn barred(stations: &Stations, peer: &Peer, purpose: &str) -> Option<(Refusal, u64)> {
    if let Err(unwitnessed) = is_witnessed(stations, purpose) {
        return Some((unwitnessed.refusal, WITNESS_RETRY_AFTER_S));
    }
    let partner = &peer.partner().id;
    if stations.journal.inbox_is_overdue_for(partner) {
        return Some((Refusal::InboxOverdue, OVERDUE_RETRY_AFTER_S));
    }
    let has_room = stations.journal.inbox_has_room_for(partner);
    (!has_room).then_some((Refusal::InboxFull, INBOX_RETRY_AFTER_S))
}

/// A scope goes by what the registry has: the field must be released, and as it is. So must what is stated of a whole file, because it stands in the leaf.
fn within_plan(manner: &Manner, plan: &Plan) -> Result<(), Refused> {
    let field = manner.mode.scope().and_then(Scope::field);
    if field.is_some_and(|field| !plan.keeps(field)) {
        let told = "`Exchange-Scope`: the grant does not release this field as it is";
        return Err(Refused::new(Refusal::BadManner).detail(told));
    }
    if manner.stated.pairs().any(|(field, _)| !plan.keeps(field)) {
        let told = "`Exchange-Constants`: the grant does not release this field as it is";
        return Err(Refused::new(Refusal::BadManner).detail(told));
    }
    Ok(())
}

/// Whether there is room for it, and anything left of the quota of the day. A key that was answered before is answered again (C4): that takes nothing.
///
/// # Errors
/// [`Refusal::InboxFull`], [`Refusal::InboxOverdue`], [`Refusal::Unwitnessed`], [`Refusal::RateLimited`] when more batches of the partner were refused
/// than may be, [`Refusal::QuotaExceeded`].
pub(super) async fn may_enter(stations: &Stations, admitted: &Admitted) -> Result<(), Stop> {
    let stop = match (admitted.barred, &admitted.quota) {
        (Some((refusal, after_s)), _) => {
            let mut refused = Refused::new(refusal).retry_after(after_s);
            if refusal == Refusal::RateLimited {
                refused = refused.detail("more batches of this partner were refused than may be in an hour");
            }
            refused.into()
        }
        (None, Err(exhausted)) => (*exhausted).into(),
        (None, Ok(_)) => return Ok(()),
    };
    if answered(&stations.journal, admitted).await? {
        Ok(())
    } else {
        Err(stop)
    }
}

/// The inbox has no room for what comes: only a key that was answered before is answered again.
///
/// # Errors
/// [`Refusal::InboxFull`].
pub(super) async fn has_no_room(stations: &Stations, admitted: &Admitted) -> Result<(), Stop> {
    if answered(&stations.journal, admitted).await? {
        return Ok(());
    }
    Err(Refused::new(Refusal::InboxFull).retry_after(INBOX_RETRY_AFTER_S).into())
}

/// Whether the key of a push was used before, for whatever content.
pub(super) async fn answered(journal: &Journal, admitted: &Admitted) -> Result<bool, Stop> {
    let known = journal.idempotent(admitted.in_flight.tag(), [0; 32]).await;
    Ok(known
        .map_err(Fault::from_error("look for an idempotency key"))?
        .is_some())
}

/// Whether the policies in force still hold a grant for this push that releases what the pinned one does.
///
/// # Errors
/// Those of [`upheld`].
pub(super) fn still_granted(stations: &Stations, admitted: &Admitted) -> Result<(), Refused> {
    let (partner, plan) = (&admitted.peer.partner().id, &admitted.plan);
    let policies = stations.policies.load();
    let key = (
        Target::Record(admitted.record),
        plan.purpose(),
        Direction::Push,
        Mode::Feed,
    );
    upheld(&policies, partner, key, &plan.released_hash(), stations.wall.now_us()).map_err(changed)
}

/// Whether policies give a partner what releases the very same at a moment (µs since 1970), by its hash: a plan that releases something else may withhold
/// what this one does not, so that nothing is sealed or given under it any more. Limits and hours are those of the request.
///
/// # Errors
/// [`Refusal::GrantRevoked`], [`Refusal::GrantChanged`], [`Refusal::AgreementExpired`].
pub(super) fn upheld(
    policies: &PolicySet,
    partner: &str,
    (target, purpose, direction, mode): (Target, &str, Direction, Mode),
    released: &[u8; 32],
    now_us: i64,
) -> Result<(), Refusal> {
    let grant = policies.grant(partner, target, purpose, direction, mode);
    let grant = grant.ok_or(Refusal::GrantRevoked)?;
    if grant.released_hash() != *released {
        return Err(Refusal::GrantChanged);
    }
    if grant.valid().until_s < now_us.div_euclid(1_000_000) {
        return Err(Refusal::AgreementExpired);
    }
    Ok(())
}

/// A grant that is another now is asked for anew at once.
pub(super) fn changed(refusal: Refusal) -> Refused {
    let refused = Refused::new(refusal);
    match refusal {
        Refusal::GrantChanged => refused.retry_after(1),
        _ => refused,
    }
}

/// The record type, if it exists and is the partner's own agency's.
fn own_record(peer: &Peer, name: &str) -> Result<&'static RecordType, Stop> {
    if peer.partner().role != Role::Agency {
        return Err(Refusal::WrongRole.into());
    }
    let record = catalogue::record_type(name).ok_or(Refusal::UnknownRecordType)?;
    if peer.partner().agency != Some(record.agency) {
        return Err(Refusal::ForeignRecordType.into());
    }
    Ok(record)
}

/// What a denial of the policy set is called as a refusal.
pub(crate) fn denied(denial: Denial) -> Refusal {
    match denial {
        Denial::BadPurpose => Refusal::BadPurpose,
        Denial::NoGrant => Refusal::NoGrant,
        Denial::Expired => Refusal::AgreementExpired,
        Denial::NotYet => Refusal::AgreementNotYet,
        Denial::OutsideHours => Refusal::OutsideHours,
    }
}

pub(super) fn too_large(limit: u64) -> Stop {
    let mut refused = Refused::new(Refusal::BodyTooLarge);
    refused.limit_bytes = Some(limit);
    refused.into()
}

/// The idempotency key: 1 to 128 visible characters.
pub(super) fn idempotency_key(headers: &HeaderMap) -> Option<&str> {
    text(headers, &IDEMPOTENCY_KEY).filter(|key| key.len() <= 128 && key.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// A header that occurs once and is text.
pub(super) fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok().filter(|text| !text.is_empty())
}

/// How the body is written: as the layout has it that `Exchange-Layout` names, or the partner's default for such a type; otherwise as
/// `Content-Type` says. What is stated of the file stands in it, where the layout lets it be stated.
fn layout(
    stations: &Stations,
    partner: &str,
    record: &'static RecordType,
    headers: &HeaderMap,
    of_file: &Stated,
) -> Result<(Layout, Option<String>), Stop> {
    let content_type = text(headers, &header::CONTENT_TYPE);
    let stated = content_type.and_then(Layout::from_content_type);
    let charset = content_type.and_then(stated_charset);
    let known = if headers.contains_key(LAYOUT) {
        let named = text(headers, &LAYOUT).and_then(|name| stations.layouts.named(partner, record, name));
        Some(named.ok_or(Refusal::UnknownLayout)?)
    } else if stated.is_some() || content_type == Some(layouts::ANY_TYPE) {
        stations.layouts.default_for(partner, record, stated.as_ref())
    } else {
        None
    };
    match (known, stated) {
        (Some(known), _) => {
            let layout = known.stating(known.layout_for(charset), of_file);
            let layout = layout.map_err(|why| Refused::new(Refusal::BadManner).detail(why))?;
            Ok((layout, Some(known.name.clone())))
        }
        (None, Some(_)) if !of_file.is_empty() => {
            let told = "`Exchange-Constants`: only a layout of the gateway lets something be stated of a file";
            Err(Refused::new(Refusal::BadManner).detail(told).into())
        }
        (None, Some(stated)) => Ok((stated, None)),
        (None, None) => Err(Refusal::UnsupportedType.into()),
    }
}

/// The charset that a `Content-Type` states, whatever the type.
fn stated_charset(content_type: &str) -> Option<Encoding> {
    let parameters = content_type
        .split(';')
        .skip(1)
        .filter_map(|parameter| parameter.split_once('='));
    let charset = parameters
        .into_iter()
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Encoding::parse(charset.1.trim().trim_matches('"'))
}

/// `Content-Encoding`: one coding, or none.
fn coding(headers: &HeaderMap) -> Result<Option<Coding>, Stop> {
    if !headers.contains_key(header::CONTENT_ENCODING) {
        return Ok(None);
    }
    match text(headers, &header::CONTENT_ENCODING) {
        Some(name) if name.trim().eq_ignore_ascii_case("identity") => Ok(None),
        Some(name) => Ok(Some(Coding::parse(name).ok_or(Refusal::UnsupportedCoding)?)),
        None => Err(Refusal::UnsupportedCoding.into()),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, &header::CONTENT_LENGTH)?.parse().ok()
}

/// `Content-Digest: sha-256=:…:` (RFC 9530); absent is fine, another algorithm or form is not.
fn content_digest(headers: &HeaderMap) -> Result<Option<[u8; 32]>, Stop> {
    match digest::stated(headers) {
        None => Ok(None),
        Some(Some(digest)) => Ok(Some(digest)),
        Some(None) => Err(Refused::new(Refusal::BadDigest)
            .detail("`Content-Digest` must be `sha-256=:BASE64:`")
            .into()),
    }
}
