#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::PathBuf;

use proptest::prelude::*;
use shuguan_policies::Bundle;
use shuguan_policies::envelope::Envelope;
use tempfile::TempDir;

use super::*;
use crate::bundle::OfficerKey;
use crate::edge::tls::{self, TlsSettings};
use crate::pki::authority::{Authority, Tier, Which};
use crate::pki::crl::Reason;
use crate::pki::deviation::{self, Deviation, Signer as Mint};
use crate::pki::{Subject, profile};

const NOW_US: i64 = 1_795_000_000_000_000;
const NOW_S: i64 = NOW_US / 1_000_000;
const SUN: &str = "officer/policy/legal/sun";
const QIAN: &str = "officer/security/information-security/qian";

/// An authority, a bundle, and officers whose certificates may deviate.
struct Office {
    folder: TempDir,
    authority: Authority,
}

impl Office {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::create(folder.path(), profile::EXAMPLE, None, NOW_US).unwrap();
        Self { folder, authority }
    }

    fn signers(&self) -> Arc<Signers> {
        let path = |name: &str| self.folder.path().join(name);
        let settings = TlsSettings {
            certificate: path("pki/server.pem"),
            key: path("keys/server.key"),
            client_ca: path("pki/ca.pem"),
            crls: vec![path("pki/root.crl.pem"), path("pki/issuing.crl.pem")],
            message: path("pki/message"),
        };
        tls::load(&settings).unwrap().signers
    }

    fn officer(&self, spiffe: &str, deviation: &Deviation) -> OfficerKey {
        let signer = Mint::Tier(&self.authority, Tier::Issuing);
        self.minted(&signer, spiffe, deviation)
    }

    fn minted(&self, signer: &Mint<'_>, spiffe: &str, deviation: &Deviation) -> OfficerKey {
        let subject = Subject {
            id: "x".into(),
            zh: "某".into(),
            spiffe: format!("spiffe://lyg.example/{spiffe}"),
        };
        let minted = deviation::mint(signer, &subject, deviation, NOW_US).unwrap();
        let place = TempDir::new_in(self.folder.path()).unwrap().keep();
        let (key, pem) = (place.join("key"), place.join("pem"));
        crate::pki::keyfile::create_secret(&key, minted.key_pem.as_bytes()).unwrap();
        std::fs::write(&pem, &minted.chain_pem).unwrap();
        OfficerKey::from_pem(&key, &pem).unwrap()
    }

    fn both(&self) -> [OfficerKey; 2] {
        [SUN, QIAN].map(|spiffe| self.officer(spiffe, &Deviation::default()))
    }

    fn judge(&self, bundle: Bundle, history: &History) -> Result<Vouched, BundleRefused> {
        let signers = self.signers();
        let bench = Bench {
            signers: &signers,
            history,
            table: None,
            now_s: NOW_S,
        };
        judge(bundle, &bench)
    }

    fn refusal(&self, bundle: Bundle, history: &History) -> (Refusal, String) {
        let refused = self.judge(bundle, history).unwrap_err();
        (refused.refusal, refused.detail)
    }
}

fn example() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../policies/example")
}

fn texts() -> Vec<(String, String)> {
    // The example's own tests would fail with every change that is judged here.
    let mut texts = Bundle::read(&example()).unwrap().texts().to_vec();
    texts.retain(|(name, _)| !name.starts_with("tests/"));
    texts
}

fn statement(serial: u64) -> Statement {
    let bundle = Bundle::of(texts(), None).unwrap();
    Statement {
        serial,
        bundle: bundle.compile().unwrap().hash(),
        files: bundle.files_hash(),
        replaces: None,
        goes_back_from: None,
    }
}

fn enveloped(statement: Statement, keys: &[&OfficerKey]) -> Envelope {
    let signatures = keys.iter().map(|key| key.sign(&statement, NOW_S).unwrap());
    Envelope {
        signatures: signatures.collect(),
        statement,
    }
}

fn with(envelope: &Envelope) -> Bundle {
    Bundle::of(texts(), Some(envelope.text())).unwrap()
}

fn load(serial: u64, bundle: [u8; 32]) -> Load {
    Load {
        serial,
        bundle,
        statement: [u8::try_from(serial).unwrap(); 32],
    }
}

#[test]
fn two_officers_of_different_roles_bring_a_bundle_into_force() {
    let office = Office::new();
    let [sun, qian] = office.both();
    for keys in [[&sun, &qian], [&qian, &sun]] {
        let vouched = office
            .judge(with(&enveloped(statement(1), &keys)), &History::default())
            .unwrap();
        let ids: Vec<_> = vouched.signers().iter().map(|signer| signer.id.as_str()).collect();
        assert!(ids.contains(&"policy-sun") && ids.contains(&"security-qian"), "{ids:?}");
        assert!(!vouched.accepted());
    }
}

#[test]
fn fewer_than_both_roles_are_not_enough() {
    let office = Office::new();
    let [sun, qian] = office.both();
    let sun_again = office.officer(SUN, &Deviation::default());
    let none = History::default();
    let judged = |keys: &[&OfficerKey]| office.refusal(with(&enveloped(statement(1), keys)), &none).0;
    assert_eq!(judged(&[]), Refusal::BundleUnsigned);
    assert_eq!(judged(&[&sun]), Refusal::BundleQuorum);
    assert_eq!(judged(&[&qian]), Refusal::BundleQuorum);
    assert_eq!(judged(&[&sun, &sun_again]), Refusal::BundleQuorum, "two keys, one role");
    assert_eq!(judged(&[&sun, &sun]), Refusal::BundleSigner, "one key twice");
    let bare = Bundle::of(texts(), None).unwrap();
    assert_eq!(office.refusal(bare, &none).0, Refusal::BundleUnsigned);
    let torn = Bundle::of(texts(), Some("shuguan-policy/v1\n".into())).unwrap();
    assert_eq!(office.refusal(torn, &none).0, Refusal::BundleMalformed);
}

#[test]
fn certificates_that_may_not_sign_are_refused() {
    let office = Office::new();
    let [sun, qian] = office.both();
    let stranger = deviation::unknown_authority("unknown", NOW_US).unwrap();
    let cases = [
        (office.officer(QIAN, &Deviation::expired()), "SG1103"),
        (office.officer(QIAN, &Deviation::not_yet_valid()), "SG1103"),
        (
            office.minted(&Mint::Minted(&stranger), QIAN, &Deviation::default()),
            "SG1102",
        ),
        (
            office.officer("officer/security/information-security/nobody", &Deviation::default()),
            "partner table",
        ),
    ];
    for (key, expected) in cases {
        let envelope = enveloped(statement(1), &[&sun, &key]);
        let (refusal, detail) = office.refusal(with(&envelope), &History::default());
        assert_eq!(refusal, Refusal::BundleSigner, "{detail}");
        assert!(detail.contains(expected), "{expected}: {detail}");
    }
    // A signature that was made when the certificate was still valid does not help an expired one.
    let expired = office.officer(QIAN, &Deviation::expired());
    let statement = statement(1);
    let signatures = vec![
        sun.sign(&statement, NOW_S).unwrap(),
        expired.sign(&statement, NOW_S - 10 * 86_400).unwrap(),
    ];
    let old = Envelope { statement, signatures };
    assert_eq!(office.refusal(with(&old), &History::default()).0, Refusal::BundleSigner);
    // One from the future.
    let early = Envelope {
        signatures: vec![qian.sign(&old.statement, NOW_S + 3_600).unwrap()],
        statement: old.statement,
    };
    let (refusal, detail) = office.refusal(with(&early), &History::default());
    assert_eq!(refusal, Refusal::BundleSigner);
    assert!(detail.contains("future"), "{detail}");
}

#[test]
fn a_revoked_officer_signs_nothing_new_and_what_was_accepted_stays() {
    let office = Office::new();
    let subject = Subject {
        id: "security-qian".into(),
        zh: "钱".into(),
        spiffe: format!("spiffe://lyg.example/{QIAN}"),
    };
    let place = office.folder.path().join("qian");
    std::fs::create_dir(&place).unwrap();
    let pair = rcgen::KeyPair::generate().unwrap();
    let csr = crate::pki::request::Csr::for_key(&rcgen::PublicKeyData::subject_public_key_info(&pair)).unwrap();
    let issued = office.authority.issue(&csr, &subject, 30, NOW_US).unwrap();
    crate::pki::keyfile::create_secret(&place.join("key"), pair.serialize_pem().as_bytes()).unwrap();
    std::fs::write(place.join("pem"), &issued.chain_pem).unwrap();
    let qian = OfficerKey::from_pem(&place.join("key"), &place.join("pem")).unwrap();
    let sun = office.officer(SUN, &Deviation::default());
    let bundle = with(&enveloped(statement(1), &[&sun, &qian]));
    let vouched = office.judge(bundle.clone(), &History::default()).unwrap();
    let which = Which::Serial(issued.serial);
    office.authority.revoke(&which, Reason::KeyCompromise, NOW_US).unwrap();
    let (refusal, detail) = office.refusal(bundle.clone(), &History::default());
    assert_eq!(refusal, Refusal::BundleSigner);
    assert!(detail.contains("SG1104"), "{detail}");
    let known = History::of(vec![vouched.load()]);
    assert!(office.judge(bundle, &known).unwrap().accepted());
}

#[test]
fn the_serial_grows_and_going_back_is_said_in_the_signature() {
    let office = Office::new();
    let [sun, qian] = office.both();
    let own = statement(1).bundle;
    let history = History::of(vec![load(18, [18; 32]), load(17, own), load(16, [16; 32])]);
    let next = Statement {
        serial: 19,
        replaces: Some([18; 32]),
        ..statement(19)
    };
    let judged = |statement: Statement| {
        let bundle = with(&enveloped(statement, &[&sun, &qian]));
        office
            .judge(bundle, &history)
            .map(drop)
            .map_err(|refused| refused.refusal)
    };
    for serial in [1, 17, 18] {
        let older = Statement { serial, ..next.clone() };
        assert_eq!(judged(older), Err(Refusal::BundleStale), "{serial}");
    }
    for replaces in [None, Some([17; 32]), Some(own)] {
        let other = Statement {
            replaces,
            ..next.clone()
        };
        assert_eq!(judged(other), Err(Refusal::BundleBase));
    }
    assert_eq!(
        judged(next.clone()),
        Err(Refusal::BundleGoesBack),
        "it was in force as 17"
    );
    for from in [17, 19] {
        let wrong = Statement {
            goes_back_from: Some(from),
            ..next.clone()
        };
        assert_eq!(judged(wrong), Err(Refusal::BundleGoesBack), "{from}");
    }
    let back = Statement {
        goes_back_from: Some(18),
        ..next
    };
    assert_eq!(judged(back.clone()), Ok(()));
    // The same envelope when 20 is in force.
    let later = History::of(vec![load(20, [20; 32]), load(18, [18; 32])]);
    let replayed = with(&enveloped(back, &[&sun, &qian]));
    assert_eq!(office.refusal(replayed, &later).0, Refusal::BundleStale);
}

/// The example with a second push grant of death certificates for `enrolment.survey`, without the column `sex`.
fn uneven_texts() -> Vec<(String, String)> {
    const LAST: &str = "limits = { rows_per_push = 500_000, rows_per_day = 1_000_000, reject_percent = 20 }";
    let survey = format!(
        "{LAST}\n[[grant]]\nid = \"deaths-survey\"\nfor = {{ record = \"health/death-certificate\", purpose = \"enrolment.survey\" }}\n\
         necessity = \"试\"\nkeep = [\"cert_no\", \"citizen_id\", \"name\", \"death_date\", \"issuer\"]"
    );
    let mut uneven = texts();
    for (name, from, to) in [
        ("agreements/health.toml", LAST, survey.as_str()),
        (
            "purposes.toml",
            "allow = [\"pull/extract\"] },\n]",
            "allow = [\"push/feed\", \"pull/extract\"] },\n]",
        ),
    ] {
        let (_, text) = uneven.iter_mut().find(|(file, _)| file == name).unwrap();
        assert!(text.contains(from), "{name}");
        *text = text.replacen(from, to, 1);
    }
    uneven
}

/// A statement over the uneven bundle.
fn uneven_statement(serial: u64) -> Statement {
    let bundle = Bundle::of(uneven_texts(), None).unwrap();
    Statement {
        bundle: bundle.compile().unwrap().hash(),
        files: bundle.files_hash(),
        ..statement(serial)
    }
}

#[test]
fn grants_that_release_unevenly_keep_a_new_bundle_out_and_none_that_the_log_names() {
    let office = Office::new();
    let [sun, qian] = office.both();
    let signed = |statement: &Statement| {
        let envelope = enveloped(statement.clone(), &[&sun, &qian]);
        Bundle::of(uneven_texts(), Some(envelope.text())).unwrap()
    };
    let first = uneven_statement(1);
    let (refusal, detail) = office.refusal(signed(&first), &History::default());
    assert_eq!(refusal, Refusal::BundleFaulty);
    assert!(detail.contains("do not release the same columns"), "{detail}");
    // The log names it: a start.
    let in_force = Load {
        serial: 1,
        bundle: first.bundle,
        statement: digest_of(&first),
    };
    let started = office.judge(signed(&first), &History::of(vec![in_force])).unwrap();
    assert!(started.accepted());
    assert_eq!(started.set().uneven().len(), 1);
    let begins_us = started.set().uneven_from(0).first().unwrap().1 * 1_000_000;
    let [now, before, over] =
        [begins_us, begins_us - 5 * 86_400_000_000, i64::MAX].map(|now_us| started.uneven(now_us).pop());
    let now = now.unwrap();
    assert!(now.starts_with("`health-city` pushes"), "{now}");
    let from = format!("from {} on: {now}", shown(begins_us));
    assert_eq!((before, over), (Some(from), None));
    // It was in force before: a signed rollback, and nothing less.
    let since = History::of(vec![load(2, [2; 32]), in_force]);
    let next = Statement {
        replaces: Some([2; 32]),
        ..uneven_statement(3)
    };
    assert_eq!(office.refusal(signed(&next), &since).0, Refusal::BundleGoesBack);
    let back = Statement {
        goes_back_from: Some(2),
        ..next
    };
    assert!(!office.judge(signed(&back), &since).unwrap().accepted());
    // That it goes back is not enough where the log never named it.
    let never = History::of(vec![load(2, [2; 32])]);
    assert_eq!(office.refusal(signed(&back), &never).0, Refusal::BundleFaulty);
}

#[test]
fn a_changed_byte_in_any_file_is_found() {
    let office = Office::new();
    let [sun, qian] = office.both();
    let envelope = enveloped(statement(1), &[&sun, &qian]).text();
    let none = History::default();
    for place in 0..texts().len() {
        let mut changed = texts();
        let (name, text) = changed.get_mut(place).unwrap();
        let name = name.clone();
        text.push('\n');
        let bundle = Bundle::of(changed, Some(envelope.clone())).unwrap();
        assert_eq!(office.refusal(bundle, &none).0, Refusal::BundleTampered, "{name}");
    }
    let mut fewer = texts();
    fewer.retain(|(name, _)| name != "agreements/health.toml");
    let bundle = Bundle::of(fewer, Some(envelope.clone())).unwrap();
    assert_eq!(office.refusal(bundle, &none).0, Refusal::BundleTampered);
    let mut broken = texts();
    broken.retain(|(name, _)| name != "keys.toml");
    let bundle = Bundle::of(broken, Some(envelope)).unwrap();
    assert_eq!(office.refusal(bundle, &none).0, Refusal::BundleFaulty);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// No byte of an envelope can be another one: each change is refused.
    #[test]
    fn no_mutated_envelope_vouches(place in any::<prop::sample::Index>(), kind in 0_u8..3, byte in 0x20_u8..0x7f) {
        thread_local! {
            static SIGNED: (Office, Arc<Signers>, String) = {
                let office = Office::new();
                let [sun, qian] = office.both();
                let text = enveloped(statement(1), &[&sun, &qian]).text();
                let signers = office.signers();
                (office, signers, text)
            };
        }
        SIGNED.with(|(_office, signers, text)| {
            let mut bytes = text.clone().into_bytes();
            let at = place.index(bytes.len());
            match kind {
                0 => if let Some(old) = bytes.get_mut(at) { *old = byte },
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
            let mutated = String::from_utf8(bytes).unwrap();
            prop_assume!(mutated != *text);
            let Ok(envelope) = Envelope::parse(&mutated) else { return Ok(()) };
            let bundle = Bundle::of(texts(), Some(mutated)).unwrap();
            let history = History::default();
            let bench = Bench { signers, history: &history, table: None, now_s: NOW_S };
            prop_assert!(judge(bundle, &bench).is_err(), "{:?}", envelope.statement);
            Ok(())
        })?;
    }
}

impl Office {
    /// What somebody finds signed who has nothing but its authorities.
    fn signed(&self, bundle: &Bundle) -> Result<Vec<String>, Refusal> {
        use rustls_pki_types::pem::PemObject as _;
        let authorities = rustls_pki_types::CertificateDer::pem_file_iter(self.folder.path().join("pki/ca.pem"));
        let authorities: Vec<Vec<u8>> = authorities.unwrap().map(|der| der.unwrap().to_vec()).collect();
        let signers = tls::signers_of(&authorities).unwrap();
        let signed = signed(bundle, &bundle.compile().unwrap(), &signers);
        let (_, signers) = signed.map_err(|refused| refused.refusal)?;
        Ok(signers
            .into_iter()
            .map(|signer| signer.role.name().to_owned())
            .collect())
    }
}

#[test]
fn who_has_the_authorities_alone_sees_which_officers_signed_these_very_files() {
    let (office, stranger) = (Office::new(), Office::new());
    let [sun, qian] = office.both();
    let envelope = enveloped(statement(1), &[&sun, &qian]);
    let names = ["policy-officer", "security-officer"].map(str::to_owned);
    assert_eq!(office.signed(&with(&envelope)), Ok(names.to_vec()));
    assert_eq!(stranger.signed(&with(&envelope)), Err(Refusal::UnknownIssuer));
    // What does not hold is told also where nobody knows whose it is.
    let mut other = enveloped(statement(2), &[&sun, &qian]);
    other.statement = statement(1);
    assert_eq!(stranger.signed(&with(&other)), Err(Refusal::BundleSigner));
    let alone = enveloped(statement(1), &[&sun]);
    assert_eq!(office.signed(&with(&alone)), Err(Refusal::BundleQuorum));
    let unsigned = Bundle::of(texts(), None).unwrap();
    assert_eq!(office.signed(&unsigned), Err(Refusal::BundleUnsigned));
    // What a person reads and the table does not have.
    let mut edited = texts();
    edited.first_mut().unwrap().1.push_str("# another document\n");
    let edited = Bundle::of(edited, Some(envelope.text())).unwrap();
    assert_eq!(office.signed(&edited), Err(Refusal::BundleTampered));
}
