//! What the fields of each record type and dataset were called, schema number by schema number.
//!
//! Takes a name and a schema number, which the hash of a plan covers, so that nobody who edits a journal changes how a field of then is called; gives its
//! fields in order. Refuses nothing: `None` for a number that this version does not know, as after an older version was put back.
//!
//! A test compares the newest numbers with the catalogue. Who renames, adds or removes a field raises the schema number and appends a block, so that the
//! blocks before it stay true of the plans that name them.

/// Blocks of a line `target number` and a line ` field name` for each field.
const NAMES: &str = include_str!("names.txt");

/// A field and what it was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PastName {
    /// English name.
    pub name: &'static str,
    /// Chinese name.
    pub zh: &'static str,
}

/// The fields of a record type or dataset under that schema number.
pub(super) fn fields_of(target: &str, schema: u64) -> Option<Vec<PastName>> {
    let head = format!("{target} {schema}");
    let mut lines = NAMES.lines().skip_while(|line| *line != head);
    lines.next()?;
    let fields = lines.map_while(|line| line.strip_prefix(' ')?.split_once(' '));
    Some(fields.map(|(name, zh)| PastName { name, zh }).collect())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use shuguan_adapters::catalogue::record_types;

    use super::{PastName, fields_of};
    use crate::dataset::Dataset;
    use crate::target::Target;

    fn block(target: Target) -> String {
        let mut block = format!("{} {}\n", target.name(), target.schema());
        for field in target.fields() {
            let _ = writeln!(block, " {} {}", field.name, field.zh);
        }
        block
    }

    #[test]
    fn every_field_of_today_is_called_as_the_list_says_under_its_schema_number() {
        let records = record_types().map(Target::Record);
        for target in records.chain(Dataset::ALL.map(Target::Dataset)) {
            let fields = target.fields().iter();
            let called: Vec<PastName> = fields
                .map(|field| PastName {
                    name: field.name,
                    zh: field.zh,
                })
                .collect();
            assert_eq!(
                fields_of(target.name(), target.schema().into()),
                Some(called),
                "raise the schema number of `{}` and append to names.txt, leaving what stands there:\n{}",
                target.name(),
                block(target)
            );
        }
    }

    #[test]
    fn a_number_of_before_has_its_own_fields_and_an_unknown_one_has_none() {
        let names = |schema| {
            fields_of("enterprises", schema).map(|fields| fields.iter().any(|field| field.name == "trader_id"))
        };
        assert_eq!((names(1), names(2), names(3)), (Some(false), Some(true), None));
        assert_eq!(fields_of("health/nothing", 1), None);
    }
}
