//! `bucket`: the interval that a number lies in.

use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{Array, ArrayRef, Int64Array, StringArray};
use arrow_schema::DataType;
use shuguan_adapters::catalogue::FieldType;

/// Half-open intervals between ascending edges: below the first, `[edge, next)`, from the last on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    edges: Vec<i64>,
    labels: Vec<String>,
}

/// Whole numbers and decimals become text.
pub(super) fn fits(kind: &FieldType) -> Result<DataType, String> {
    match kind {
        FieldType::Integer(_) | FieldType::Decimal(_) => Ok(DataType::Utf8),
        _ => Err("only numbers fall into buckets".into()),
    }
}

impl Bucket {
    /// Edges in strictly ascending order, at least one; `None` otherwise.
    pub fn new(edges: Vec<i64>) -> Option<Self> {
        let first = edges.first()?;
        let last = edges.last()?;
        if !edges.iter().zip(edges.iter().skip(1)).all(|(a, b)| a < b) {
            return None;
        }
        let mut labels = vec![format!("<{first}")];
        let inner = edges.iter().zip(edges.iter().skip(1));
        labels.extend(inner.map(|(from, to)| format!("[{from},{to})")));
        labels.push(format!(">={last}"));
        Some(Self { edges, labels })
    }

    /// The edges, ascending.
    pub fn edges(&self) -> &[i64] {
        &self.edges
    }

    /// The operator with its arguments.
    pub(super) fn describe(&self) -> String {
        let edges: Vec<String> = self.edges.iter().map(i64::to_string).collect();
        format!("bucket edges={}", edges.join(","))
    }

    fn label(&self, value: i64) -> &str {
        let at = self.edges.partition_point(|edge| *edge <= value);
        self.labels.get(at).map_or("", String::as_str)
    }

    /// Takes whole numbers, gives labels such as `<1000`, `[1000,5000)`, `>=5000`; null in, null out. Source: policy operator 5.
    pub(super) fn apply_integers(&self, column: &Int64Array) -> ArrayRef {
        let mut out = StringBuilder::with_capacity(column.len(), column.len() * 8);
        for value in column {
            out.append_option(value.map(|value| self.label(value)));
        }
        Arc::new(out.finish())
    }

    /// The same for decimals in text form; `None` when a value is no decimal number.
    ///
    /// Edges are whole, so the integral part below the value decides and no fraction is ever rounded.
    pub(super) fn apply_decimals(&self, column: &StringArray) -> Option<ArrayRef> {
        let mut out = StringBuilder::with_capacity(column.len(), column.len() * 8);
        for value in column {
            match value {
                Some(value) => out.append_value(self.label(floor(value)?)),
                None => out.append_null(),
            }
        }
        Some(Arc::new(out.finish()))
    }
}

/// The largest whole number that is not above a decimal text; beyond 64 bits it stops at the end of the range.
pub(super) fn floor(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let whole = whole.parse::<i64>().unwrap_or(i64::MAX);
    let has_fraction = fraction.bytes().any(|b| b != b'0');
    Some(if negative {
        whole.saturating_neg().saturating_sub(i64::from(has_fraction))
    } else {
        whole
    })
}

#[cfg(test)]
mod tests {
    use super::floor;

    #[test]
    fn decimals_are_floored_by_their_digits() {
        assert_eq!(floor("0"), Some(0));
        assert_eq!(floor("-0.00"), Some(0));
        assert_eq!(floor("999.99"), Some(999));
        assert_eq!(floor("-0.01"), Some(-1));
        assert_eq!(floor("10000000000000000000000000000000000000000"), Some(i64::MAX));
        assert_eq!(floor("1e3"), None);
        assert_eq!(floor(""), None);
        assert_eq!(floor("-"), None);
    }
}
