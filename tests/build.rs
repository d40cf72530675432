//! Says to the suite whether the judges of `oracles/` are installed; where they are not, the tests that ask them are ignored.

use std::path::{Path, PathBuf};

fn main() {
    println!("cargo::rustc-check-cfg=cfg(oracles, oracle_divisions, judges, foreign_witness)");
    println!("cargo::rerun-if-changed=build.rs");
    // `oracles/install` touches it when it is done.
    println!("cargo::rerun-if-changed=oracles/requirements.txt");
    println!("cargo::rerun-if-env-changed=SHUGUAN_ORACLES");
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    judges(here);
    witness(here);
    let folder = std::env::var_os("SHUGUAN_ORACLES").map_or_else(|| here.join("../target/oracles"), PathBuf::from);
    let installed = folder.join("installed");
    let lists = ["oracles/requirements.txt", "oracles/signatures.txt"].map(|list| std::fs::read(here.join(list)).ok());
    let wanted = lists
        .into_iter()
        .collect::<Option<Vec<_>>>()
        .map(|lists| lists.concat());
    if wanted.is_none() || std::fs::read(&installed).ok() != wanted {
        return;
    }
    println!("cargo::rerun-if-changed={}", installed.display());
    println!("cargo::rustc-env=SHUGUAN_ORACLES_AT={}", folder.display());
    println!("cargo::rustc-cfg=oracles");
    if folder.join("villages.csv").is_file() {
        println!("cargo::rustc-cfg=oracle_divisions");
    }
}

/// The witness that other people wrote.
fn witness(here: &Path) {
    println!("cargo::rerun-if-changed=oracles/witness.txt");
    println!("cargo::rerun-if-env-changed=SHUGUAN_WITNESS");
    let folder = std::env::var_os("SHUGUAN_WITNESS").map_or_else(|| here.join("../target/witness"), PathBuf::from);
    let (installed, wanted) = (folder.join("installed"), here.join("oracles/witness.txt"));
    if let (Ok(installed_text), Ok(wanted)) = (std::fs::read(&installed), std::fs::read(wanted))
        && installed_text == wanted
    {
        println!("cargo::rerun-if-changed={}", installed.display());
        println!("cargo::rustc-env=SHUGUAN_WITNESS_AT={}", folder.display());
        println!("cargo::rustc-cfg=foreign_witness");
    }
}

/// The judges of the log.
fn judges(here: &Path) {
    println!("cargo::rerun-if-changed=oracles/judges.txt");
    println!("cargo::rerun-if-changed=oracles/judge.go");
    println!("cargo::rerun-if-env-changed=SHUGUAN_JUDGES");
    let folder = std::env::var_os("SHUGUAN_JUDGES").map_or_else(|| here.join("../target/judges"), PathBuf::from);
    let wanted =
        ["judges.txt", "judge.go"].map(|file| std::fs::read(here.join("oracles").join(file)).unwrap_or_default());
    if std::fs::read(folder.join("installed")).ok() == Some(wanted.concat()) {
        println!("cargo::rerun-if-changed={}", folder.join("installed").display());
        println!("cargo::rustc-env=SHUGUAN_JUDGES_AT={}", folder.display());
        println!("cargo::rustc-cfg=judges");
    }
}
