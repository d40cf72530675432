//! `pseudonym`: a keyed hash of a value, so that only equality inside one scope is left.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

use crate::hex::pair;
use crate::key::Key;
use crate::mac::Mac;

/// A pseudonym under one declared key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pseudonym {
    /// The key, with its scope.
    pub key: Arc<Key>,
    /// Bytes of the HMAC that are shown, 16 to 32: 128 bits, so that no two of a city's values meet.
    pub bytes: u8,
}

/// Bytes that are shown unless the agreement says more.
pub const BYTES: u8 = 16;

/// Identifiers, names, texts and phone numbers become text. Not a code or a number: with few possible values, a consumer who learns
/// one pair learns them all.
pub(super) fn fits(kind: &FieldType) -> Result<DataType, String> {
    match kind {
        FieldType::CitizenId
        | FieldType::Uscc
        | FieldType::OrgCode
        | FieldType::RegNo
        | FieldType::TaxpayerId
        | FieldType::DocumentNo(_)
        | FieldType::Name
        | FieldType::Text(_)
        | FieldType::Phone => Ok(DataType::Utf8),
        FieldType::Code(_)
        | FieldType::Region
        | FieldType::Division(_)
        | FieldType::Date
        | FieldType::Month
        | FieldType::Instant
        | FieldType::Integer(_)
        | FieldType::Decimal(_) => Err("a pseudonym of a value with few possibilities hides nothing".into()),
    }
}

impl Pseudonym {
    /// Takes text, gives lower-case hex digits: the first `bytes` bytes of HMAC-SHA-256 over `shuguan.pseudonym.v1`, the domain and
    /// the value, one a line. Null in, null out. Source: policy operator 13, FIPS 198-1.
    pub(super) fn apply(&self, column: &StringArray, key: &Mac) -> ArrayRef {
        let mut message = format!("shuguan.pseudonym.v1\n{}\n", self.key.domain.name()).into_bytes();
        let head = message.len();
        let bytes = usize::from(self.bytes);
        let mut out = StringBuilder::with_capacity(column.len(), column.len() * bytes * 2);
        for value in column {
            let Some(value) = value else {
                out.append_null();
                continue;
            };
            message.truncate(head);
            message.extend_from_slice(value.as_bytes());
            let tag = key.sign(&message);
            append_hex(&mut out, tag.get(..bytes).unwrap_or_default());
        }
        Arc::new(out.finish())
    }
}

fn append_hex(out: &mut StringBuilder, tag: &[u8]) {
    let mut hex = [[0; 2]; 32];
    for (byte, place) in tag.iter().zip(&mut hex) {
        *place = pair(*byte);
    }
    let text = hex.as_flattened().get(..tag.len() * 2);
    out.append_value(text.and_then(|hex| std::str::from_utf8(hex).ok()).unwrap_or_default());
}
