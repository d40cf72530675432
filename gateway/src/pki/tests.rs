//! What is issued, read back by a parser and by OpenSSL that did not write it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may panic"
)]

mod certificates;
mod files;
mod kits;
mod requests;
mod revocation;

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
