//! Revocation lists: entries, numbers, lifetimes.

use super::*;

#[test]
fn a_revocation_shows_in_the_list_and_its_number_grows() {
    let room = Room::new();
    let list = room.path("pki/issuing.crl.pem");
    let first = crl::read(&list).unwrap();
    assert_eq!((first.number, first.revoked.len()), (1, 0));
    assert_eq!(first.next_update, "2026-03-02T00:00:00Z");
    let issued = room.issue(&health(), NOW_US);
    let later = NOW_US + DAY_US;
    let colons = issued
        .serial
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).unwrap().to_uppercase());
    let spelled = Which::Serial(colons.collect::<Vec<_>>().join(":"));
    room.authority.revoke(&spelled, Reason::KeyCompromise, later).unwrap();
    let second = crl::read(&list).unwrap();
    assert_eq!((second.number, second.revoked.len()), (2, 1));
    assert_eq!(second.revoked[0].serial, issued.serial);
    assert_eq!(second.revoked[0].at, "2026-02-01T00:00:00Z");
    assert_eq!(second.revoked[0].reason, "KeyCompromise");
    // Again: no error, one entry, the first reason and time stay.
    room.authority
        .revoke(&spelled, Reason::Superseded, later + DAY_US)
        .unwrap();
    let third = crl::read(&list).unwrap();
    assert_eq!((third.number, &third.revoked), (3, &second.revoked));
    assert_eq!(crl::read(&room.path("pki/root.crl.pem")).unwrap().number, 1);
    let nobody = room
        .authority
        .revoke(&Which::Serial("00ff".to_owned()), Reason::Unspecified, later);
    assert!(matches!(nobody, Err(PkiFault::NotIssued(_))));
}

#[test]
fn the_number_grows_even_when_list_or_register_was_lost() {
    let room = Room::new();
    room.authority.crl(Tier::Issuing, NOW_US).unwrap();
    fs::remove_file(room.path("pki/issuing.crl.pem")).unwrap();
    assert_eq!(room.authority.crl(Tier::Issuing, NOW_US).unwrap(), 3);
    fs::remove_file(room.path("pki/issued.ndjson")).unwrap();
    assert_eq!(room.authority.crl(Tier::Issuing, NOW_US).unwrap(), 4);
}

#[test]
fn a_revoked_certificate_leaves_the_list_only_after_one_that_follows_its_end() {
    let room = Room::new();
    let issued = room.authority.issue(&room.csr("a"), &health(), 10, NOW_US).unwrap();
    room.authority
        .revoke(&Which::Serial(issued.serial), Reason::Superseded, NOW_US)
        .unwrap();
    let listed = |days: i64| {
        room.authority.crl(Tier::Issuing, NOW_US + days * DAY_US).unwrap();
        crl::read(&room.path("pki/issuing.crl.pem")).unwrap().revoked.len()
    };
    assert_eq!([listed(9), listed(11), listed(39), listed(41)], [1, 1, 1, 0]);
}

#[test]
fn a_list_of_an_absent_root_key_is_a_fault_and_the_old_list_stays() {
    let room = Room::new();
    let before = fs::read(room.path("pki/root.crl.pem")).unwrap();
    fs::rename(room.path("keys/root.key"), room.path("safe.key")).unwrap();
    assert!(matches!(
        room.authority.crl(Tier::Root, NOW_US),
        Err(PkiFault::File { .. })
    ));
    assert_eq!(fs::read(room.path("pki/root.crl.pem")).unwrap(), before);
    // Partners can be certified without it.
    room.issue(&health(), NOW_US);
}

#[test]
fn a_revocation_that_stopped_before_its_list_is_completed_by_repeating_it() {
    let room = Room::new();
    let issued = room.issue(&health(), NOW_US);
    let list = room.path("pki/issuing.crl.pem");
    let before = fs::read(&list).unwrap();
    let which = Which::Partner("health-city".to_owned());
    room.authority.revoke(&which, Reason::KeyCompromise, NOW_US).unwrap();
    fs::write(&list, before).unwrap();
    let rows = room.authority.revoke(&which, Reason::KeyCompromise, NOW_US).unwrap();
    assert_eq!(rows.len(), 1);
    let after = crl::read(&list).unwrap();
    assert_eq!(
        (after.number, after.revoked[0].serial.as_str()),
        (3, issued.serial.as_str())
    );
}

#[test]
fn the_tls_library_takes_the_lists_and_refuses_revoked_and_outdated() {
    use std::sync::Arc;
    use std::time::Duration;

    use rustls::server::WebPkiClientVerifier;
    use rustls_pki_types::pem::PemObject;
    use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};

    let room = Room::new();
    let issued = room.issue(&health(), NOW_US);
    let judge = |days: i64| {
        let mut roots = rustls::RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(room.path("pki/root.pem")).unwrap())
            .unwrap();
        let lists = ["root", "issuing"].map(|tier| {
            CertificateRevocationListDer::from_pem_file(room.path(&format!("pki/{tier}.crl.pem"))).unwrap()
        });
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .with_crls(lists)
            .enforce_revocation_expiration()
            .build()
            .unwrap();
        let chain: Vec<_> = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes())
            .map(Result::unwrap)
            .collect();
        let seconds = u64::try_from((NOW_US + days * DAY_US) / 1_000_000).unwrap();
        let now = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        verifier
            .verify_client_cert(&chain[0], &chain[1..], now)
            .map(|_| ())
            .map_err(|error| format!("{error:?}"))
    };
    assert_eq!(judge(29), Ok(()));
    assert!(judge(31).unwrap_err().contains("ExpiredRevocationList"));
    room.authority
        .revoke(&Which::Serial(issued.serial.clone()), Reason::KeyCompromise, NOW_US)
        .unwrap();
    assert!(judge(1).unwrap_err().contains("Revoked"));
}
