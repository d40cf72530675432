//! The catalogue agrees with itself, and with its page in README.md.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod native;

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
    assert_eq!(names.len(), 27);
    for agency in Agency::ALL {
        assert!(record_types().any(|record| record.agency == agency));
        assert_eq!(Agency::parse(agency.name()), Some(agency));
    }
}

#[test]
fn no_header_of_a_record_names_two_things() {
    for record in record_types() {
        let mut headers: HashMap<String, String> = HashMap::new();
        let mut name = |header: &str, what: &str| {
            let header = header.to_ascii_lowercase();
            let other = headers.insert(header.clone(), what.to_owned());
            let twice = other.as_ref().is_some_and(|other| other != what);
            assert!(!twice, "{}: `{header}` names {other:?} and {what}", record.name);
        };
        for field in record.fields {
            for header in [field.name, field.zh].iter().chain(field.aliases) {
                name(header, field.name);
            }
        }
        for header in record.unread {
            name(header, "what is never read");
        }
        for header in crate::decode::SECRECY_HEADERS {
            name(header, "the secrecy mark");
        }
        for (header, number) in crate::decode::own_headers(record) {
            name(&header, record.fields[number].name);
        }
        for (at, spread) in record.spread.iter().enumerate() {
            for (part, headers) in spread.columns.iter().enumerate() {
                for header in *headers {
                    name(header, &format!("part {part} of spread {at}"));
                }
            }
        }
        let Some(unfold) = record.unfold else { continue };
        for number in 1..=unfold.most {
            for (own, (field, _)) in unfold.own.iter().enumerate() {
                for header in unfold.headers(own, number) {
                    name(&header, &format!("{field} of member {number}"));
                }
            }
        }
    }
}

#[test]
fn what_is_never_read_stands_once_and_has_a_header() {
    for record in record_types() {
        let unread: HashSet<_> = record.unread.iter().map(|header| header.to_ascii_lowercase()).collect();
        assert_eq!(unread.len(), record.unread.len(), "{}", record.name);
        assert!(record.unread.iter().all(|header| !header.trim().is_empty()));
    }
}

#[test]
fn a_spread_field_is_one_of_the_record_and_has_a_column_for_each_code() {
    for record in record_types() {
        for spread in record.spread {
            let field = record.field(spread.field).unwrap();
            match &spread.gathered {
                Gathered::Joined => assert!(matches!(field.kind, FieldType::Text(_)), "{}", record.name),
                Gathered::ChosenBy(by, codes) => {
                    let FieldType::Code(table) = record.field(by).unwrap().kind else {
                        panic!("{}: {by}", record.name)
                    };
                    assert_eq!(codes.len(), spread.columns.len());
                    assert!(codes.iter().all(|code| table.canonical(code) == Some(code)));
                }
            }
            // The row is unfolded behind it.
            assert!(
                record
                    .unfold
                    .is_none_or(|unfold| unfold.own.iter().all(|(own, _)| *own != spread.field))
            );
        }
    }
}

#[test]
fn an_unfolded_row_has_columns_for_fields_of_its_records() {
    let mut unfolding = 0;
    for record in record_types() {
        let Some(unfold) = record.unfold else { continue };
        unfolding += 1;
        let known = |name: &str| record.field(name).is_some();
        assert!(unfold.most > 1 && known(unfold.told_by), "{}", record.name);
        for (own, headers) in unfold.own {
            assert!(known(own), "{}: {own}", record.name);
            assert!(
                headers.iter().all(|header| header.matches("{}").count() == 1),
                "{headers:?}"
            );
        }
        for (member, row) in unfold.head {
            let (member, row) = (record.field(member).unwrap(), record.field(row).unwrap());
            assert_eq!(member.kind.describe(), row.kind.describe());
            assert!(unfold.own.iter().any(|(own, _)| *own == member.name));
        }
        assert!(unfold.own.iter().any(|(own, _)| *own == unfold.told_by));
        assert!(unfold.head.iter().any(|(member, _)| *member == unfold.told_by));
    }
    assert_eq!(unfolding, 1);
}

#[test]
fn the_withholding_template_is_known_column_by_column() {
    const TEMPLATE: [&str; 51] = [
        "工号",
        "*姓名",
        "*证件类型",
        "*证件号码",
        "*国籍(地区)",
        "*性别",
        "*出生日期",
        "是否高级专家",
        "*任职受雇从业类型",
        "其他情况说明",
        "入职年度就业情形",
        "手机号码",
        "任职受雇从业日期",
        "离职日期",
        "是否离职后补发工资",
        "实际补发工资的月份",
        "是否残疾",
        "是否烈属",
        "是否孤老",
        "残疾证件类型",
        "残疾证号",
        "烈属证号",
        "是否扣除减除费用",
        "个人投资额",
        "个人投资比例(%)",
        "备注",
        "中文名",
        "涉税事由",
        "出生国家(地区)",
        "首次入境时间",
        "预计离境时间",
        "其他证件类型",
        "其他证件号码",
        "户籍所在地（省）",
        "户籍所在地（市）",
        "户籍所在地（区县）",
        "户籍所在地（详细地址）",
        "经常居住地（省）",
        "经常居住地（市）",
        "经常居住地（区县）",
        "经常居住地（详细地址）",
        "联系地址（省）",
        "联系地址（市）",
        "联系地址（区县）",
        "联系地址（详细地址）",
        "电子邮箱",
        "学历",
        "开户银行",
        "银行账号",
        "开户行省份",
        "职务",
    ];
    let record = record_type("tax/withholding-employee").unwrap();
    let mut decoder = crate::decode::Decoder::new(
        record,
        &["name", "id_no"],
        &crate::layout::Layout::new(crate::layout::Format::CSV, crate::layout::Encoding::Utf8),
        crate::decode::DecodeLimits::default(),
        20_635,
    );
    let header = format!("扣缴义务人识别号,{},不在模板中\n", TEMPLATE.join(","));
    decoder.feed(header.as_bytes()).unwrap();
    let _ = decoder.finish().unwrap();
    assert_eq!(decoder.unknown_headers(), ["不在模板中"]);
}

#[test]
fn a_number_tells_what_its_standard_puts_into_it() {
    let told = |record: &str, field: &str| -> Vec<Implied> {
        let field = record_type(record).unwrap().field(field).unwrap();
        let mut told: Vec<_> = field.implies().collect();
        told.sort_unstable();
        told
    };
    let person = [Implied::BirthDate, Implied::Sex, Implied::Region];
    assert_eq!(told("public-security/resident", "citizen_id"), person);
    assert_eq!(told("public-security/resident", "birth_date"), []);
    assert_eq!(told("tax/withholding-employee", "id_no"), Implied::OF_A_DOCUMENT);
    assert_eq!(
        told("commerce/establishment", "uscc"),
        [Implied::Region, Implied::OrgCode]
    );
    assert!(told("civil-affairs/disability", "disability_no").contains(&Implied::Disability));
    assert!(told("tax/registration", "taxpayer_id").contains(&Implied::CitizenId));
    // Whatever holds a person's number says so.
    for record in record_types() {
        for subject in record.subjects {
            if let Subject::Person(name) = subject {
                let field = record.field(name).unwrap();
                assert!(
                    field.implies().any(|implied| implied == Implied::BirthDate),
                    "{}: {name}",
                    record.name
                );
            }
        }
    }
}

#[test]
fn every_number_of_a_typed_document_says_that_it_may_be_a_resident_id() {
    for record in record_types() {
        for field in record.fields {
            let Some(whose) = field.name.strip_suffix("id_type") else {
                continue;
            };
            let number = [format!("{whose}id_no"), format!("{whose}id"), "citizen_id".to_owned()]
                .iter()
                .find_map(|name| record.field(name))
                .unwrap_or_else(|| panic!("{}: {} without a number", record.name, field.name));
            assert!(
                number.implies().any(|implied| implied == Implied::BirthDate),
                "{}: {}",
                record.name,
                number.name
            );
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
            !record.keys.is_empty() && !record.subjects.is_empty(),
            "{}",
            record.name
        );
        // What no article names cannot be granted.
        assert_eq!(
            record.basis.is_empty(),
            record.name == "civil-affairs/marriage",
            "{}",
            record.name
        );
        assert!(
            record.one_of.len() != 1,
            "{}: one group of one is a required field",
            record.name
        );
        record.one_of.iter().copied().flatten().for_each(|name| {
            field(name);
        });
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
                Subject::Enterprise(name) => {
                    assert!(matches!(field(name).kind, FieldType::Uscc | FieldType::TaxpayerId));
                }
            }
        }
        for (earlier, later) in record.order {
            let (earlier, later) = (field(earlier).kind, field(later).kind);
            // The birth in a resident id is a day.
            if matches!(earlier, FieldType::CitizenId) {
                assert!(matches!(later, FieldType::Date), "{}", record.name);
                continue;
            }
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

/// The standards, and behind each what single sources send for it.
fn all_tables() -> Vec<&'static CodeTable> {
    let mut all: Vec<&CodeTable> = tables::ALL.iter().copied().chain([&nationality::NATIONALITY]).collect();
    for field in record_types().flat_map(|record| record.fields) {
        if let FieldType::Code(table) = field.kind
            && !all.iter().any(|known| known.name == table.name)
        {
            all.push(table);
        }
    }
    all
}

#[test]
fn code_tables_are_sorted_and_no_spelling_means_two_codes() {
    for table in all_tables() {
        assert!(table.rows.is_sorted_by(|a, b| a.code < b.code), "{}", table.name);
        let digits = |text: &str| text.trim_start_matches('0').to_owned();
        let own = |spelling: &str| {
            let same = |(own, _): &&(&str, &str)| digits(own) == digits(spelling);
            table.sent.iter().find(same).map(|(_, code)| *code)
        };
        let mut meanings = HashMap::new();
        for row in table.rows {
            for spelling in [row.code, row.zh].iter().chain(row.spellings) {
                let other = meanings.insert(spelling.to_ascii_lowercase(), row.code);
                assert!(
                    other.is_none_or(|other| other == row.code),
                    "{}: {spelling}",
                    table.name
                );
                // Digits are a code, and to a source with codes of its own nothing but those.
                let is_code = *spelling == row.code || spelling.bytes().all(|byte| byte.is_ascii_digit());
                let others = is_code && table.is_of_a_source();
                let read = own(spelling).or_else(|| (!others).then_some(row.code));
                assert_eq!(table.canonical(spelling), read, "{}: {spelling}", table.name);
            }
            // Whatever a source writes for a code is read as that code.
            let written = table.written(row.code).unwrap();
            assert_eq!(table.canonical(written), Some(row.code), "{}: {written}", table.name);
        }
        for (own, code) in table.sent {
            assert!(table.rows.iter().any(|row| row.code == *code), "{}: {code}", table.name);
            assert_eq!(table.canonical(own), Some(*code));
            assert_eq!(
                table.canonical(&format!("0{own}")),
                Some(*code),
                "{}: 0{own}",
                table.name
            );
        }
        assert_eq!(table.canonical("没有这个代码"), None);
        assert_eq!(table.written("没有这个代码"), None);
    }
}

#[test]
fn the_same_code_means_to_each_source_what_that_source_means() {
    let read = |record: &str, field: &str, sent: &str| {
        let FieldType::Code(table) = record_type(record).unwrap().field(field).unwrap().kind else {
            panic!("{record}: {field} has no table")
        };
        table.canonical(sent)
    };
    // 10 is a resident card to the company register, a martyr's family to the social-insurance office.
    assert_eq!(read("commerce/establishment", "legal_rep_id_type", "10"), Some("01"));
    assert_eq!(tables::ID_TYPE.canonical("10"), Some("10"));
    assert_eq!(
        read("commerce/establishment", "legal_rep_id_type", "军烈属"),
        Some("10")
    );
    assert_eq!(read("commerce/establishment", "reg_status", "2"), Some("REVOKED"));
    // 2 is 香港 to marriage registration, an officer's card elsewhere.
    assert_eq!(read("civil-affairs/marriage", "man_id_type", "1"), Some("01"));
    assert_eq!(read("civil-affairs/marriage", "man_id_type", "2"), Some("04"));
    assert_eq!(read("health/birth-certificate", "mother_id_type", "2"), Some("01"));
    // 111 and 201 are resident cards to the police and to the tax offices, and to nobody else.
    assert_eq!(read("public-security/floating-resident", "id_type", "111"), Some("01"));
    assert_eq!(read("health/rural-medical-enrolment", "id_type", "111"), Some("01"));
    assert_eq!(read("tax/withholding-employee", "id_type", "201"), Some("01"));
    assert_eq!(read("tax/withholding-employee", "id_type", "111"), None);
    assert_eq!(read("public-security/floating-resident", "id_type", "201"), None);
    // The meantime's card and the household register say the same number as the card; a passport that the police write 414 is a Chinese one.
    for (sent, code) in [
        ("112", "01"),
        ("113", "01"),
        ("115", "03"),
        ("117", "990201"),
        ("414", "16"),
        ("420", "04"),
    ] {
        let found = read("public-security/floating-resident", "id_type", sent);
        assert_eq!(found, Some(code), "{sent}");
    }
    // The words of the template that withholders fill in.
    for (sent, code) in [
        ("居民身份证", "01"),
        ("中国护照", "16"),
        ("外国护照", "08"),
        ("港澳居民来往内地通行证", "04"),
        ("台湾居民来往大陆通行证", "06"),
        ("中华人民共和国港澳居民居住证", "17"),
        ("中华人民共和国台湾居民居住证", "17"),
        ("外国人永久居留身份证（外国人永久居留证）", "07"),
        ("中华人民共和国外国人工作许可证（A类）", "11"),
        ("中华人民共和国外国人工作许可证(C类)", "11"),
        ("其他个人证件", "99"),
    ] {
        assert_eq!(read("tax/withholding-employee", "id_type", sent), Some(code), "{sent}");
    }
    // 1 is a farmer to public health; to the police it could be either.
    assert_eq!(read("health/rural-medical-enrolment", "hukou_nature", "1"), Some("20"));
    assert_eq!(read("health/rural-medical-enrolment", "hukou_nature", "2"), Some("10"));
    assert_eq!(read("public-security/resident", "hukou_nature", "1"), None);
    assert_eq!(read("public-security/resident", "hukou_nature", "非农"), Some("10"));
}

#[test]
fn a_code_that_a_source_does_not_have_is_nobody_elses_either() {
    let refused = [
        ("health/birth-certificate", "mother_id_type", "03"),
        ("health/birth-certificate", "father_id_type", "111"),
        ("health/rural-medical-enrolment", "id_type", "02"),
        ("health/rural-medical-enrolment", "hukou_nature", "20"),
        ("civil-affairs/marriage", "man_id_type", "5"),
        ("civil-affairs/marriage", "woman_id_type", "06"),
        ("civil-affairs/social-organisation", "reg_status", "2"),
        ("commerce/establishment", "legal_rep_id_type", "02"),
        ("commerce/establishment", "reg_status", "9"),
        ("public-security/floating-resident", "id_type", "01"),
        ("tax/withholding-employee", "id_type", "01"),
        ("tax/withholding-employee", "person_status", "1"),
    ];
    for (record, field, sent) in refused {
        let FieldType::Code(table) = record_type(record).unwrap().field(field).unwrap().kind else {
            panic!("{record}: {field} has no table")
        };
        assert_eq!(table.canonical(sent), None, "{record}: {field} {sent}");
        // The words of the table are everybody's.
        for row in table.rows {
            assert_eq!(table.canonical(row.zh), Some(row.code), "{record}: {}", row.zh);
        }
    }
}

#[test]
fn sources_spell_the_same_code_in_their_own_way() {
    assert_eq!(tables::SEX.canonical("男"), Some("1"));
    assert_eq!(tables::ETHNICITY.canonical("汉"), Some("01"));
    assert_eq!(tables::ETHNICITY.canonical("1"), Some("01"));
    assert_eq!(tables::REG_STATUS.canonical("存续（在营、开业、在册）"), Some("ACTIVE"));
    assert_eq!(tables::INSURANCE_KIND.canonical("410"), Some("410"));
    assert_eq!(nationality::NATIONALITY.canonical("156"), Some("CHN"));
    assert_eq!(nationality::NATIONALITY.canonical("中国"), Some("CHN"));
    assert_eq!(tables::ETHNICITY.rows.len(), 58);
}

/// The part of README.md that is written out of the catalogue.
/// Which rows are passed over.
fn history_of(record: &RecordType) -> String {
    let codes = record.history.iter().map(|(field, code)| format!("`{field}` {code}"));
    let codes: Vec<String> = codes.collect();
    if codes.is_empty() {
        return String::new();
    }
    format!(
        " · history where {}: passed over and counted where that is granted",
        codes.join(" or ")
    )
}

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
        let basis = match record.basis {
            [] => "no basis: nothing of it can be granted".to_owned(),
            basis => format!("basis {}", join(basis)),
        };
        writeln!(page, "### `{}` {}\n", record.name, record.zh).unwrap();
        writeln!(
            page,
            "Schema {} · key {} · {}{}{}\n",
            record.schema,
            keys.join(", else "),
            basis,
            if record.minors { " · about children" } else { "" },
            history_of(record)
        )
        .unwrap();
        page.push_str("| Field | 中文 | Type | Class | Tells | Also sent as |\n|---|---|---|---|---|---|\n");
        for field in record.fields {
            let required = if field.required { " (required)" } else { "" };
            let kind = field.kind.describe();
            let aliases = field.aliases.join(", ");
            let implied: Vec<_> = field.implies().map(Implied::name).collect();
            let implied = implied.join(", ");
            writeln!(
                page,
                "| `{}`{required} | {} | {kind} | {} | {implied} | {aliases} |",
                field.name,
                field.zh,
                field.class.name()
            )
            .unwrap();
        }
        if !record.own.is_empty() {
            writeln!(
                page,
                "\nIts own, before a Chinese name or as a group of columns: {}",
                record.own.join(", ")
            )
            .unwrap();
        }
        if !record.unread.is_empty() {
            writeln!(page, "\nNever read (C4): {}", record.unread.join(", ")).unwrap();
        }
        for spread in record.spread {
            let columns: Vec<_> = spread.columns.iter().map(|headers| headers.join(" or ")).collect();
            let how = match spread.gathered {
                Gathered::Joined => "joined from".to_owned(),
                Gathered::ChosenBy(by, codes) => format!("by `{by}` {} the column", codes.join(", ")),
            };
            writeln!(page, "\n`{}` also {how}: {}", spread.field, columns.join("; ")).unwrap();
        }
        if let Some(unfold) = record.unfold {
            let own = unfold
                .own
                .iter()
                .map(|(name, headers)| format!("`{name}` {}", headers.join(", ")));
            let own: Vec<_> = own.collect();
            writeln!(
                page,
                "\nOne row may hold up to {} members, numbered where `{{}}` stands: {}",
                unfold.most,
                own.join("; ")
            )
            .unwrap();
        }
        page.push('\n');
    }
    page.push_str("### Code tables\n\n| Table | Standard | Codes |\n|---|---|---|\n");
    for table in all_tables() {
        let shown: Vec<_> = if table.sent.is_empty() {
            let rows = table.rows.iter().take(12);
            rows.map(|row| format!("{} {}", row.code, row.zh)).collect()
        } else {
            table.sent.iter().map(|(own, code)| format!("{own} → {code}")).collect()
        };
        let more = if table.sent.is_empty() && table.rows.len() > shown.len() {
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
