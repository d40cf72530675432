//! Certificates: what they say, who accepts them, what deviates.

use super::*;

#[test]
fn a_partner_certificate_follows_the_profile_and_not_the_request() {
    let room = Room::new();
    let issued = room.issue(&health(), NOW_US);
    let seen = view(&room, &issued.chain_pem);
    assert_eq!(seen.names, ["URI:spiffe://lyg.example/agency/health/city"]);
    assert_eq!(seen.extended_key_usage, ["clientAuth"]);
    assert_eq!(seen.key_usage, ["Digital Signature"]);
    assert_eq!((seen.key.as_str(), seen.is_ca), ("P-256", false));
    assert_eq!(seen.not_before, "2026-01-30T23:55:00Z");
    assert_eq!(seen.not_after, "2027-01-30T23:55:00Z");
    assert_eq!(seen.serial, issued.serial);
    assert_eq!(issued.serial.len(), 32);
    assert_eq!(seen.sha256, issued.sha256);
    assert!(seen.subject.contains("市卫生和计划生育委员会") && seen.subject.contains("health-city"));
    assert_eq!(seen.deviations, Vec::<String>::new());
    assert_eq!(issued.chain_pem.matches("BEGIN CERTIFICATE").count(), 2);
}

#[test]
fn the_issuing_authority_cannot_make_authorities_and_the_server_is_named() {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let room = Room::new();
    for (file, length) in [("pki/root.pem", 1), ("pki/issuing.pem", 0)] {
        let path = room.path(file);
        let der = crate::pki::authority::certificate_der(&path, &fs::read_to_string(&path).unwrap()).unwrap();
        let (_, parsed) = X509Certificate::from_der(&der).unwrap();
        let constraints = parsed.basic_constraints().unwrap().unwrap();
        assert!(constraints.critical && constraints.value.ca);
        assert_eq!(constraints.value.path_len_constraint, Some(length));
        let usage = parsed.key_usage().unwrap().unwrap().value;
        assert!(usage.key_cert_sign() && usage.crl_sign() && !usage.digital_signature());
    }
    let server = view(&room, &fs::read_to_string(room.path("pki/server.pem")).unwrap());
    let names = ["IP:10.1.2.3", "DNS:gw1.lyg.example", "DNS:localhost", "IP:127.0.0.1"];
    assert_eq!(server.names, names);
    assert_eq!(server.extended_key_usage, ["serverAuth"]);
}

#[test]
fn openssl_accepts_what_is_valid_and_refuses_what_is_revoked() {
    let Some(now_us) = with_openssl() else { return };
    let room = Room::at(now_us);
    let issued = room.issue(&health(), now_us);
    let path = room.path(&format!("pki/issued/{}.pem", issued.serial));
    assert_eq!(room.verify(&path), Ok(()));
    assert_eq!(room.verify(&room.path("pki/server.pem")), Ok(()));
    room.authority
        .revoke(&Which::Partner("health-city".to_owned()), Reason::KeyCompromise, now_us)
        .unwrap();
    assert!(room.verify(&path).unwrap_err().contains("certificate revoked"));
    assert_eq!(room.verify(&room.path("pki/server.pem")), Ok(()));
}

#[test]
fn openssl_refuses_an_unknown_authority_and_a_leaf_that_signs() {
    let Some(now_us) = with_openssl() else { return };
    let room = Room::at(now_us);
    let stranger = deviation::unknown_authority("stranger", now_us).unwrap();
    let minted = deviation::mint(&Signer::Minted(&stranger), &health(), &Deviation::default(), now_us).unwrap();
    let path = room.path("minted.pem");
    fs::write(&path, &minted.certificate_pem).unwrap();
    assert!(
        room.verify(&path)
            .unwrap_err()
            .contains("unable to get local issuer certificate")
    );
    // The issuing authority has path length 0: an authority under it is void.
    let below = Deviation {
        key_usages: vec![KeyUsagePurpose::KeyCertSign],
        ..Deviation::authority_as_leaf()
    };
    let sub = deviation::mint(&Signer::Tier(&room.authority, Tier::Issuing), &health(), &below, now_us).unwrap();
    let leaf = deviation::mint(&Signer::Minted(&sub), &health(), &Deviation::default(), now_us).unwrap();
    fs::write(&path, &leaf.certificate_pem).unwrap();
    fs::write(room.path("pki/issuing.pem"), &sub.chain_pem).unwrap();
    assert!(
        room.verify(&path)
            .unwrap_err()
            .contains("path length constraint exceeded")
    );
}

#[test]
fn renewal_keeps_the_key_and_both_are_valid_together() {
    let Some(now_us) = with_openssl() else { return };
    let room = Room::at(now_us);
    let old = room.issue(&health(), now_us);
    let new = room.authority.renew(&health(), 365, now_us).unwrap();
    assert_ne!(old.serial, new.serial);
    let key = |serial: &str| {
        let path = room.path(&format!("pki/issued/{serial}.pem"));
        assert_eq!(room.verify(&path), Ok(()));
        openssl(&["x509", "-in", path.to_str().unwrap(), "-noout", "-pubkey"]).stdout
    };
    assert_eq!(key(&old.serial), key(&new.serial));
    assert!(matches!(
        room.authority.renew(&auditor(), 365, now_us),
        Err(PkiFault::NotIssued(_))
    ));
    room.authority
        .revoke(&Which::Partner("health-city".to_owned()), Reason::Superseded, now_us)
        .unwrap();
    assert!(matches!(
        room.authority.renew(&health(), 365, now_us),
        Err(PkiFault::NotIssued(_))
    ));
}

#[test]
fn the_renewed_server_keeps_key_and_names() {
    let room = Room::new();
    let read = || view(&room, &fs::read_to_string(room.path("pki/server.pem")).unwrap());
    let old = read();
    room.authority.renew_server(NOW_US + 300 * DAY_US).unwrap();
    let new = read();
    assert_eq!(
        (&old.names, &old.subject, &old.key),
        (&new.names, &new.subject, &new.key)
    );
    assert!(new.not_after > old.not_after && new.serial != old.serial);
}

#[test]
fn ids_that_could_mislead_are_not_certified() {
    let room = Room::new();
    let csr = room.csr("a");
    let with = |id: &str, spiffe: &str| Subject {
        id: id.to_owned(),
        zh: String::new(),
        spiffe: spiffe.to_owned(),
    };
    let good = "spiffe://lyg.example/agency/health/city";
    for subject in [
        with("../etc", good),
        with("_revoked", good),
        with("", good),
        with("a", "SPIFFE://lyg.example/a"),
        with("a", "spiffe://LYG.example/a"),
        with("a", "spiffe://lyg.example./a"),
        with("a", "spiffe://lyg.example:443/a"),
        with("a", "spiffe://lyg.example"),
        with("a", "spiffe://lyg.example/"),
        with("a", "spiffe://lyg.example/a//b"),
        with("a", "spiffe://lyg.example/a/../b"),
        with("a", "spiffe://lyg.example/a%2fb"),
        with("a", "spiffe://lyg.example/*"),
        with("a", "spiffe://lyg.example/a\0"),
        with("a", "spiffe://lyg.example/a?x"),
        with("a", "https://lyg.example/a"),
    ] {
        let refused = room.authority.issue(&csr, &subject, 365, NOW_US);
        assert!(matches!(refused, Err(PkiFault::BadSubject { .. })), "{subject:?}");
    }
    assert_eq!(room.authority.register().rows().unwrap().len(), 3);
}

#[test]
fn inspection_names_each_deviation() {
    let room = Room::new();
    let mint = |deviation: &Deviation| -> Minted {
        deviation::mint(
            &Signer::Tier(&room.authority, Tier::Issuing),
            &health(),
            deviation,
            NOW_US,
        )
        .unwrap()
    };
    let spiffe = "spiffe://lyg.example/agency/health/city";
    for (deviation, expected) in [
        (Deviation::default(), ""),
        (Deviation::expired(), "expired"),
        (Deviation::not_yet_valid(), "not valid yet"),
        (Deviation::long_lived(), "longer than 825 days"),
        (Deviation::with_uris(&[]), "0 URI names"),
        (
            Deviation::with_uris(&[spiffe, "spiffe://lyg.example/registry/x"]),
            "2 URI names",
        ),
        (Deviation::with_uris(&["https://lyg.example/"]), "not a SPIFFE id"),
        (Deviation::with_extended(vec![]), "clientAuth is missing"),
        (
            Deviation::with_extended(vec![ExtendedKeyUsagePurpose::CodeSigning]),
            "clientAuth is missing",
        ),
        (
            Deviation::with_extended(vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::Any]),
            "beside clientAuth",
        ),
        (
            Deviation::with_usages(vec![KeyUsagePurpose::KeyEncipherment]),
            "digitalSignature is missing",
        ),
        (
            Deviation::with_usages(vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign]),
            "may sign",
        ),
    ] {
        let seen = view(&room, &mint(&deviation).certificate_pem);
        assert_eq!(
            seen.deviations.iter().any(|what| what.contains(expected)),
            !expected.is_empty(),
            "{seen:?}"
        );
    }
    assert!(view(&room, &mint(&Deviation::authority_as_leaf()).certificate_pem).is_ca);
}

#[test]
fn a_profile_with_a_fault_is_refused_with_its_reason() {
    for (from, to, reason) in [
        ("days = 365\n", "days = 826\n", "825"),
        ("days = 365\n", "days = 0\n", "is 0"),
        ("country = \"CN\"", "country = \"cn\"", "country"),
        ("days = 3650", "days = 9000", "issuing.days"),
        ("[crl]", "[crl]\nhours = 3", "hours"),
        (
            "names = [\"gw1.lyg.example\", \"localhost\", \"127.0.0.1\"]",
            "names = []",
            "server.names",
        ),
    ] {
        let text = profile::EXAMPLE.replacen(from, to, 1);
        assert_ne!(text, profile::EXAMPLE, "{from}");
        let PkiFault::Profile(why) = Profile::parse(&text).unwrap_err() else {
            panic!("{to}")
        };
        assert!(why.contains(reason), "{to}: {why}");
    }
}

#[test]
fn the_commands_of_the_readme_make_what_it_says() {
    let Some(now_us) = with_openssl() else { return };
    let readme = include_str!("../../../../certs-example/README.md");
    let blocks = readme
        .split("```sh\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap());
    let script = format!("set -eu\n{}", blocks.collect::<String>());
    let folder = TempDir::new().unwrap();
    let run = Command::new("sh")
        .arg("-c")
        .arg(script)
        .current_dir(folder.path())
        .output()
        .unwrap();
    let (out, err) = (
        String::from_utf8_lossy(&run.stdout),
        String::from_utf8_lossy(&run.stderr),
    );
    assert!(run.status.success(), "{err}");
    assert!(
        out.contains("kit/client.leaf.pem: OK") && out.contains("server.leaf.pem: OK"),
        "{out}{err}"
    );
    assert!(err.contains("certificate revoked"), "{err}");
    let seen = inspect::read(&folder.path().join("kit/client.pem"), now_us + DAY_US).unwrap();
    assert_eq!(seen[0].names, ["URI:spiffe://lyg.example/agency/health/city"]);
    assert_eq!(seen[0].deviations, Vec::<String>::new());
    assert_eq!((seen.len(), seen[1].is_ca), (2, true));
    let seen = inspect::read(&folder.path().join("kit/message.pem"), now_us + DAY_US).unwrap();
    assert_eq!(seen[0].deviations, Vec::<String>::new());
    let list = crl::read(&folder.path().join("issuing.crl.pem")).unwrap();
    assert_eq!((list.number, list.revoked.len()), (2, 1));
}

#[test]
fn nothing_outlives_its_issuer() {
    let room = Room::new();
    let late = NOW_US + 3_600 * DAY_US;
    let issued = room.authority.issue(&room.csr("a"), &health(), 365, late).unwrap();
    let issuing = view(&room, &fs::read_to_string(room.path("pki/issuing.pem")).unwrap());
    assert_eq!(issued.not_after, issuing.not_after);
    let after = NOW_US + 3_651 * DAY_US;
    let refused = room.authority.issue(&room.csr("b"), &health(), 365, after);
    assert!(matches!(refused, Err(PkiFault::BadFile { .. })), "{refused:?}");
}
