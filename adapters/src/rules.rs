//! Rules between the fields of one record.
//!
//! Takes the values of the wanted fields of a record, one by one; gives a verdict when all have been noted. Refuses a sex or a birth
//! date that contradicts the resident id, a document number that its own type contradicts, dates out of order, and a record without
//! any of its keys. A rule speaks only when all the fields that it compares are wanted: an ungranted field can reject nothing.

#[cfg(test)]
mod tests;

use crate::catalogue::RecordType;
use crate::reject::RejectCode;
use crate::value::{Scratch, Value, citizen_id};

/// Canonical code of the resident id card in the table of document types.
const RESIDENT_CARD: &str = "01";
/// Fields that name the type of a document, with the field of its number.
const TYPED: [(&str, &str); 4] = [
    ("id_type", "id_no"),
    ("legal_rep_id_type", "legal_rep_id"),
    ("mother_id_type", "mother_id"),
    ("father_id_type", "father_id"),
];

/// What is remembered of one value: enough to compare, never the text.
#[derive(Clone, Copy, Default)]
struct Noted {
    present: bool,
    /// Days, microseconds, `yyyyMM`, or a code as a number.
    number: i64,
    /// Of a resident id: its birth day and whether it is a man's.
    holder: Option<Holder>,
    /// Of the number of a typed document: why it is no resident id.
    no_resident_id: Option<RejectCode>,
}

#[derive(Clone, Copy)]
struct Holder {
    born: Option<i32>,
    sex: i64,
}

/// What a wanted field contributes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Nothing,
    ResidentId,
    TypedNo,
    DocumentType,
    Comparable,
}

/// The rules of a record type that its wanted fields allow, with what was noted of the present record.
pub struct Rules {
    parts: Vec<Part>,
    noted: Vec<Noted>,
    id: Option<usize>,
    sex: Option<usize>,
    birth: Option<usize>,
    typed: Vec<(usize, usize)>,
    order: Vec<(usize, usize)>,
    keys: Vec<Vec<usize>>,
    scratch: Scratch,
    today: i32,
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rules")
            .field("order", &self.order)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

/// The rule that a record breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    /// Place in `wanted` of the field at fault; `None` when the record as a whole is.
    pub slot: Option<usize>,
    /// Which rule.
    pub code: RejectCode,
}

impl Rules {
    /// The rules for these wanted fields, in the order in which their values will be noted.
    pub fn new(record: &RecordType, wanted: &[&'static str], today: i32) -> Self {
        let slot = |name: &str| wanted.iter().position(|wanted| *wanted == name);
        let pair = |(first, second): (&str, &str)| Some((slot(first)?, slot(second)?));
        let typed: Vec<_> = TYPED.into_iter().filter_map(pair).collect();
        let id = slot("citizen_id").or_else(|| slot("id_no").filter(|_| slot("id_type").is_some()));
        let order: Vec<_> = record.order.iter().copied().filter_map(pair).collect();
        // Only a key that is wanted as a whole can identify a record downstream, and only such a key is asked for.
        let keys = record
            .keys
            .iter()
            .filter_map(|key| key.iter().map(|name| slot(name)).collect())
            .collect();
        let mut rules = Self {
            parts: vec![Part::Nothing; wanted.len()],
            noted: vec![Noted::default(); wanted.len()],
            id,
            sex: slot("sex").filter(|_| id.is_some()),
            birth: slot("birth_date").filter(|_| id.is_some()),
            typed,
            order,
            keys,
            scratch: Scratch::default(),
            today,
        };
        rules.assign();
        rules
    }

    fn assign(&mut self) {
        let comparable = self.order.iter().flat_map(|(first, second)| [*first, *second]);
        let mut parts: Vec<(usize, Part)> = comparable.map(|slot| (slot, Part::Comparable)).collect();
        parts.extend(
            self.sex
                .into_iter()
                .chain(self.birth)
                .map(|slot| (slot, Part::Comparable)),
        );
        parts.extend(self.id.map(|slot| (slot, Part::ResidentId)));
        for (kind, number) in &self.typed {
            parts.push((*kind, Part::DocumentType));
            parts.push((*number, Part::TypedNo));
        }
        for (slot, part) in parts {
            if let Some(place) = self.parts.get_mut(slot) {
                *place = part;
            }
        }
    }

    /// Notes the value of the wanted field at `slot`. Every slot is noted once a record, missing ones too.
    pub fn note(&mut self, slot: usize, value: &Value<'_>) {
        let (Some(part), Some(noted)) = (self.parts.get(slot), self.noted.get_mut(slot)) else {
            return;
        };
        *noted = Noted {
            present: !matches!(value, Value::Missing),
            ..Noted::default()
        };
        match (part, value) {
            (Part::ResidentId, Value::Text(id)) => noted.holder = holder(id),
            (Part::TypedNo, Value::Text(number)) => match citizen_id::parse(number, &mut self.scratch, self.today) {
                Ok(id) => noted.holder = holder(id),
                Err(code) => noted.no_resident_id = Some(code),
            },
            (Part::DocumentType, Value::Text(code)) => noted.number = i64::from(*code == RESIDENT_CARD),
            (Part::Comparable, Value::Text(text)) => noted.number = text.parse().unwrap_or_default(),
            (Part::Comparable, Value::Date(days)) => noted.number = i64::from(*days),
            (Part::Comparable, Value::Instant(number) | Value::Integer(number)) => noted.number = *number,
            _ => {}
        }
    }

    /// The verdict on the record whose values have all been noted.
    pub fn verdict(&self) -> Result<(), Breach> {
        self.keyed()?;
        self.documents()?;
        self.holder_agrees()?;
        for (first, second) in &self.order {
            if let (Some(first), Some(later)) = (self.present(*first), self.present(*second))
                && later.number < first.number
            {
                return Err(Breach {
                    slot: Some(*second),
                    code: RejectCode::OutOfOrderDates,
                });
            }
        }
        Ok(())
    }

    fn keyed(&self) -> Result<(), Breach> {
        let whole = |key: &Vec<usize>| key.iter().all(|slot| self.present(*slot).is_some());
        if self.keys.is_empty() || self.keys.iter().any(whole) {
            return Ok(());
        }
        Err(Breach {
            slot: None,
            code: RejectCode::NoKey,
        })
    }

    /// A number that is said to be a resident id must be one.
    fn documents(&self) -> Result<(), Breach> {
        for (kind, number) in &self.typed {
            if let (Some(kind), Some(noted)) = (self.present(*kind), self.present(*number))
                && kind.number == 1
                && let Some(code) = noted.no_resident_id
            {
                return Err(Breach {
                    slot: Some(*number),
                    code,
                });
            }
        }
        Ok(())
    }

    fn holder_agrees(&self) -> Result<(), Breach> {
        let Some(holder) = self.id.and_then(|slot| self.resident(slot)) else {
            return Ok(());
        };
        if let Some(slot) = self.sex
            && let Some(sex) = self.present(slot)
            && matches!(sex.number, 1 | 2)
            && sex.number != holder.sex
        {
            return Err(Breach {
                slot: Some(slot),
                code: RejectCode::SexContradictsId,
            });
        }
        if let Some(slot) = self.birth
            && let (Some(birth), Some(born)) = (self.present(slot), holder.born)
            && birth.number != i64::from(born)
        {
            return Err(Breach {
                slot: Some(slot),
                code: RejectCode::BirthContradictsId,
            });
        }
        Ok(())
    }

    /// Who holds the resident id at `slot`; nobody when a type says that it is another document.
    fn resident(&self, slot: usize) -> Option<Holder> {
        let other = |(kind, number): &(usize, usize)| {
            *number == slot && self.present(*kind).is_none_or(|kind| kind.number != 1)
        };
        if self.typed.iter().any(other) {
            return None;
        }
        self.present(slot)?.holder
    }

    fn present(&self, slot: usize) -> Option<&Noted> {
        self.noted.get(slot).filter(|noted| noted.present)
    }
}

fn holder(id: &str) -> Option<Holder> {
    let sex = if citizen_id::sex(id)? == "1" { 1 } else { 2 };
    Some(Holder {
        born: citizen_id::birth_day(id),
        sex,
    })
}
