//! Rules between the fields of one record.
//!
//! Takes the values of the wanted fields of a record, one by one; gives a verdict when all have been noted. Refuses a sex or a birth
//! date that contradicts the resident id, a document number that its own type contradicts, dates out of order (the birth in a resident
//! id included), a history row that has not ended, a record without any of its keys, and one without any of the groups of fields of
//! which it must have one. A rule speaks only when all the fields that it compares are wanted: an ungranted field can reject nothing.

#[cfg(test)]
mod tests;

use crate::catalogue::RecordType;
use crate::reject::RejectCode;
use crate::value::{Scratch, Value, citizen_id, permanent_residence};

/// Canonical codes of document types whose numbers have a form that can be checked.
const RESIDENT_CARD: i64 = 1;
/// 外国人永久居留身份证.
const PERMANENT_RESIDENCE: i64 = 7;
/// 港澳台居民居住证.
const RESIDENCE_PERMIT: i64 = 17;
/// How the field of a document's type ends, and how that of its number may.
const TYPE: &str = "id_type";
const NUMBERS: [&str; 2] = ["id_no", "id"];
/// Code of a history row in the table of record flags.
const HISTORY: i64 = 2;

/// What is remembered of one value: enough to compare, never the text.
#[derive(Clone, Copy, Default)]
struct Noted {
    present: bool,
    /// Days, microseconds, `yyyyMM`, or a code as a number.
    number: i64,
    /// Of a resident id: its birth day and whether it is a man's.
    holder: Option<Holder>,
    /// Of the number of a typed document: why it is none of a type with a form.
    document: Forms,
}

/// Why a document's number is not that of a certain type; `None` where it is.
#[derive(Clone, Copy, Default)]
struct Forms {
    resident_card: Option<RejectCode>,
    permanent_residence: Option<RejectCode>,
    residence_permit: Option<RejectCode>,
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
    /// Groups of which one is whole; none when one of their fields is not wanted.
    one_of: Vec<Vec<usize>>,
    /// The flag of a history row and the field of its end.
    history: Option<(usize, usize)>,
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
        let typed = typed(wanted);
        let id = slot("citizen_id").or_else(|| slot("id_no").filter(|_| slot("id_type").is_some()));
        let order: Vec<_> = record.order.iter().copied().filter_map(pair).collect();
        // Only a key that is wanted as a whole can identify a record downstream, and only such a key is asked for.
        let keys = record
            .keys
            .iter()
            .filter_map(|key| key.iter().map(|name| slot(name)).collect())
            .collect();
        let one_of: Option<Vec<Vec<usize>>> = record
            .one_of
            .iter()
            .map(|group| group.iter().map(|name| slot(name)).collect())
            .collect();
        let mut rules = Self {
            one_of: one_of.unwrap_or_default(),
            history: pair(("record_flag", "valid_to")),
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
        let flag = self.history.map(|(flag, _)| flag);
        let comparable = self
            .order
            .iter()
            .flat_map(|(first, second)| [*first, *second])
            .chain(flag);
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
    #[inline]
    pub fn note(&mut self, slot: usize, value: &Value<'_>) {
        let (Some(part), Some(noted)) = (self.parts.get(slot), self.noted.get_mut(slot)) else {
            return;
        };
        noted.present = !matches!(value, Value::Missing);
        if *part != Part::Nothing {
            self.note_compared(slot, value);
        }
    }

    /// What a value contributes; what is not present is never asked for it.
    fn note_compared(&mut self, slot: usize, value: &Value<'_>) {
        let (Some(part), Some(noted)) = (self.parts.get(slot), self.noted.get_mut(slot)) else {
            return;
        };
        match (part, value) {
            (Part::ResidentId, Value::Text(id)) => noted.holder = holder(id),
            (Part::TypedNo, Value::Text(number)) => {
                noted.holder = None;
                noted.document = Forms::default();
                noted.document.permanent_residence = permanent_residence::check(number).err();
                match citizen_id::parse(number, &mut self.scratch, self.today) {
                    Ok(id) => {
                        noted.holder = holder(id);
                        // 810000, 820000 and 830000 stand for 香港, 澳门 and 台湾 in a permit.
                        let permit = ["81", "82", "83"].iter().any(|area| id.starts_with(area));
                        noted.document.residence_permit = (!permit).then_some(RejectCode::UnknownRegion);
                    }
                    Err(code) => {
                        noted.document.resident_card = Some(code);
                        noted.document.residence_permit = Some(code);
                    }
                }
            }
            (Part::DocumentType | Part::Comparable, Value::Text(text)) => {
                noted.number = text.parse().unwrap_or_default();
            }
            (Part::Comparable, Value::Date(days)) => noted.number = i64::from(*days),
            (Part::Comparable, Value::Instant(number) | Value::Integer(number)) => noted.number = *number,
            _ => {}
        }
    }

    /// The slot of the type of the document whose number stands at `slot`, where both are wanted.
    pub fn type_of(&self, slot: usize) -> Option<usize> {
        let of = |(kind, number): &(usize, usize)| (*number == slot).then_some(*kind);
        self.typed.iter().find_map(of)
    }

    /// Whether the canonical code of a document's type says that it is a resident card.
    pub fn is_resident_card(code: &str) -> bool {
        code.parse() == Ok(RESIDENT_CARD)
    }

    /// The verdict on the record whose values have all been noted.
    pub fn verdict(&self) -> Result<(), Breach> {
        self.keyed()?;
        self.one_whole_group()?;
        self.documents()?;
        self.holder_agrees()?;
        self.ordered()?;
        self.history_has_ended()
    }

    fn ordered(&self) -> Result<(), Breach> {
        for (first, second) in &self.order {
            // A resident id stands for the birth in it.
            let earlier = if self.id == Some(*first) {
                self.resident(*first).and_then(|holder| holder.born).map(i64::from)
            } else {
                self.present(*first).map(|noted| noted.number)
            };
            if let (Some(earlier), Some(later)) = (earlier, self.present(*second))
                && later.number < earlier
            {
                return Err(Breach {
                    slot: Some(*second),
                    code: RejectCode::OutOfOrderDates,
                });
            }
        }
        Ok(())
    }

    /// A row that says that it is history says until when it held.
    fn history_has_ended(&self) -> Result<(), Breach> {
        match self.history {
            Some((flag, end))
                if self.present(flag).is_some_and(|flag| flag.number == HISTORY) && self.present(end).is_none() =>
            {
                Err(Breach {
                    slot: Some(end),
                    code: RejectCode::OpenHistory,
                })
            }
            _ => Ok(()),
        }
    }

    fn one_whole_group(&self) -> Result<(), Breach> {
        let whole = |group: &Vec<usize>| group.iter().all(|slot| self.present(*slot).is_some());
        if self.one_of.is_empty() || self.one_of.iter().any(whole) {
            return Ok(());
        }
        Err(Breach {
            slot: self.one_of.first().and_then(|group| group.first()).copied(),
            code: RejectCode::Missing,
        })
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

    /// A number of a type that has a form must have it.
    fn documents(&self) -> Result<(), Breach> {
        for (kind, number) in &self.typed {
            let (Some(kind), Some(noted)) = (self.present(*kind), self.present(*number)) else {
                continue;
            };
            let breach = match kind.number {
                RESIDENT_CARD => noted.document.resident_card,
                PERMANENT_RESIDENCE => noted.document.permanent_residence,
                RESIDENCE_PERMIT => noted.document.residence_permit,
                _ => None,
            };
            if let Some(code) = breach {
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
        let tells = |kind: &Noted| matches!(kind.number, RESIDENT_CARD | RESIDENCE_PERMIT);
        let other = |(kind, number): &(usize, usize)| *number == slot && !self.present(*kind).is_some_and(tells);
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

/// Slots of each document's type with that of its number.
fn typed(wanted: &[&'static str]) -> Vec<(usize, usize)> {
    let number = |whose: &str| {
        NUMBERS.iter().find_map(|ending| {
            let name = |wanted: &&str| wanted.strip_prefix(whose) == Some(ending);
            wanted.iter().position(name)
        })
    };
    let kinds = wanted.iter().enumerate();
    kinds
        .filter_map(|(slot, name)| Some((slot, number(name.strip_suffix(TYPE)?)?)))
        .collect()
}
