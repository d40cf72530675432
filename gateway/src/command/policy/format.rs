//! `shuguan policy fmt`: the files of a bundle in one form. Comments and meaning stay.

use std::path::{Path, PathBuf};

use shuguan_policies::document::tidy;

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use crate::durable;

#[derive(Debug, clap::Args)]
pub(super) struct FmtArgs {
    /// The bundle.
    pub(super) dir: PathBuf,
    /// Change nothing; end with 1 when a file is written otherwise.
    #[arg(long)]
    pub(super) check: bool,
}

pub(super) fn format(args: &FmtArgs, output: &Output) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    gather(&args.dir, &mut files)?;
    files.sort();
    let mut changed = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).map_err(|error| failed("read", &file, &error))?;
        let Some(formed) = tidy(&text) else {
            return Err(Failure::local("this file is no TOML, so it was left alone")
                .at(file.display().to_string())
                .then(format!("shuguan policy check {}", args.dir.display())));
        };
        if formed == text {
            continue;
        }
        if !args.check {
            durable::write_whole(&file, formed.as_bytes()).map_err(|error| failed("write", &file, &error))?;
        }
        changed.push(file.display().to_string());
    }
    if output.is_json() {
        output.json("shuguan.policy-fmt.v1", &serde_json::json!({ "changed": changed }));
    } else {
        for file in &changed {
            output.line(file);
        }
    }
    Ok(if args.check && !changed.is_empty() {
        Exit::Local
    } else {
        Exit::Done
    })
}

/// Every TOML file of the folder and the folders in it, one level deep like a bundle.
fn gather(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let entries = std::fs::read_dir(dir).map_err(|error| failed("read", dir, &error))?;
    for entry in entries.flatten() {
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            gather(&path, files)?;
        } else if kind.is_file() && path.extension().is_some_and(|ending| ending == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

fn failed(act: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::local(format!("cannot {act}"))
        .at(path.display().to_string())
        .because(error)
}
