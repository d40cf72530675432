//! What a row of a delta is about: the code table of its operation column, and the headers by which that column is known.
//!
//! Takes a value as sent; gives insert, update or delete. Refuses everything else, bare digits among it: with some senders 1 is an insert
//! and with others an update, and a wrong guess would delete. A layout can say what its own codes stand for
//! (`codes.op = { "1" = "I", … }`). In a batch that is no delta the column is read for deletes alone, and the first refuses the batch: a record that
//! is gone would be stored as one that is there.

use crate::catalogue::{Class, Field, FieldType};
use crate::value;

/// How a batch is meant, as far as its rows have to be read for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Intent {
    /// Rows are inserted or updated; there is no column [`COLUMN`].
    #[default]
    Upsert,
    /// Each row says what it is about. A delete needs its keys alone: of its other fields only those named here are read.
    Delta(Vec<&'static str>),
    /// What a partner has, or what of it has one of these codes in this field; a record outside is rejected. Of a rejected record the keys
    /// and the fields named here are kept as [`NAMED`], where its keys can be read.
    Snapshot(Option<(&'static str, Vec<String>)>, Vec<&'static str>),
}

/// The operation as the last column of a part.
pub static FIELD: Field = Field::new(COLUMN, "操作", FieldType::Text(1), Class::C0);

/// Name of the column in which the operation of each row stands, beside the fields. No field of a catalogue begins with `_`.
pub const COLUMN: &str = "_op";
/// The name by which senders and layouts know it.
pub const NAME: &str = "op";
/// In [`COLUMN`]: a new record.
pub const INSERT: &str = "I";
/// In [`COLUMN`]: a changed record.
pub const UPDATE: &str = "U";
/// In [`COLUMN`]: a record that is gone; only its keys matter.
pub const DELETE: &str = "D";
/// In [`COLUMN`]: a record of a snapshot that was rejected; only its keys stand here, so that its row is not taken for missing.
pub const NAMED: &str = "N";

/// Headers of the column, beside those of the record type, which go first.
pub(crate) const HEADERS: &[&str] = &[
    NAME,
    COLUMN,
    "operation",
    "op_type",
    "操作",
    "操作类型",
    "操作标志",
    "操作标识",
    "变更类型",
    "变更标志",
    "变更标识",
    "增量类型",
    "增量标志",
    "增量标识",
    "czlx",
    "czbz",
];

/// What each code stands for; ASCII letters in either case.
const CODES: &[(&str, &[&str])] = &[
    (
        INSERT,
        &[
            "I", "INS", "INSERT", "A", "ADD", "CREATE", "新增", "增加", "新建", "插入", "增",
        ],
    ),
    (
        UPDATE,
        &["U", "UPD", "UPDATE", "M", "MOD", "MODIFY", "修改", "更新", "变更", "改"],
    ),
    (DELETE, &["D", "DEL", "DELETE", "REMOVE", "删除", "删"]),
];

/// The operation that a value stands for: [`INSERT`], [`UPDATE`] or [`DELETE`].
pub fn parse(sent: &str) -> Option<&'static str> {
    let sent = value::trimmed(sent);
    let known = |(_, names): &&(&str, &[&str])| names.iter().any(|name| name.eq_ignore_ascii_case(sent));
    CODES.iter().find(known).map(|(operation, _)| *operation)
}

#[cfg(test)]
mod tests {
    use super::{CODES, DELETE, INSERT, UPDATE, parse};

    #[test]
    fn each_code_stands_for_one_operation_and_digits_for_none() {
        for (operation, names) in CODES {
            for name in *names {
                assert_eq!(parse(name), Some(*operation), "{name}");
            }
        }
        assert_eq!(
            [parse(" d "), parse("新增\u{3000}"), parse("u")],
            [Some(DELETE), Some(INSERT), Some(UPDATE)]
        );
        for other in ["", "1", "2", "3", "0", "X", "删除记录", "IU", "注销"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
