//! Files: modes, no overwriting, the register and the spool after a crash.

use super::*;

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
fn of_many_who_make_one_key_at_once_one_does_and_it_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log.seed");
    let made = std::thread::scope(|scope| {
        let makers: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| keyfile::create_random_key(&path)))
            .collect();
        makers.into_iter().flat_map(|maker| maker.join().unwrap()).count()
    });
    assert_eq!(made, 1);
    keyfile::read_random_key(&path).unwrap();
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing unfinished stays");
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
    assert_eq!(trust.logs()[0].key().name(), "gw1.lyg.example/log");
    assert_eq!(trust.logs()[0].key().vkey(), made.log_vkey);
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
