//! What the datasets draw on: record types in order of precedence, where each field comes from, and where a change of it is marked.
//!
//! Takes a dataset and a field or record type; gives sources, columns and marks. What it does not name comes from nowhere.

use policies::dataset::Dataset;
use shuguan_policies as policies;

/// Where the index keeps when a source that admits, or a change of numbers, last changed anything about a person or unit.
pub(in crate::registry) const CHANGED: &str = "changed_us";
/// The same of the sources that report a death: whoever is not told about deaths must not see by a time that there is one.
pub(in crate::registry) const DIED: &str = "death_us";

/// The column of the index that a record type's rows put their mark on; none when no field of the dataset comes from it.
pub(in crate::registry) fn mark_of(dataset: Dataset, record: &str) -> Option<&'static str> {
    let source = sources(dataset).iter().find(|source| source.record == record)?;
    Some(if source.admits { CHANGED } else { DIED })
}

pub(super) fn sources(dataset: Dataset) -> &'static [Source] {
    match dataset {
        Dataset::Population => POPULATION,
        Dataset::Enterprises => ENTERPRISES,
    }
}

/// A record type that a dataset draws on.
pub(super) struct Source {
    pub(super) record: &'static str,
    pub(super) alias: &'static str,
    /// A person or unit is in the dataset when one of these has it.
    pub(super) admits: bool,
    /// Rows with this column come before newer ones without it.
    pub(super) prefer: Option<&'static str>,
}

const fn source(record: &'static str, alias: &'static str, admits: bool) -> Source {
    Source {
        record,
        alias,
        admits,
        prefer: None,
    }
}

const fn death(record: &'static str, alias: &'static str) -> Source {
    Source {
        record,
        alias,
        admits: false,
        prefer: Some("death_date"),
    }
}

/// In order of precedence.
const POPULATION: &[Source] = &[
    source("public-security/resident", "r", true),
    source("public-security/floating-resident", "f", true),
    source("public-security/birth", "b", true),
    death("public-security/death", "d1"),
    death("health/death-certificate", "d2"),
    death("civil-affairs/cremation", "d3"),
];

/// In order of precedence. What a change notice says stands in the next establishment row; it only shows that the unit exists.
const ENTERPRISES: &[Source] = &[
    source("commerce/establishment", "e", true),
    source("commerce/change", "g", true),
    source("commerce/cancellation", "c", true),
    source("civil-affairs/social-organisation", "s", true),
    source("tax/registration", "t", true),
];

/// Where a field comes from: `alias.column`, in order.
pub(super) fn origins(dataset: Dataset, field: &str) -> &'static [(&'static str, &'static str)] {
    match (dataset, field) {
        (Dataset::Population, "name") => &[("r", "name"), ("f", "name"), ("b", "name")],
        (Dataset::Population, "former_name") => &[("r", "former_name")],
        (Dataset::Population, "sex") => &[("r", "sex"), ("f", "sex"), ("b", "sex")],
        (Dataset::Population, "ethnicity") => &[("r", "ethnicity"), ("f", "ethnicity"), ("b", "ethnicity")],
        (Dataset::Population, "birth_date") => &[("r", "birth_date"), ("f", "birth_date"), ("b", "birth_date")],
        (Dataset::Population, "hukou_region") => &[("r", "hukou_region"), ("f", "hukou_region")],
        (Dataset::Population, "town_code") => &[("r", "town_code"), ("f", "town_code")],
        (Dataset::Population, "village_code") => &[("r", "village_code"), ("f", "village_code")],
        (Dataset::Population, "hukou_address") => &[("r", "hukou_address"), ("f", "hukou_address")],
        (Dataset::Population, "residence_region") => &[("f", "residence_region")],
        (Dataset::Population, "person_status") => &[("r", "person_status")],
        (Dataset::Population, "death_date") => &[("d1", "death_date"), ("d2", "death_date"), ("d3", "death_date")],
        // The change notice last: it names the unit where nothing else does.
        (Dataset::Enterprises, "uscc") => &[
            ("e", "uscc"),
            ("s", "uscc"),
            ("c", "uscc"),
            ("t", "uscc"),
            ("g", "uscc"),
        ],
        (Dataset::Enterprises, "org_code") => &[("e", "org_code"), ("t", "org_code")],
        (Dataset::Enterprises, "reg_no") => &[("e", "reg_no"), ("c", "reg_no"), ("g", "reg_no")],
        (Dataset::Enterprises, "taxpayer_id" | "trader_id") => &[("t", "taxpayer_id")],
        (Dataset::Enterprises, "name") => &[
            ("e", "ent_name"),
            ("s", "ent_name"),
            ("c", "ent_name"),
            ("t", "taxpayer_name"),
            ("t", "ent_name"),
        ],
        (Dataset::Enterprises, "unit_kind") => &[("e", "ent_type"), ("s", "ent_type"), ("t", "reg_type")],
        (Dataset::Enterprises, "legal_rep_name") => &[
            ("e", "legal_rep_name"),
            ("s", "legal_rep_name"),
            ("t", "legal_rep_name"),
        ],
        (Dataset::Enterprises, "established_on") => &[
            ("e", "established_on"),
            ("s", "established_on"),
            ("t", "opened_on"),
            ("t", "registered_on"),
        ],
        (Dataset::Enterprises, "reg_status") => &[("e", "reg_status"), ("s", "reg_status")],
        (Dataset::Enterprises, "taxpayer_status") => &[("t", "taxpayer_status")],
        (Dataset::Enterprises, "region") => &[
            ("e", "region"),
            ("s", "region"),
            ("t", "reg_region"),
            ("t", "op_region"),
        ],
        (Dataset::Enterprises, "address") => &[
            ("e", "domicile"),
            ("e", "premises"),
            ("s", "domicile"),
            ("t", "reg_address"),
            ("t", "op_address"),
        ],
        (Dataset::Enterprises, "trader_name") => &[("t", "taxpayer_name"), ("t", "ent_name")],
        (Dataset::Enterprises, "trader_address") => &[("t", "reg_address"), ("t", "op_address")],
        (Dataset::Enterprises, "industry_code") => &[("e", "industry_code"), ("t", "industry_code")],
        (Dataset::Enterprises, "closed_on") => &[("c", "cancel_date"), ("c", "revoke_date")],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policies_know_every_source_of_every_field() {
        for (dataset, sources) in [(Dataset::Population, POPULATION), (Dataset::Enterprises, ENTERPRISES)] {
            for field in dataset.fields() {
                let known = dataset.origins(field.name);
                for (alias, column) in origins(dataset, field.name) {
                    let record = sources
                        .iter()
                        .find(|source| source.alias == *alias)
                        .map(|source| source.record);
                    let feeds = known.iter().any(|(own, from)| Some(*own) == record && from == column);
                    assert!(feeds, "{}.{}: {alias}.{column}", dataset.name(), field.name);
                }
                assert!(
                    !known.is_empty(),
                    "{}.{} has no source at all",
                    dataset.name(),
                    field.name
                );
            }
        }
    }
}
