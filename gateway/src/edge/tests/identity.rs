//! Who gets in, and what is recorded of who does not.

use std::sync::Arc;

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use rustls::HandshakeKind;

use super::*;
use crate::pki::authority::Which;
use crate::pki::crl::Reason;
use crate::pki::deviation::unknown_authority;
use crate::pki::request::{self, Applicant, Csr};

const PROTOCOLS: [&str; 2] = ["h2", "http/1.1"];

/// A certificate that stands in the register, so that it can be revoked; in the form of [`Minted`].
fn issued(city: &City) -> Minted {
    let applicant = Applicant {
        id: "health-city",
        organization: None,
        spiffe: None,
    };
    let files = request::create(&city.folder.path().join("at-the-partner"), applicant).unwrap();
    let csr = Csr::parse_pem(&std::fs::read_to_string(files.csr).unwrap()).unwrap();
    let issued = city.authority.issue(&csr, &health(), 300, city.now_us).unwrap();
    Minted {
        certificate_pem: issued.chain_pem.clone(),
        chain_pem: issued.chain_pem,
        key_pem: std::fs::read_to_string(files.key).unwrap(),
        serial: issued.serial,
        sha256: String::new(),
    }
}

fn revoke(city: &City, who: &Minted) {
    let which = Which::Serial(who.serial.clone());
    city.authority
        .revoke(&which, Reason::KeyCompromise, city.now_us)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_is_known_on_both_protocols() {
    let city = City::new();
    let mut gateway = Gateway::feed(&city).await;
    for alpn in PROTOCOLS {
        let answer = gateway.ask(&city, Some(&city.partner()), alpn, "/who").await;
        assert_eq!(answer.as_deref(), Ok("peer health-city"), "{alpn}");
    }
    assert!(gateway.refusals.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_handshake_tells_the_client_and_is_counted_by_its_reason() {
    let city = City::new();
    let stranger = unknown_authority("somewhere else", city.now_us).unwrap();
    let foreign = mint(
        &Signer::Minted(&stranger),
        &health(),
        &Deviation::default(),
        city.now_us,
    )
    .unwrap();
    let leaf_as_issuer = mint(
        &Signer::Minted(&city.partner()),
        &health(),
        &Deviation::default(),
        city.now_us,
    )
    .unwrap();
    let sub_authority = city.mint(&health(), &Deviation::authority_as_leaf());
    let below = mint(
        &Signer::Minted(&sub_authority),
        &health(),
        &Deviation::default(),
        city.now_us,
    )
    .unwrap();
    let server_only = Deviation::with_extended(vec![ExtendedKeyUsagePurpose::ServerAuth]);
    let revoked = issued(&city);
    revoke(&city, &revoked);
    let cases = [
        (None, Refusal::NoCertificate, "CertificateRequired"),
        (Some(foreign), Refusal::UnknownIssuer, "UnknownCA"),
        (Some(leaf_as_issuer), Refusal::CertificateProfile, ""),
        // A sub-authority has no list here, so what it issued cannot be told from what was revoked.
        (Some(below), Refusal::UnknownIssuer, "UnknownCA"),
        (
            Some(city.mint(&health(), &Deviation::expired())),
            Refusal::CertificateExpired,
            "CertificateExpired",
        ),
        (
            Some(city.mint(&health(), &Deviation::not_yet_valid())),
            Refusal::CertificateExpired,
            "CertificateExpired",
        ),
        (Some(revoked), Refusal::CertificateRevoked, "CertificateRevoked"),
        (
            Some(city.mint(&health(), &server_only)),
            Refusal::CertificateProfile,
            "",
        ),
    ];
    let mut gateway = Gateway::feed(&city).await;
    for (who, refusal, alert) in cases {
        for alpn in PROTOCOLS {
            let error = gateway.ask(&city, who.as_ref(), alpn, "/who").await.unwrap_err();
            assert!(error.contains(alert), "{refusal:?} {alpn}: {error}");
            assert_eq!(gateway.refusal().await, refusal);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_list_lets_nobody_in() {
    let city = City::founded(40);
    let mut gateway = Gateway::feed(&city).await;
    gateway
        .ask(&city, Some(&city.partner()), "h2", "/who")
        .await
        .unwrap_err();
    assert_eq!(gateway.refusal().await, Refusal::RevocationListExpired);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_outside_the_profile_is_served_its_refusal_only() {
    let city = City::new();
    let gateway = Gateway::feed(&city).await;
    let ours = "spiffe://lyg.example/agency/health/city";
    let profile = "refused certificate-profile";
    let cases = [
        (Deviation::with_extended(vec![]), profile),
        (
            Deviation::with_extended(vec![
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::CodeSigning,
            ]),
            profile,
        ),
        (Deviation::with_usages(vec![KeyUsagePurpose::KeyEncipherment]), profile),
        (Deviation::with_usages(vec![]), profile),
        (Deviation::with_uris(&[]), profile),
        (
            Deviation::with_uris(&[ours, "spiffe://lyg.example/agency/tax/city"]),
            profile,
        ),
        (Deviation::with_uris(&["spiffe://lyg.example/agency/*/city"]), profile),
        (
            Deviation::with_uris(&["spiffe://LYG.example/agency/health/city"]),
            profile,
        ),
        (
            Deviation::with_uris(&["spiffe://other.example/agency/health/city"]),
            profile,
        ),
        (Deviation::long_lived(), profile),
        (
            Deviation::with_uris(&["spiffe://lyg.example/agency/health/nobody"]),
            "refused unknown-partner",
        ),
        (
            Deviation::with_uris(&["spiffe://lyg.example/officer/auditor/city/li"]),
            "refused wrong-role",
        ),
        (
            Deviation::with_extended(vec![
                ExtendedKeyUsagePurpose::ClientAuth,
                ExtendedKeyUsagePurpose::ServerAuth,
            ]),
            "peer health-city",
        ),
    ];
    for (deviation, expected) in cases {
        let who = city.mint(&health(), &deviation);
        for alpn in PROTOCOLS {
            let answer = gateway.ask(&city, Some(&who), alpn, "/who").await;
            assert_eq!(answer.as_deref(), Ok(expected), "{alpn} {deviation:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_console_knows_officers_and_helps_who_has_no_certificate() {
    let city = City::new();
    let mut gateway = Gateway::console(&city).await;
    let officer = city.mint(&subject("auditor-li", "officer/auditor/city/li"), &Deviation::default());
    let ask = async |who: Option<&Minted>| gateway.ask(&city, who, "h2", "/who").await;
    assert_eq!(ask(Some(&officer)).await.as_deref(), Ok("peer auditor-li"));
    assert_eq!(ask(Some(&city.partner())).await.as_deref(), Ok("refused wrong-role"));
    assert_eq!(ask(None).await.as_deref(), Ok("anonymous"));
    let expired = city.mint(&subject("auditor-li", "officer/auditor/city/li"), &Deviation::expired());
    ask(Some(&expired)).await.unwrap_err();
    assert_eq!(gateway.refusal().await, Refusal::CertificateExpired);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_can_be_resumed() {
    let city = City::new();
    let gateway = Gateway::feed(&city).await;
    let config = client(&city, Some(&city.partner()), "http/1.1");
    for _ in 0..3 {
        let stream = gateway.connect(&config).await.unwrap();
        assert_eq!(stream.get_ref().1.handshake_kind(), Some(HandshakeKind::Full));
        assert_eq!(stream.get_ref().1.tls13_tickets_received(), 0);
        let mut session = Session::open(stream, "http/1.1").await.unwrap();
        session.get("/who").await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_connection_is_judged_by_the_list_of_the_moment() {
    for alpn in PROTOCOLS {
        let city = City::new();
        let who = issued(&city);
        let gateway = Gateway::feed(&city).await;
        let stream = gateway.connect(&client(&city, Some(&who), alpn)).await.unwrap();
        let mut session = Session::open(stream, alpn).await.unwrap();
        assert_eq!(session.get("/who").await.as_deref(), Ok("peer health-city"), "{alpn}");
        revoke(&city, &who);
        gateway.revoked.store(city.material().revoked);
        let answer = session.get("/who").await;
        assert_eq!(answer.as_deref(), Ok("refused certificate-revoked"), "{alpn}");
        let ended = tokio::time::timeout(Duration::from_secs(3), session.connection.join_next());
        assert!(ended.await.is_ok(), "{alpn}: the connection stays open");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_connection_ends_with_its_certificate_and_with_the_list_that_it_is_judged_by() {
    for alpn in PROTOCOLS {
        let city = City::new();
        // It outlives the lists.
        let who = issued(&city);
        let gateway = Gateway::feed(&city).await;
        let list_ends_s = gateway.revoked.load().next_update_s().unwrap();
        let now_s = city.now_us / 1_000_000;
        for (ahead_s, told) in [
            (list_ends_s - now_s - 60, "peer health-city"),
            (list_ends_s - now_s + 60, "refused crl-expired"),
            (1_000 * 86_400, "refused certificate-expired"),
        ] {
            gateway.ahead_us.store(0, Ordering::Relaxed);
            let stream = gateway.connect(&client(&city, Some(&who), alpn)).await.unwrap();
            let mut session = Session::open(stream, alpn).await.unwrap();
            assert_eq!(session.get("/who").await.as_deref(), Ok("peer health-city"), "{alpn}");
            gateway.ahead_us.store(ahead_s * 1_000_000, Ordering::Relaxed);
            assert_eq!(session.get("/who").await.as_deref(), Ok(told), "{alpn}");
            if told.starts_with("refused") {
                let ended = tokio::time::timeout(Duration::from_secs(3), session.connection.join_next());
                assert!(ended.await.is_ok(), "{alpn}: the connection stays open");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_under_way_is_judged_by_the_time_of_the_moment() {
    let city = City::new();
    let gateway = Gateway::feed(&city).await;
    let who = city.partner();
    let chain: Vec<_> = CertificateDer::pem_slice_iter(who.chain_pem.as_bytes())
        .map(Result::unwrap)
        .collect();
    let Caller::Peer(peer) = gateway.edge.gatekeeper().identify(&chain) else {
        panic!("a partner");
    };
    let gatekeeper = gateway.edge.gatekeeper();
    assert_eq!(gatekeeper.recheck(&peer), Ok(()));
    gateway.ahead_us.store(1_000 * DAY_US, Ordering::Relaxed);
    assert_eq!(gatekeeper.recheck(&peer), Err(Refusal::CertificateExpired));
    // Whoever has the table changed meanwhile is judged by the same end.
    let renamed = peer.with_partner(peer.partner().clone());
    assert_eq!(gatekeeper.recheck(&renamed), Err(Refusal::CertificateExpired));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_connection_is_judged_by_the_partner_table_of_the_moment() {
    let city = City::new();
    let gateway = Gateway::feed(&city).await;
    let stream = gateway
        .connect(&client(&city, Some(&city.partner()), "h2"))
        .await
        .unwrap();
    let mut session = Session::open(stream, "h2").await.unwrap();
    assert_eq!(session.get("/who").await.as_deref(), Ok("peer health-city"));
    let renamed = PARTNERS.replace("\"health-city\"", "\"health-renamed\"");
    gateway.policies.store(Arc::new(policies(&renamed)));
    assert_eq!(session.get("/who").await.as_deref(), Ok("peer health-renamed"));
    let gone = PARTNERS.replace("agency/health/city", "agency/health/ganyu");
    gateway.policies.store(Arc::new(policies(&gone)));
    assert_eq!(session.get("/who").await.as_deref(), Ok("refused unknown-partner"));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_parameters_hold_from_the_next_connection_on() {
    let city = City::new();
    let who = issued(&city);
    let mut gateway = Gateway::feed(&city).await;
    assert!(gateway.ask(&city, Some(&who), "h2", "/who").await.is_ok());
    revoke(&city, &who);
    let material = tls::reload(&city.settings(), &gateway.revoked.load()).unwrap();
    gateway.revoked.store(material.revoked);
    gateway.edge.tls.store(material.feed);
    gateway.ask(&city, Some(&who), "h2", "/who").await.unwrap_err();
    assert_eq!(gateway.refusal().await, Refusal::CertificateRevoked);
}

/// A client hello of TLS 1.2 (RFC 5246, 7.4.1.2) with ECDHE and AES-128-GCM, written by hand: our TLS library cannot speak it.
fn hello_of_tls_1_2() -> Vec<u8> {
    let extensions = b"\0\x0a\0\x04\0\x02\0\x17\0\x0b\0\x02\x01\0\0\x0d\0\x04\0\x02\x04\x03";
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend(b"\0\0\x02\xc0\x2b\x01\0");
    body.extend(u16::try_from(extensions.len()).unwrap().to_be_bytes());
    body.extend(extensions);
    let length = u16::try_from(body.len()).unwrap();
    let mut hello = vec![0x16, 3, 1];
    hello.extend((length + 4).to_be_bytes());
    hello.extend([1, 0]);
    hello.extend(length.to_be_bytes());
    hello.extend(body);
    hello
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_speaks_tls_1_2_or_no_tls_is_told_and_refused() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let city = City::new();
    let mut gateway = Gateway::feed(&city).await;
    let plain = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
    for (hello, alert) in [(hello_of_tls_1_2(), Some(70)), (plain, None)] {
        let mut tcp = TcpStream::connect(gateway.address).await.unwrap();
        tcp.write_all(&hello).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(3), tcp.read_to_end(&mut answer));
        assert!(read.await.is_ok(), "the connection stays open");
        assert_eq!(gateway.refusal().await, Refusal::HandshakeFailed);
        if alert.is_some() {
            assert_eq!(answer.last().copied(), alert, "protocol_version");
        }
    }
}
