//! 港澳台居民、外国人: one row somebody who works or lives here with a document of another kind than the resident card
//! (社会保险法 97).
//!
//! Entry, visa and picture are class C4. One person may come with two numbers. The document's end is `document_to`, because `valid_to`
//! is a moment elsewhere.

use super::ID_TYPE;
use crate::catalogue::Class::{C2, C3};
use crate::catalogue::{Agency, Drawn, Field, FieldType, Implied, RecordType, Sampled, Subject, block};

/// `public-security/non-mainland-resident`.
pub(super) static NON_MAINLAND_RESIDENT: RecordType = RecordType {
    fields: FIELDS,
    unread: &[
        "rjrq",
        "入境日期",
        "cjrq",
        "出境日期",
        "qzzl",
        "签证种类",
        "qzhm",
        "签证号码",
        "zpid",
        "xp",
        "相片",
        "照片",
    ],
    own: &["持证人", "外国人", "港澳台居民"],
    keys: &[&["id_type", "id_no"]],
    subjects: &[Subject::Person("id_no")],
    basis: &["si-97", "si-74"],
    order: &[("birth_date", "document_to")],
    one_of: &[&["name"], &["name_latin"], &["surname_latin"]],
    sampled: Sampled::NEW.people(Drawn::every(1, 1 << 27)),
    ..RecordType::new(
        Agency::PublicSecurity,
        "public-security/non-mainland-resident",
        "港澳台居民和外国人",
    )
};

static FIELDS: &[Field] = &[
    block::NAME.known_as(&["zwxm", "xm", "中文姓名"]).blank_in(0),
    Field::new("name_traditional", "繁体中文姓名", FieldType::Name, C2)
        .known_as(&["ftzwxm"])
        .blank_in(6_000),
    Field::new("name_latin", "英文姓名", FieldType::Text(100), C2)
        .known_as(&["ywxm"])
        .blank_in(9_600),
    Field::new("surname_latin", "英文姓", FieldType::Text(100), C2)
        .known_as(&["ywx"])
        .usually(&["CHAN", "WONG", "SMITH", "TANAKA"]),
    Field::new("given_name_latin", "英文名", FieldType::Text(100), C2)
        .known_as(&["ywm"])
        .usually(&["TAI MAN", "SIU MING", "JOHN", "HANAKO"]),
    block::NATIONALITY
        .known_as(&["gjdq", "国籍"])
        .usually(&["中国香港", "日本", "美国", "HKG"]),
    Field::new("id_type", "证件类型", FieldType::Code(&ID_TYPE), C2)
        .known_as(&["zjlx", "zjzl"])
        .usually(&["外国人护照", "港澳居民来往内地通行证", "台胞证"])
        .required(),
    Field::new("id_no", "证件号码", FieldType::DocumentNo(30), C3)
        .known_as(&["sqssczjhm", "twsfzh", "zjhm"])
        .telling(Implied::OF_A_DOCUMENT)
        .required(),
    block::SEX,
    block::BIRTH_DATE,
    Field::new("address", "地址", FieldType::Text(200), C2)
        .telling(&[Implied::Place])
        .known_as(&["jzdxxdz", "居住地详细地址"]),
    Field::new("document_to", "证件有效期止", FieldType::Date, C2).known_as(&["zjyxqz"]),
    block::SOURCE_UPDATED_AT,
];
