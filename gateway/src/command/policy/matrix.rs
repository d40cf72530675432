//! `shuguan policy matrix`: what a bundle grants, field by field, at the terminal or as a workbook that people fill in.

use std::path::{Path, PathBuf};

use shuguan_policies::bundle::Bundle;
use shuguan_policies::matrix::{Matrix, Sheet};
use shuguan_policies::{Catalogue, PolicySet};

use super::super::exit::{Exit, Failure};
use super::super::output::Output;
use super::{hex, unloadable, workbook};
use crate::durable;

#[derive(Debug, clap::Args)]
pub(super) struct MatrixArgs {
    /// The bundle.
    pub(super) dir: PathBuf,
    /// Write a workbook in Chinese: overview for signing, and the sheets that `policy import` reads back.
    #[arg(long, value_name = "FILE")]
    pub(super) xlsx: Option<PathBuf>,
    /// At the terminal, only grants about this record type or dataset.
    #[arg(long, conflicts_with = "xlsx")]
    pub(super) only: Option<String>,
}

pub(super) fn matrix(args: &MatrixArgs, output: &Output) -> Result<Exit, Failure> {
    let bundle = Bundle::read(&args.dir).map_err(|faults| unloadable(&args.dir, faults.len()))?;
    let set = bundle.compile().map_err(|faults| unloadable(&args.dir, faults.len()))?;
    let matrix = Matrix::of(&bundle, &Catalogue::of_adapters()).map_err(|faults| {
        let place = args.dir.display().to_string();
        Failure::local("a sheet cannot hold all of this bundle")
            .at(place)
            .because(faults.first().map_or_else(String::new, |fault| fault.message.clone()))
    })?;
    match &args.xlsx {
        Some(file) => write(args, file, &matrix, &set, output),
        None => show(args, &matrix, output),
    }
}

fn write(args: &MatrixArgs, file: &Path, matrix: &Matrix, set: &PolicySet, output: &Output) -> Result<Exit, Failure> {
    let at = file.display().to_string();
    let bytes = workbook::write(matrix, &hex(&set.hash()))
        .map_err(|error| Failure::local("cannot make the workbook").at(&*at).because(error))?;
    durable::write_whole(file, &bytes)
        .map_err(|error| Failure::local("cannot write the workbook").at(&*at).because(error))?;
    output.note(format!(
        "{} agreements, {} grants, {} fields; {} comments stay in the files only",
        matrix.agreements.rows.len(),
        matrix.grants.rows.len(),
        matrix.fields.rows.len(),
        matrix.comments
    ));
    output.note(format!(
        "then: shuguan policy import {at} --base {} -o NEW-BUNDLE",
        args.dir.display()
    ));
    if output.is_json() {
        output.json(
            "shuguan.policy-matrix.v1",
            &serde_json::json!({ "file": at, "bundle_hash": hex(&set.hash()), "grants": matrix.grants.rows.len() }),
        );
    } else {
        output.line(at);
    }
    Ok(Exit::Done)
}

/// Granted fields only; in the workbook stand the others as well.
fn show(args: &MatrixArgs, matrix: &Matrix, output: &Output) -> Result<Exit, Failure> {
    let mut rows = Vec::new();
    for grant in &matrix.grants.rows {
        let of = |key| cell(&matrix.grants, grant, key);
        let target = if of("for.record").is_empty() {
            of("for.dataset")
        } else {
            of("for.record")
        };
        if args.only.as_deref().is_some_and(|only| only != target) {
            continue;
        }
        let partner = [of("for.partner"), of("for.partners"), of("for.agency")].concat();
        let own = |row: &&Vec<String>| {
            ["file", "number"]
                .iter()
                .all(|key| cell(&matrix.fields, row, key) == of(key))
        };
        for row in matrix.fields.rows.iter().filter(own) {
            let field = |key| cell(&matrix.fields, row, key).to_owned();
            if !field("operator").is_empty() {
                rows.push(vec![
                    format!("{}#{}", of("file"), of("number")),
                    target.to_owned(),
                    partner.clone(),
                    field("field"),
                    field("shown.zh"),
                    field("shown.class"),
                    field("operator"),
                ]);
            }
        }
    }
    let header = ["GRANT", "WHAT", "PARTNER", "FIELD", "NAME", "CLASS", "OPERATOR"];
    if rows.is_empty() {
        return Err(Failure::new(Exit::Usage, "no grant is about that").then("shuguan policy catalog"));
    }
    if output.is_json() {
        let keys = header.map(str::to_lowercase);
        let items: Vec<serde_json::Map<_, _>> = rows
            .iter()
            .map(|row| {
                keys.iter()
                    .cloned()
                    .zip(row.iter().map(|cell| cell.as_str().into()))
                    .collect()
            })
            .collect();
        output.json("shuguan.policy-matrix.v1", &serde_json::json!({ "fields": items }));
    } else {
        output.rows(&header, &rows);
    }
    Ok(Exit::Done)
}

fn cell<'r>(sheet: &Sheet, row: &'r [String], key: &str) -> &'r str {
    let at = sheet.columns.iter().position(|column| column.key == key);
    at.and_then(|at| row.get(at)).map_or("", String::as_str)
}
