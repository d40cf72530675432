//! What is issued, read back by a parser and by OpenSSL that did not write it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use tempfile::TempDir;

use super::authority::{Authority, Issued, Tier, Which};
use super::crl::{self, Reason};
use super::deviation::{self, Deviation, Minted, Signer};
use super::init::{InitOptions, Made, init};
use super::kit::{Addresses, Sample};
use super::p12::{self, Cipher};
use super::profile::{self, Profile};
use super::request::{self, Applicant, Csr};
use super::{DAY_US, PkiFault, Subject, acts, inspect, keyfile, register};

/// 2026-01-31T00:00:00Z.
const NOW_US: i64 = 1_769_817_600_000_000;

/// A folder with an authority made at [`NOW_US`].
struct Room {
    folder: TempDir,
    authority: Authority,
}

impl Room {
    fn new() -> Self {
        Self::at(NOW_US)
    }

    fn at(now_us: i64) -> Self {
        let folder = TempDir::new().unwrap();
        let authority = Authority::create(folder.path(), profile::EXAMPLE, Some("10.1.2.3"), now_us).unwrap();
        Self { folder, authority }
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.folder.path().join(relative)
    }

    fn csr(&self, name: &str) -> Csr {
        let applicant = Applicant {
            id: "somebody-else",
            organization: None,
            spiffe: Some("spiffe://lyg.example/registry/somebody-else"),
        };
        let files = request::create(&self.path(name), applicant).unwrap();
        Csr::parse_pem(&fs::read_to_string(files.csr).unwrap()).unwrap()
    }

    /// Issues for `subject`; the key is in the folder `subject.id`, the chain in `<id>.pem`.
    fn issue(&self, subject: &Subject, now_us: i64) -> Issued {
        let number = self.authority.register().rows().unwrap().len();
        let name = format!("{}-{number}", subject.id);
        let issued = self.authority.issue(&self.csr(&name), subject, 365, now_us).unwrap();
        fs::write(self.path(&name).join("client.pem"), &issued.chain_pem).unwrap();
        issued
    }

    fn verify(&self, certificate: &Path) -> Result<(), String> {
        let lists =
            ["pki/root.crl.pem", "pki/issuing.crl.pem"].map(|name| fs::read_to_string(self.path(name)).unwrap());
        fs::write(self.path("lists.pem"), lists.concat()).unwrap();
        let output = openssl(&[
            "verify",
            "-crl_check_all",
            "-x509_strict",
            "-CAfile",
            self.path("pki/root.pem").to_str().unwrap(),
            "-untrusted",
            self.path("pki/issuing.pem").to_str().unwrap(),
            "-CRLfile",
            self.path("lists.pem").to_str().unwrap(),
            certificate.to_str().unwrap(),
        ]);
        if output.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&output.stderr).into_owned())
        }
    }
}

fn health() -> Subject {
    Subject {
        id: "health-city".to_owned(),
        zh: "市卫生和计划生育委员会".to_owned(),
        spiffe: "spiffe://lyg.example/agency/health/city".to_owned(),
    }
}

fn auditor() -> Subject {
    Subject {
        id: "auditor".to_owned(),
        zh: "审计员".to_owned(),
        spiffe: "spiffe://lyg.example/officer/auditor/audit-office/a1".to_owned(),
    }
}

fn openssl(arguments: &[&str]) -> Output {
    Command::new("openssl").args(arguments).output().unwrap()
}

/// OpenSSL judges by the machine's clock, so what it judges is made at that time; without OpenSSL the test is skipped.
fn with_openssl() -> Option<i64> {
    Command::new("openssl").arg("version").output().ok()?;
    Some(crate::clock::Clock::system().now_us())
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn view(room: &Room, pem: &str) -> inspect::View {
    let path = room.path("view.pem");
    fs::write(&path, pem).unwrap();
    inspect::read(&path, NOW_US).unwrap().remove(0)
}

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
        let der = super::authority::certificate_der(&path, &fs::read_to_string(&path).unwrap()).unwrap();
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
fn keys_are_0400_in_0700_folders_and_never_overwritten() {
    let room = Room::new();
    assert_eq!(mode(&room.path("keys")), 0o700);
    for name in ["root", "issuing", "server"] {
        assert_eq!(mode(&room.path(&format!("keys/{name}.key"))), 0o400, "{name}");
    }
    let before = fs::read(room.path("keys/root.key")).unwrap();
    let again = Authority::create(room.folder.path(), profile::EXAMPLE, None, NOW_US);
    assert!(matches!(again, Err(PkiFault::Exists { .. })), "{again:?}");
    let over = keyfile::create_secret(&room.path("keys/root.key"), b"other");
    assert!(matches!(over, Err(PkiFault::Exists { .. })), "{over:?}");
    assert_eq!(fs::read(room.path("keys/root.key")).unwrap(), before);
}

#[test]
fn a_key_that_others_can_read_is_not_used() {
    let room = Room::new();
    let csr = room.csr("a");
    fs::set_permissions(room.path("keys/issuing.key"), fs::Permissions::from_mode(0o440)).unwrap();
    let refused = room.authority.issue(&csr, &health(), 365, NOW_US);
    assert!(
        matches!(refused, Err(PkiFault::Exposed { mode: 0o440, .. })),
        "{refused:?}"
    );
}

#[test]
fn a_request_keeps_its_key_at_home_and_is_made_once() {
    let room = Room::new();
    let applicant = Applicant {
        id: "health-city",
        organization: Some("市卫计委"),
        spiffe: None,
    };
    let files = request::create(&room.path("new"), applicant).unwrap();
    assert_eq!((mode(&room.path("new")), mode(&files.key)), (0o700, 0o400));
    assert!(!fs::read_to_string(&files.csr).unwrap().contains("PRIVATE"));
    fs::remove_file(&files.csr).unwrap();
    let key = fs::read(&files.key).unwrap();
    assert!(matches!(
        request::create(&room.path("new"), applicant),
        Err(PkiFault::Exists { .. })
    ));
    assert_eq!(fs::read(&files.key).unwrap(), key);
    assert!(!files.csr.exists());
}

#[test]
fn a_request_with_a_changed_byte_is_refused() {
    use base64::Engine;
    let room = Room::new();
    room.csr("a");
    let pem = fs::read_to_string(room.path("a/client.csr")).unwrap();
    let body: String = pem.lines().filter(|line| !line.starts_with('-')).collect();
    let der = base64::engine::general_purpose::STANDARD.decode(body).unwrap();
    // The signed part and the signature's value; the algorithm between them is not signed.
    let signed = {
        use x509_parser::prelude::FromDer;
        let (_, request) = x509_parser::certification_request::X509CertificationRequest::from_der(&der).unwrap();
        request.certification_request_info.raw.len() + 3
    };
    for place in (3..signed).chain(der.len() - 60..der.len()) {
        let mut changed = der.clone();
        changed[place] ^= 0x01;
        let body = base64::engine::general_purpose::STANDARD.encode(&changed);
        let pem = format!("-----BEGIN CERTIFICATE REQUEST-----\n{body}\n-----END CERTIFICATE REQUEST-----\n");
        assert!(
            matches!(Csr::parse_pem(&pem), Err(PkiFault::BadRequest(_))),
            "byte {place}"
        );
    }
    assert!(matches!(Csr::parse_pem("no request"), Err(PkiFault::BadRequest(_))));
}

#[test]
fn requests_of_other_tools_are_taken_by_the_kind_of_their_key() {
    if with_openssl().is_none() {
        return;
    }
    let room = Room::new();
    let make = |name: &str, key: &[&str]| {
        let (key_path, csr_path) = (room.path(&format!("{name}.key")), room.path(&format!("{name}.csr")));
        let out = ["-out", key_path.to_str().unwrap()];
        let made = openssl(&[&["genpkey", "-algorithm"], key, &out].concat());
        assert!(
            made.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&made.stderr)
        );
        // Extensions that a request should not need, as Java's keytool adds them.
        let arguments = [
            "req",
            "-new",
            "-subj",
            "/CN=x",
            "-addext",
            "subjectKeyIdentifier=hash",
            "-addext",
            "basicConstraints=CA:TRUE",
            "-key",
            key_path.to_str().unwrap(),
            "-out",
            csr_path.to_str().unwrap(),
        ];
        assert!(openssl(&arguments).status.success(), "{name}");
        Csr::parse_pem(&fs::read_to_string(csr_path).unwrap())
    };
    for (label, key) in [
        ("P-256", &["EC", "-pkeyopt", "ec_paramgen_curve:P-256"][..]),
        ("P-384", &["EC", "-pkeyopt", "ec_paramgen_curve:P-384"]),
        ("Ed25519", &["ED25519"]),
        ("RSA-2048", &["RSA", "-pkeyopt", "rsa_keygen_bits:2048"]),
    ] {
        let csr = make(label, key).unwrap();
        assert_eq!(csr.key_label(), label);
        let issued = room.authority.issue(&csr, &health(), 30, NOW_US).unwrap();
        let seen = view(&room, &issued.chain_pem);
        assert_eq!((seen.key.as_str(), seen.is_ca, seen.deviations), (label, false, vec![]));
    }
    for (label, key) in [
        ("P-521", &["EC", "-pkeyopt", "ec_paramgen_curve:P-521"][..]),
        ("RSA-1024", &["RSA", "-pkeyopt", "rsa_keygen_bits:1024"]),
    ] {
        assert!(matches!(make(label, key), Err(PkiFault::BadRequest(_))), "{label}");
    }
}

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
fn a_torn_line_of_the_register_is_cut_and_a_changed_one_is_a_fault() {
    use std::io::Write;
    let room = Room::new();
    let path = room.path("pki/issued.ndjson");
    let before = fs::read_to_string(&path).unwrap();
    fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .unwrap()
        .write_all(b"{\"event\":\"issu")
        .unwrap();
    assert_eq!(room.authority.register().rows().unwrap().len(), 3);
    room.issue(&health(), NOW_US);
    let after = fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(&before) && after.lines().count() == before.lines().count() + 1);
    assert_eq!(mode(&path), 0o600);
    fs::write(&path, after.replace("\"event\":\"crl\"", "\"event\":\"cr1\"")).unwrap();
    assert!(matches!(
        room.authority.register().rows(),
        Err(PkiFault::BadFile { .. })
    ));
}

#[test]
fn every_act_waits_in_the_spool_until_it_is_sealed() {
    let room = Room::new();
    let issued = room.issue(&health(), NOW_US);
    room.authority
        .revoke(
            &Which::Partner("health-city".to_owned()),
            Reason::AffiliationChanged,
            NOW_US,
        )
        .unwrap();
    let taken = acts::take(room.authority.folder()).unwrap().unwrap();
    let told: Vec<_> = taken
        .acts
        .iter()
        .map(|act| (act.act.as_str(), act.partner.as_str()))
        .collect();
    let expected = [
        ("issued", "gateway"),
        ("crl", "root"),
        ("crl", "issuing"),
        ("issued", "health-city"),
        ("revoked", "health-city"),
        ("crl", "issuing"),
    ];
    assert_eq!(told, expected);
    assert_eq!(taken.acts[4].serial, issued.serial);
    assert_eq!(taken.acts[4].fingerprint, issued.sha256);
    assert_eq!(taken.acts[4].reason.as_deref(), Some("affiliation-changed"));
    let leaf = shuguan_ledger::leaf::CertificateEvent::from(&taken.acts[5]);
    assert_eq!((leaf.p.as_str(), leaf.serial.as_str()), ("-", "issuing-2"));
    // A crash before they are sealed: they come again, and what came later waits.
    drop(taken);
    room.authority.crl(Tier::Issuing, NOW_US).unwrap();
    let again = acts::take(room.authority.folder()).unwrap().unwrap();
    assert_eq!(again.acts.len(), 6);
    again.sealed().unwrap();
    let rest = acts::take(room.authority.folder()).unwrap().unwrap();
    assert_eq!(rest.acts.len(), 1);
    rest.sealed().unwrap();
    assert!(acts::take(room.authority.folder()).unwrap().is_none());
}

#[test]
fn many_at_once_neither_tear_the_register_nor_use_a_number_twice() {
    let room = Room::new();
    let csr = room.csr("a");
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let (authority, csr) = (&room.authority, &csr);
            scope.spawn(move || {
                let subject = Subject {
                    id: format!("p{thread}"),
                    ..health()
                };
                authority.issue(csr, &subject, 30, NOW_US).unwrap();
                authority
                    .revoke(&Which::Partner(subject.id), Reason::Unspecified, NOW_US)
                    .unwrap();
            });
        }
    });
    let lines = room.authority.register().lines().unwrap();
    let mut numbers: Vec<u64> = lines
        .iter()
        .filter_map(|line| match line {
            register::Line::Crl(crl) if crl.issuer == "issuing" => Some(crl.number),
            _ => None,
        })
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=9).collect::<Vec<_>>());
    assert_eq!(crl::read(&room.path("pki/issuing.crl.pem")).unwrap().revoked.len(), 8);
}

#[test]
fn openssl_opens_the_p12_and_finds_the_chain() {
    if with_openssl().is_none() {
        return;
    }
    let room = Room::new();
    room.issue(&auditor(), NOW_US);
    let chain = fs::read_to_string(room.path("auditor-3/client.pem")).unwrap();
    let key = keyfile::read_secret(&room.path("auditor-3/client.key")).unwrap();
    let password = p12::random_password().unwrap();
    assert_eq!(password.len(), 23);
    for (cipher, extra) in [(Cipher::Modern, None), (Cipher::Legacy, Some("-legacy"))] {
        let path = room.path(&format!("{cipher:?}.p12"));
        keyfile::create_secret(&path, &p12::encode(&chain, &key, &password, "auditor", cipher).unwrap()).unwrap();
        let open = |password: &str| {
            let pass = format!("pass:{password}");
            let mut arguments = vec!["pkcs12", "-in", path.to_str().unwrap(), "-nodes", "-passin", &pass];
            arguments.extend(extra);
            openssl(&arguments)
        };
        let opened = open(&password);
        let text = String::from_utf8_lossy(&opened.stdout).into_owned();
        assert!(
            opened.status.success(),
            "{cipher:?}: {}",
            String::from_utf8_lossy(&opened.stderr)
        );
        assert_eq!(text.matches("BEGIN CERTIFICATE").count(), 2, "{cipher:?}");
        let inner: Vec<&str> = key.lines().filter(|line| !line.starts_with('-')).collect();
        assert!(
            text.replace('\n', "").contains(&inner.concat()),
            "{cipher:?}: the same key"
        );
        assert!(!open("wrong").status.success(), "{cipher:?}");
    }
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

fn demo(folder: &Path, force: bool, now_us: i64) -> Result<Made, PkiFault> {
    let options = InitOptions {
        force,
        demo: true,
        name: None,
        profile: profile::EXAMPLE,
        log_origin: "gw1.lyg.example/log",
        addresses: Addresses {
            gateway: "https://127.0.0.1:8443".to_owned(),
            console: "https://127.0.0.1:8444".to_owned(),
        },
        subjects: &|bundle| {
            assert_eq!(fs::read_to_string(bundle.join("agreements/a.toml")).unwrap(), "# a\n");
            Ok(vec![health(), auditor()])
        },
    };
    init(
        folder,
        &options,
        &[("agreements/a.toml", "# a\n")],
        "# configuration\n",
        now_us,
    )
}

#[test]
fn a_demo_folder_is_complete_and_its_secrets_are_closed() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("gw");
    let made = demo(&root, false, NOW_US).unwrap();
    for name in ["log.seed", "kek.key", "master.key", "index.key"] {
        let key = keyfile::read_random_key(&root.join("keys").join(name)).unwrap();
        assert_ne!(*key, [0; 32], "{name}");
        assert_eq!(mode(&root.join("keys").join(name)), 0o400);
    }
    for secret in [
        "partners/health-city/client.key",
        "partners/_revoked/client.key",
        "partners/_unknown/client.key",
        "officers/auditor.key",
        "officers/auditor.p12",
        "officers/auditor.password",
    ] {
        assert_eq!(mode(&root.join(secret)), 0o400, "{secret}");
    }
    for closed in ["keys", "partners", "partners/health-city", "officers"] {
        assert_eq!(mode(&root.join(closed)), 0o700, "{closed}");
    }
    let trust = fs::read_to_string(root.join("partners/health-city/trust.txt")).unwrap();
    let trust = shuguan_ledger::trust::Trust::parse(&trust).unwrap();
    assert_eq!(trust.logs()[0].name(), "gw1.lyg.example/log");
    assert_eq!(trust.logs()[0].vkey(), made.log_vkey);
    let settings: toml::Table =
        toml::from_str(&fs::read_to_string(root.join("partners/health-city/client.toml")).unwrap()).unwrap();
    assert_eq!(settings["gateway"].as_str(), Some("https://127.0.0.1:8443"));
    let officer: toml::Table =
        toml::from_str(&fs::read_to_string(root.join("officers/auditor.toml")).unwrap()).unwrap();
    assert_eq!(officer["console"].as_str(), Some("https://127.0.0.1:8444"));
    assert_eq!(officer["certificate"].as_str(), Some("auditor.pem"));
    assert_eq!(made.officers.len(), 1);
    assert_eq!(crl::read(&root.join("pki/issuing.crl.pem")).unwrap().revoked.len(), 1);
    assert_eq!(
        Addresses::read(&root.join("pki")).unwrap().console,
        "https://127.0.0.1:8444"
    );
}

#[test]
fn the_page_of_a_kit_has_every_line_and_no_blank_to_fill_in() {
    let folder = TempDir::new().unwrap();
    let made = demo(folder.path(), false, NOW_US).unwrap();
    let page = fs::read_to_string(folder.path().join("partners/health-city/说明.md")).unwrap();
    for line in [
        "shuguan push sample.ndjson --record health/birth-certificate --purpose enrolment.registration -c client.toml",
        "--data-binary @sample.ndjson https://127.0.0.1:8443/v1/feeds/health/birth-certificate",
        "-H 'Content-Type: application/x-ndjson; charset=utf-8'",
        "Invoke-RestMethod",
        "java Push.java https://127.0.0.1:8443/v1/feeds/health/birth-certificate sample.ndjson 'application/x-ndjson; charset=utf-8' enrolment.registration",
        "spiffe://lyg.example/agency/health/city",
        &made.root_sha256,
    ] {
        assert!(page.contains(line), "{line}");
    }
    for name in [
        "{gateway}",
        "{file}",
        "{type}",
        "{record}",
        "{purpose}",
        "{calls}",
        "{zh}",
        "{id}",
        "{root}",
        "{not_after}",
        "{spiffe}",
    ] {
        assert!(!page.contains(name), "{name}");
    }
    assert!(folder.path().join("partners/health-city/Push.java").exists());
}

#[test]
fn every_agency_has_a_sample_that_can_be_read_back() {
    use shuguan_adapters::layout::Layout;
    for agency in ["public-security", "civil-affairs", "health", "commerce", "tax"] {
        let sample = Sample::of_agency(agency).unwrap();
        assert!(sample.record.starts_with(agency));
        if shuguan_adapters::catalogue::record_type(sample.record).is_none() {
            continue;
        }
        let layout = Layout::from_content_type(&sample.content_type).unwrap();
        assert_eq!(Layout::detect(sample.file_name, &sample.bytes), layout, "{agency}");
        assert!(sample.bytes.split(|byte| *byte == b'\n').count() > 20, "{agency}");
    }
    assert_eq!(Sample::of_agency("post"), None);
}

#[test]
fn init_overwrites_nothing_and_with_force_moves_aside() {
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("gw");
    let first = demo(&root, false, NOW_US).unwrap();
    let key = fs::read(root.join("keys/root.key")).unwrap();
    let refused = demo(&root, false, NOW_US + 1);
    assert!(matches!(refused, Err(PkiFault::Exists { .. })), "{refused:?}");
    assert_eq!(fs::read(root.join("keys/root.key")).unwrap(), key);
    let second = demo(&root, true, NOW_US + 2).unwrap();
    assert_ne!(first.root_sha256, second.root_sha256);
    let aside = second.set_aside.unwrap();
    assert_eq!(fs::read(aside.join("keys/root.key")).unwrap(), key);
    assert_eq!(mode(&aside), 0o700);
}

#[test]
fn the_commands_of_the_readme_make_what_it_says() {
    let Some(now_us) = with_openssl() else { return };
    let readme = include_str!("../../../certs-example/README.md");
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
    let list = crl::read(&folder.path().join("issuing.crl.pem")).unwrap();
    assert_eq!((list.number, list.revoked.len()), (2, 1));
}
