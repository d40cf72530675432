//! Message certificates: which are taken, and that a folder with one that is not is refused as a whole.

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tempfile::TempDir;

use crate::pki::authority::{Authority, Tier};
use crate::pki::deviation::{self, Deviation, Signer};
use crate::pki::{Subject, profile};
use crate::signature::directory::{DOCUMENT_SIGNING_OID, MessageKeys};

const NOW_US: i64 = 1_795_424_400_000_000;
const SPIFFE: &str = "spiffe://lyg.example/agency/health/city";

struct Room {
    folder: TempDir,
    authority: Authority,
}

impl Room {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::create(folder.path(), profile::EXAMPLE, None, NOW_US).unwrap();
        Self { folder, authority }
    }

    /// The keys of a folder with one such certificate.
    fn with(&self, deviation: &Deviation, stranger: bool) -> Result<MessageKeys, String> {
        let subject = Subject {
            id: "health-city".into(),
            zh: "某".into(),
            spiffe: SPIFFE.into(),
        };
        let other = deviation::unknown_authority("other", NOW_US).unwrap();
        let signer = if stranger {
            Signer::Minted(&other)
        } else {
            Signer::Tier(&self.authority, Tier::Issuing)
        };
        let minted = deviation::mint(&signer, &subject, deviation, NOW_US).unwrap();
        let place = TempDir::new_in(self.folder.path()).unwrap();
        std::fs::write(place.path().join("one.pem"), minted.chain_pem).unwrap();
        std::fs::write(place.path().join("note.txt"), "not looked at").unwrap();
        let ca = self.folder.path().join("pki/ca.pem");
        let authorities: Vec<CertificateDer<'_>> =
            CertificateDer::pem_file_iter(ca).unwrap().map(Result::unwrap).collect();
        MessageKeys::load(place.path(), &authorities).map_err(|faults| {
            assert_eq!(faults.len(), 1);
            faults[0].what.clone()
        })
    }
}

fn message() -> Deviation {
    Deviation::with_extended(vec![ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING_OID.to_vec())])
}

#[test]
fn a_message_certificate_of_ours_is_taken_and_one_that_is_over_stays_known() {
    let room = Room::new();
    let over = Deviation {
        starts_days: -30,
        ends_days: -1,
        ..message()
    };
    for (deviation, ends_s) in [(message(), 30 * 86_400), (over, -86_400)] {
        let keys = room.with(&deviation, false).unwrap();
        let id = keys.ids().next().unwrap().to_owned();
        let [holder] = keys.holders(&id) else {
            unreachable!("one certificate");
        };
        assert_eq!((holder.spiffe.as_str(), holder.key.id()), (SPIFFE, id.as_str()));
        assert_eq!(holder.not_after_s, NOW_US / 1_000_000 + ends_s);
        assert!(keys.holders("sha256:00").is_empty());
    }
}

#[test]
fn every_other_certificate_keeps_the_folder_from_being_taken() {
    let room = Room::new();
    let signs = || ExtendedKeyUsagePurpose::Other(DOCUMENT_SIGNING_OID.to_vec());
    let with = |usages| Deviation::with_extended(usages);
    let usages = |usages| Deviation {
        key_usages: usages,
        ..message()
    };
    let uris = |uris: &[&str]| Deviation {
        uris: Some(uris.iter().map(|uri| (*uri).to_owned()).collect()),
        ..message()
    };
    let named = Deviation {
        dns: vec!["a.example".into()],
        ..message()
    };
    let long = Deviation {
        ends_days: 826,
        ..message()
    };
    let authority = Deviation {
        extended_key_usages: vec![signs()],
        ..Deviation::authority_as_leaf()
    };
    let tls = ExtendedKeyUsagePurpose::ClientAuth;
    for (what, deviation, told) in [
        ("a TLS certificate", with(vec![tls.clone()]), "documentSigning"),
        ("both", with(vec![signs(), tls]), "documentSigning"),
        (
            "for servers too",
            with(vec![signs(), ExtendedKeyUsagePurpose::ServerAuth]),
            "documentSigning",
        ),
        ("any", with(vec![ExtendedKeyUsagePurpose::Any]), "documentSigning"),
        ("none", with(Vec::new()), "documentSigning"),
        (
            "no digitalSignature",
            usages(vec![KeyUsagePurpose::KeyAgreement]),
            "may not sign",
        ),
        (
            "two names",
            uris(&[SPIFFE, "spiffe://lyg.example/agency/tax/city"]),
            "exactly one name",
        ),
        ("no name", uris(&[]), "exactly one name"),
        ("a host name besides", named, "exactly one name"),
        ("too long a life", long, "825 days"),
        ("an authority", authority, "may not sign"),
    ] {
        let refused = room.with(&deviation, false).unwrap_err();
        assert!(refused.contains(told), "{what}: {refused}");
    }
    let refused = room.with(&message(), true).unwrap_err();
    assert!(refused.contains("authorities"), "{refused}");
}

#[test]
fn a_folder_that_is_not_there_holds_nobody() {
    let keys = MessageKeys::load(std::path::Path::new("/nowhere/message"), &[]).unwrap();
    assert!(keys.is_empty());
}
