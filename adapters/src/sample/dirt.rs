//! What is wrong with some rows of a sample, in the ways that real feeds are (one way a row).

use std::collections::BTreeMap;

use crate::catalogue::{FieldType, RecordType};

/// A way to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DirtKind {
    /// The check character of an id or code is wrong.
    WrongCheck,
    /// 30 February.
    ImpossibleDate,
    /// A required name is empty.
    MissingName,
    /// Sex and digit 17 of the resident id disagree.
    SexContradictsId,
    /// A code that its table does not have.
    UnknownCode,
    /// One column too many; in NDJSON, a line that breaks off.
    WrongColumns,
    /// The last good row once more.
    Repeated,
}

impl DirtKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::WrongCheck,
        Self::ImpossibleDate,
        Self::MissingName,
        Self::SexContradictsId,
        Self::UnknownCode,
        Self::WrongColumns,
        Self::Repeated,
    ];

    /// A stable short name, e.g. `wrong-check`.
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongCheck => "wrong-check",
            Self::ImpossibleDate => "impossible-date",
            Self::MissingName => "missing-name",
            Self::SexContradictsId => "sex-contradicts-id",
            Self::UnknownCode => "unknown-code",
            Self::WrongColumns => "wrong-columns",
            Self::Repeated => "repeated",
        }
    }
}

/// How many rows are wrong in which way, in percent of all rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dirt {
    of_kind: BTreeMap<DirtKind, f64>,
    spread: f64,
}

impl Dirt {
    /// No row is wrong.
    pub fn none() -> Self {
        Self::default()
    }

    /// So many percent of the rows are wrong, spread evenly over the ways that this record type knows.
    pub fn spread(percent: f64) -> Self {
        Self {
            of_kind: BTreeMap::new(),
            spread: percent,
        }
    }

    /// In addition, so many percent are wrong in this way, if the record type knows it.
    #[must_use]
    pub fn and(mut self, kind: DirtKind, percent: f64) -> Self {
        *self.of_kind.entry(kind).or_default() += percent;
        self
    }

    /// The ways that the record type knows, each with its share and the field it spoils.
    pub(crate) fn plan(&self, record: &RecordType) -> Vec<Spoil> {
        let mut spoils: Vec<Spoil> = DirtKind::ALL
            .into_iter()
            .filter_map(|kind| Spoil::of(record, kind))
            .collect();
        #[expect(clippy::cast_precision_loss, reason = "at most seven kinds")]
        let each = self.spread / spoils.len().max(1) as f64;
        for spoil in &mut spoils {
            let percent = each + self.of_kind.get(&spoil.kind).copied().unwrap_or_default();
            spoil.of_ten_thousand = of_ten_thousand(percent);
        }
        spoils
    }
}

/// One way to be wrong, in one record type.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spoil {
    pub(crate) kind: DirtKind,
    /// The number of the field that is spoiled, where it is one.
    pub(crate) field: usize,
    pub(crate) of_ten_thousand: u64,
}

impl Spoil {
    fn of(record: &RecordType, kind: DirtKind) -> Option<Self> {
        let find = |test: &dyn Fn(&crate::catalogue::Field) -> bool| record.fields.iter().position(test);
        let field = match kind {
            DirtKind::WrongCheck => find(&|field| field.name == "citizen_id")
                .or_else(|| find(&|field| field.name == "uscc"))
                .or_else(|| find(&|field| field.required && matches!(field.kind, FieldType::TaxpayerId)))?,
            DirtKind::ImpossibleDate => {
                find(&|field| matches!(field.kind, FieldType::Date) && field.name != "birth_date")
                    .or_else(|| find(&|field| matches!(field.kind, FieldType::Date | FieldType::Instant)))?
            }
            DirtKind::MissingName => find(&|field| field.required && field.name.ends_with("name"))?,
            DirtKind::SexContradictsId => {
                find(&|field| field.name == "citizen_id")?;
                find(&|field| field.name == "sex")?
            }
            DirtKind::UnknownCode => find(&|field| matches!(field.kind, FieldType::Code(_)))?,
            DirtKind::WrongColumns | DirtKind::Repeated => 0,
        };
        Some(Self {
            kind,
            field,
            of_ten_thousand: 0,
        })
    }

    /// Spoils the texts of a row.
    pub(crate) fn apply(&self, record: &RecordType, texts: &mut [String]) {
        let kind = record.fields.get(self.field).map(|field| field.kind);
        let id = record.fields.iter().position(|field| field.name == "citizen_id");
        let male = id
            .and_then(|id| texts.get(id)?.as_bytes().get(16).copied())
            .is_some_and(|digit| digit % 2 == 1);
        let Some(text) = texts.get_mut(self.field) else {
            return;
        };
        match self.kind {
            DirtKind::WrongCheck => {
                let check = text.pop();
                text.push(if check == Some('0') { '1' } else { '0' });
            }
            DirtKind::ImpossibleDate if matches!(kind, Some(FieldType::Instant)) => *text = "20230230101010".into(),
            DirtKind::ImpossibleDate => *text = "20230230".into(),
            DirtKind::MissingName => text.clear(),
            DirtKind::SexContradictsId => {
                *text = if male { "2" } else { "1" }.into();
            }
            DirtKind::UnknownCode => *text = "未知代码Z9".into(),
            DirtKind::WrongColumns | DirtKind::Repeated => {}
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0 ..= 10,000 before"
)]
fn of_ten_thousand(percent: f64) -> u64 {
    (percent * 100.0).clamp(0.0, 10_000.0).round() as u64
}
