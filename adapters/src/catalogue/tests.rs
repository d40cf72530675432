//! The catalogue agrees with itself, and with its page in README.md.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::*;
use crate::code::{CodeTable, nationality, tables};

#[test]
fn record_types_are_named_after_their_agency_and_found_by_name() {
    let mut names = HashSet::new();
    for record in record_types() {
        assert!(names.insert(record.name), "{} stands twice", record.name);
        assert_eq!(record.name, format!("{}/{}", record.agency.name(), record.short()));
        assert!(std::ptr::eq(record_type(record.name).unwrap(), record));
    }
    assert_eq!(names.len(), 10);
    for agency in Agency::ALL {
        assert!(record_types().any(|record| record.agency == agency));
        assert_eq!(Agency::parse(agency.name()), Some(agency));
    }
}

#[test]
fn no_two_fields_of_a_record_answer_to_one_header() {
    for record in record_types() {
        let mut headers = HashMap::new();
        for field in record.fields {
            for header in [field.name, field.zh]
                .iter()
                .chain(field.aliases)
                .map(|header| header.to_ascii_lowercase())
            {
                let other = headers.insert(header.clone(), field.name);
                let twice = other.is_some_and(|other| other != field.name);
                assert!(!twice, "{}: `{header}` names {other:?} and {}", record.name, field.name);
            }
            assert!(field.answers_to(&field.name.to_ascii_uppercase()));
        }
    }
}

#[test]
fn field_names_are_unique_and_mean_the_same_kind_everywhere() {
    let mut kinds: HashMap<&str, (String, &str)> = HashMap::new();
    for record in record_types() {
        let mut names = HashSet::new();
        for field in record.fields {
            assert!(names.insert(field.name), "{}: {} stands twice", record.name, field.name);
            let snake = field
                .name
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
            assert!(snake, "{}", field.name);
            assert!(field.class < Class::C4, "{}: class C4 has no field", field.name);
            // The same question, asked with the codes or the length of the source; on the registry's side one type of column.
            let kind = format!("{:?}", field.kind.data_type());
            let first = kinds.entry(field.name).or_insert_with(|| (kind.clone(), record.name));
            assert_eq!(first.0, kind, "{} in {} and {}", field.name, first.1, record.name);
        }
    }
}

#[test]
fn keys_subjects_and_orders_name_fields_of_the_right_kind() {
    for record in record_types() {
        let field = |name: &str| {
            record
                .field(name)
                .unwrap_or_else(|| panic!("{}: no field {name}", record.name))
        };
        assert!(
            !record.keys.is_empty() && !record.subjects.is_empty() && !record.basis.is_empty(),
            "{}",
            record.name
        );
        for key in record.keys {
            assert!(!key.is_empty());
            key.iter().for_each(|name| {
                field(name);
            });
        }
        for subject in record.subjects {
            match subject {
                Subject::Person(name) => {
                    assert!(matches!(
                        field(name).kind,
                        FieldType::CitizenId | FieldType::DocumentNo(_)
                    ));
                }
                Subject::Enterprise(name) => assert!(matches!(field(name).kind, FieldType::Uscc)),
            }
        }
        for (earlier, later) in record.order {
            let (earlier, later) = (field(earlier).kind, field(later).kind);
            assert_eq!(earlier.describe(), later.describe(), "{}", record.name);
            assert!(matches!(
                earlier,
                FieldType::Date | FieldType::Instant | FieldType::Month
            ));
        }
    }
}

#[test]
fn every_basis_is_an_article_of_the_list() {
    const ARTICLES: [&str; 36] = [
        "si-57.3", "si-58", "si-74", "si-25", "si-97", "op-6", "op-8", "op-9", "op-26", "hk-6", "hk-7", "hk-8",
        "hk-10", "hk-13", "hk-17", "id-3", "rp-4", "rp-7", "rp-10", "as-9", "as-14", "mr-8", "mr-9", "mr-24", "mr-30",
        "mr-31", "mr-33", "tx-6", "tx-15", "tx-16", "tx-30", "lv-7", "lv-8", "lv-9", "lv-10", "lv-11",
    ];
    for record in record_types() {
        for basis in record.basis {
            assert!(ARTICLES.contains(basis), "{}: {basis}", record.name);
        }
    }
}

fn all_tables() -> impl Iterator<Item = &'static CodeTable> {
    tables::ALL.iter().copied().chain([&nationality::NATIONALITY])
}

#[test]
fn code_tables_are_sorted_and_no_spelling_means_two_codes() {
    for table in all_tables() {
        assert!(table.rows.is_sorted_by(|a, b| a.code < b.code), "{}", table.name);
        let mut meanings = HashMap::new();
        for row in table.rows {
            for spelling in [row.code, row.zh].iter().chain(row.spellings) {
                let other = meanings.insert(spelling.to_ascii_lowercase(), row.code);
                assert!(
                    other.is_none_or(|other| other == row.code),
                    "{}: {spelling}",
                    table.name
                );
                assert_eq!(table.canonical(spelling), Some(row.code), "{}: {spelling}", table.name);
            }
        }
        assert_eq!(table.canonical("没有这个代码"), None);
    }
}

#[test]
fn sources_spell_the_same_code_in_their_own_way() {
    assert_eq!(tables::SEX.canonical("男"), Some("1"));
    assert_eq!(tables::ETHNICITY.canonical("汉"), Some("01"));
    assert_eq!(tables::ETHNICITY.canonical("1"), Some("01"));
    assert_eq!(tables::ID_TYPE.canonical("10"), Some("10"));
    assert_eq!(tables::ID_TYPE.canonical("111"), Some("01"));
    assert_eq!(tables::ID_TYPE_COMMERCE.canonical("10"), Some("01"));
    assert_eq!(tables::ID_TYPE_TAX.canonical("201"), Some("01"));
    assert_eq!(
        tables::HUKOU_NATURE.canonical("1"),
        None,
        "1 means opposite things in two sources"
    );
    assert_eq!(tables::REG_STATUS.canonical("存续（在营、开业、在册）"), Some("ACTIVE"));
    assert_eq!(nationality::NATIONALITY.canonical("156"), Some("CHN"));
    assert_eq!(nationality::NATIONALITY.canonical("中国"), Some("CHN"));
    assert_eq!(tables::ETHNICITY.rows.len(), 58);
}

/// The part of README.md that is written out of the catalogue.
fn tables_of_the_readme() -> String {
    let mut page = String::new();
    for record in record_types() {
        let join = |names: &[&str]| {
            names
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let keys: Vec<_> = record.keys.iter().map(|key| format!("({})", join(key))).collect();
        writeln!(page, "### `{}` {}\n", record.name, record.zh).unwrap();
        writeln!(
            page,
            "Schema {} · key {} · basis {}\n",
            record.schema,
            keys.join(", else "),
            join(record.basis)
        )
        .unwrap();
        page.push_str("| Field | 中文 | Type | Class | Also sent as |\n|---|---|---|---|---|\n");
        for field in record.fields {
            let required = if field.required { " (required)" } else { "" };
            let kind = field.kind.describe();
            let aliases = field.aliases.join(", ");
            writeln!(
                page,
                "| `{}`{required} | {} | {kind} | {} | {aliases} |",
                field.name,
                field.zh,
                field.class.name()
            )
            .unwrap();
        }
        page.push('\n');
    }
    page.push_str("### Code tables\n\n| Table | Standard | Codes |\n|---|---|---|\n");
    for table in all_tables() {
        let shown: Vec<_> = table
            .rows
            .iter()
            .take(12)
            .map(|row| format!("{} {}", row.code, row.zh))
            .collect();
        let more = if table.rows.len() > shown.len() {
            format!(" … {} in all", table.rows.len())
        } else {
            String::new()
        };
        writeln!(
            page,
            "| {} | {} | {}{more} |",
            table.name,
            table.standard,
            shown.join(" · ")
        )
        .unwrap();
    }
    page.push_str("\n### Reject codes\n\n| Code | Name | 中文 | Expected |\n|---|---|---|---|\n");
    for reject in crate::reject::RejectCode::ALL {
        let (code, slug, zh, expected) = (reject.code(), reject.slug(), reject.zh(), reject.expected());
        writeln!(page, "| {code} | {slug} | {zh} | {expected} |").unwrap();
    }
    page
}

#[test]
fn the_readme_shows_this_catalogue() {
    const BEGIN: &str = "<!-- written by UPDATE_README=1 cargo test -p shuguan-adapters -->\n";
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (prose, _) = text.split_once(BEGIN).unwrap();
    let expected = format!("{prose}{BEGIN}\n{}", tables_of_the_readme());
    if std::env::var_os("UPDATE_README").is_some() {
        std::fs::write(path, &expected).unwrap();
    } else {
        assert!(
            text == expected,
            "README.md is stale: run `UPDATE_README=1 cargo test -p shuguan-adapters`"
        );
    }
}
