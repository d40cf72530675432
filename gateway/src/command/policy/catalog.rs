//! `shuguan policy catalog`: what grants may name, as TOML or JSON.

use policies::disclosure::implied;
use policies::{Catalogue, Dataset, Operator, Target};
use serde_json::{Value, json};
use shuguan_policies as policies;

use super::super::exit::{Exit, Failure};
use super::super::output::Output;

#[derive(Debug, clap::Args)]
pub(super) struct CatalogArgs {
    /// This record type or dataset only, e.g. `tax/registration` or `population`.
    #[arg(long, value_name = "NAME")]
    pub(super) only: Option<String>,
}

pub(super) fn catalog(args: &CatalogArgs, output: &Output) -> Result<Exit, Failure> {
    let only = |target: &Target| args.only.as_ref().is_none_or(|name| target.name() == name);
    let records = Catalogue::of_adapters()
        .records()
        .map(Target::Record)
        .collect::<Vec<_>>();
    let all = records.into_iter().chain(Dataset::ALL.map(Target::Dataset));
    let chosen: Vec<Target> = all.filter(only).collect();
    if chosen.is_empty() {
        let name = args.only.as_deref().unwrap_or_default();
        return Err(
            Failure::new(Exit::Usage, format!("`{name}` is not in the catalogue")).then("shuguan policy catalog")
        );
    }
    if output.is_json() {
        let targets: Vec<Value> = chosen.into_iter().map(member).collect();
        output.json("shuguan.policy-catalog.v1", &json!({ "targets": targets }));
    } else {
        let tables: Vec<String> = chosen.into_iter().map(table).collect();
        output.line(tables.join("\n"));
    }
    Ok(Exit::Done)
}

/// What a kept field gives away, e.g. `birth_date`, or of which only a part, `village_code (region to county)`.
fn gives(target: Target, name: &str) -> Vec<String> {
    let field = target.field(name);
    let told = field
        .map(|field| implied(target, field, &Operator::Keep))
        .unwrap_or_default();
    let shown = told.into_iter().map(|told| match told.operator {
        Operator::Keep => told.field.to_owned(),
        part => format!("{} ({})", told.field, part.describe()),
    });
    shown.collect()
}

fn member(target: Target) -> Value {
    let fields: Vec<Value> = target
        .fields()
        .iter()
        .map(|field| {
            json!({
                "name": field.name,
                "zh": field.zh,
                "type": field.kind.describe(),
                "class": field.class.name(),
                "implies": gives(target, field.name),
            })
        })
        .collect();
    json!({
        "name": target.name(),
        "zh": target.zh(),
        "schema": target.schema(),
        "keys": target.keys(),
        "fields": fields,
    })
}

fn table(target: Target) -> String {
    let (kind, name) = match target {
        Target::Record(record) => ("record", record.name),
        Target::Dataset(dataset) => ("dataset", dataset.name()),
    };
    let keys: Vec<String> = target.keys().iter().map(|key| quoted(key)).collect();
    let mut lines = vec![
        format!("[[{kind}]]"),
        format!("name = \"{name}\""),
        format!("zh = \"{}\"", target.zh()),
        format!("schema = {}", target.schema()),
    ];
    if !keys.is_empty() {
        lines.push(format!("keys = [{}]", keys.join(", ")));
    }
    lines.push("fields = [".into());
    for field in target.fields() {
        let gives = gives(target, field.name);
        let implies = if gives.is_empty() {
            String::new()
        } else {
            format!(", implies = {}", quoted(&gives))
        };
        lines.push(format!(
            "  {{ name = \"{}\", zh = \"{}\", type = \"{}\", class = \"{}\"{implies} }},",
            field.name,
            field.zh,
            field.kind.describe(),
            field.class.name()
        ));
    }
    lines.push("]\n".into());
    lines.join("\n")
}

fn quoted<T: std::fmt::Display>(names: &[T]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    format!("[{}]", names.join(", "))
}
