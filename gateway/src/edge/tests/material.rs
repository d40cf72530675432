//! What the gateway refuses to start with.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use super::*;
use crate::edge::revocation::Standing;
use crate::edge::tls::TlsFault;

fn faults(settings: &TlsSettings) -> Vec<TlsFault> {
    tls::load(settings).err().unwrap_or_default()
}

#[test]
fn every_fault_is_told_at_once() {
    let city = City::new();
    let mut settings = city.settings();
    fs::set_permissions(&settings.key, Permissions::from_mode(0o440)).unwrap();
    settings.crls.pop();
    settings.certificate = city.folder.path().join("absent.pem");
    let told: Vec<String> = faults(&settings).iter().map(ToString::to_string).collect();
    assert_eq!(told.len(), 3, "{told:#?}");
    for words in ["absent.pem", "mode is 0440", "no revocation list"] {
        assert!(told.iter().any(|fault| fault.contains(words)), "{words}: {told:#?}");
    }
}

#[test]
fn a_key_behind_a_link_is_not_read() {
    let city = City::new();
    let mut settings = city.settings();
    let link = city.folder.path().join("link.key");
    symlink(&settings.key, &link).unwrap();
    settings.key = link;
    assert_eq!(faults(&settings).len(), 1);
}

#[test]
fn a_list_that_another_key_signed_covers_nobody() {
    let city = City::new();
    let other = City::new();
    let mut settings = city.settings();
    settings.crls = other.settings().crls;
    assert_eq!(faults(&settings).len(), 2, "same names, other keys");
    settings.crls = Vec::new();
    assert!(!faults(&settings).is_empty());
}

#[test]
fn two_lists_of_one_authority_are_refused() {
    let city = City::new();
    let mut settings = city.settings();
    settings.crls.extend(settings.crls.clone());
    assert_eq!(faults(&settings).len(), 2);
}

#[test]
fn an_older_list_is_not_taken_back() {
    let city = City::new();
    let list = city.folder.path().join("pki/issuing.crl.pem");
    let first = fs::read(&list).unwrap();
    city.authority.crl(Tier::Issuing, city.now_us).unwrap();
    let in_force = city.material().revoked;
    assert!(tls::reload(&city.settings(), &in_force).is_ok());
    fs::write(&list, first).unwrap();
    assert!(tls::load(&city.settings()).is_ok());
    assert_eq!(tls::reload(&city.settings(), &in_force).unwrap_err().len(), 1);
}

#[test]
fn the_operator_is_told_a_week_before_a_list_ends() {
    let city = City::new();
    let revoked = city.material().revoked;
    let standing = |days: i64| revoked.standing(city.now_us / 1_000_000 + days * 86_400 - 60);
    assert_eq!(standing(0), Standing::Current);
    assert_eq!(standing(23), Standing::Current);
    assert_eq!(standing(25), Standing::EndsSoon(5));
    assert_eq!(standing(31), Standing::Expired);
}
