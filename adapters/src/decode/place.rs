//! Where what is read of a row goes, and how one row becomes several records.
//!
//! Takes a record type and the wanted fields; gives each known name a number (fields in catalogue order, then the columns of numbered
//! members and those that only together are a field, the secrecy mark, the operation, the sender's number of the row, and one number for all that is never read), and a place to each number that is read: the wanted fields
//! first, in their order. A splitter fills places; the judge reads records out of them.

use super::sent::Sent;
use crate::catalogue::{Field, Gathered, RecordType, Unfold};
use crate::value;

/// Numbers and places of one record type and choice of fields.
#[derive(Clone)]
pub(crate) struct Places {
    /// Number → place.
    by_number: Vec<Option<usize>>,
    count: usize,
    wanted: usize,
}

impl Places {
    pub(crate) fn new(record: &RecordType, wanted: &[&'static Field], row_id: bool) -> Self {
        let slot = |name: &str| wanted.iter().position(|field| field.name == name);
        let mut count = wanted.len();
        let mut next = || {
            count += 1;
            Some(count - 1)
        };
        let mut by_number: Vec<Option<usize>> = record.fields.iter().map(|field| slot(field.name)).collect();
        if let Some(unfold) = record.unfold {
            for (member, row) in unfold.head {
                let number = record.fields.iter().position(|field| field.name == *row);
                let place = number.and_then(|number| by_number.get_mut(number));
                // The head's column is read for the member that the head is, wanted or not for the row.
                if let Some(place @ None) = place
                    && slot(member).is_some()
                {
                    *place = next();
                }
            }
            for _ in 0..unfold.most {
                by_number.extend(unfold.own.iter().map(|(name, _)| slot(name).and_then(|_| next())));
            }
        }
        for spread in record.spread {
            let wanted = slot(spread.field);
            if let (Some(_), Gathered::ChosenBy(by, _)) = (wanted, &spread.gathered) {
                let number = record.fields.iter().position(|field| field.name == *by);
                // What chooses is read, wanted or not for the row.
                if let Some(place @ None) = number.and_then(|number| by_number.get_mut(number)) {
                    *place = next();
                }
            }
            by_number.extend(spread.columns.iter().map(|_| wanted.and_then(|_| next())));
        }
        by_number.push(next());
        by_number.push(next());
        by_number.push(if row_id { next() } else { None });
        Self {
            by_number,
            count,
            wanted: wanted.len(),
        }
    }

    /// The place of a number; none when it is not read.
    pub(crate) fn of(&self, number: usize) -> Option<usize> {
        self.by_number.get(number).copied().flatten()
    }

    /// The number of a place.
    pub(crate) fn number(&self, place: usize) -> Option<usize> {
        self.by_number.iter().position(|other| *other == Some(place))
    }

    /// Whether the number is that of a wanted field.
    pub(crate) fn is_wanted(&self, number: usize) -> bool {
        self.of(number).is_some_and(|place| place < self.wanted)
    }

    /// How many places there are.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many numbers there are, without that of what is never read.
    pub(crate) fn numbers(&self) -> usize {
        self.by_number.len()
    }

    /// The field that is read from the number, be it for a row or for a member of it.
    pub(crate) fn field(record: &'static RecordType, number: usize) -> Option<&'static Field> {
        let Some(beyond) = number.checked_sub(record.fields.len()) else {
            return record.fields.get(number);
        };
        let members = members(record);
        if beyond < members {
            let own = record.unfold?.own;
            return record.field(own.get(beyond % own.len())?.0);
        }
        let mut parts = record
            .spread
            .iter()
            .flat_map(|spread| spread.columns.iter().map(|_| spread.field));
        record.field(parts.nth(beyond - members)?)
    }

    /// The number of the column of a member, counted from 1, for the field at that place of `own`.
    pub(crate) fn number_of_member(record: &RecordType, unfold: &Unfold, member: usize, own: usize) -> usize {
        record.fields.len() + member.saturating_sub(1) * unfold.own.len() + own
    }

    /// The number of a column that is part of a field, counted over all of [`RecordType::spread`].
    pub(crate) fn number_of_part(record: &RecordType, part: usize) -> usize {
        record.fields.len() + members(record) + part
    }

    /// The number of the secrecy mark.
    pub(crate) fn number_of_mark(record: &RecordType) -> usize {
        let parts = record.spread.iter().map(|spread| spread.columns.len()).sum();
        Self::number_of_part(record, parts)
    }

    /// The number of the operation.
    pub(crate) fn number_of_operation(record: &RecordType) -> usize {
        Self::number_of_mark(record) + 1
    }

    /// The number of the sender's own number of the row.
    pub(crate) fn number_of_row_id(record: &RecordType) -> usize {
        Self::number_of_operation(record) + 1
    }

    /// The number of everything that is never read.
    pub(crate) fn number_unread(record: &RecordType) -> usize {
        Self::number_of_row_id(record) + 1
    }
}

/// How many columns members may have.
fn members(record: &RecordType) -> usize {
    record.unfold.map_or(0, |unfold| unfold.most * unfold.own.len())
}

/// The records that one row may hold.
pub(crate) struct Unfolding {
    /// The row's own columns.
    plain: Member,
    numbered: Vec<Member>,
    head: Option<Member>,
    /// Wanted slot of the field by which the head is known.
    told_by: Option<usize>,
    /// Places of all columns of numbered members.
    columns: Vec<usize>,
}

/// One record of a row.
pub(crate) struct Member {
    /// Wanted slot → place from which it is read.
    from: Vec<Option<usize>>,
    /// Places that say whether there is such a member.
    telling: Vec<usize>,
}

impl Member {
    /// The place from which that wanted field is read.
    pub(crate) fn place(&self, slot: usize) -> Option<usize> {
        self.from.get(slot).copied().flatten()
    }

    fn is_there<'a>(&self, sent: &dyn Fn(usize) -> Sent<'a>) -> bool {
        self.telling.iter().any(|place| match sent(*place) {
            Sent::Missing => false,
            Sent::Text(text) => !value::says_nothing(text),
            Sent::Bad(_) | Sent::Undecodable(_) => true,
        })
    }
}

impl Unfolding {
    /// How rows of that record type unfold; none when they do not, or when nothing that a member has of its own is wanted.
    pub(crate) fn new(record: &'static RecordType, wanted: &[&'static Field], places: &Places) -> Option<Self> {
        let unfold = record.unfold?;
        let slot = |name: &str| wanted.iter().position(|field| field.name == name);
        let number = |name: &str| record.fields.iter().position(|field| field.name == name);
        let own: Vec<(&str, usize)> = unfold
            .own
            .iter()
            .filter_map(|(name, _)| Some((*name, slot(name)?)))
            .collect();
        if own.is_empty() {
            return None;
        }
        // Whoever has a name or a number is there; a sex alone is nobody.
        let tells = |name: &str| unfold.head.is_empty() || unfold.head.iter().any(|(member, _)| *member == name);
        let member = |place_of: &dyn Fn(&str) -> Option<usize>| {
            let mut from: Vec<Option<usize>> = (0..wanted.len()).map(Some).collect();
            for (name, slot) in &own {
                if let Some(place) = from.get_mut(*slot) {
                    *place = place_of(name);
                }
            }
            let telling = own.iter().filter(|(name, _)| tells(name));
            Member {
                from,
                telling: telling.filter_map(|(name, _)| place_of(name)).collect(),
            }
        };
        let numbered: Vec<Member> = (1..=unfold.most)
            .map(|count| {
                member(&|name| {
                    let at = unfold.own.iter().position(|(own, _)| *own == name)?;
                    places.of(Places::number_of_member(record, unfold, count, at))
                })
            })
            .collect();
        let head = member(&|name| {
            let (_, row) = unfold.head.iter().find(|(member, _)| *member == name)?;
            places.of(number(row)?)
        });
        let columns = numbered.iter().flat_map(|member| {
            own.iter()
                .filter_map(|(_, slot)| member.place(*slot))
                .collect::<Vec<_>>()
        });
        let told_by = slot(unfold.told_by);
        Some(Self {
            plain: member(&|name| slot(name)),
            columns: columns.collect(),
            numbered,
            // Without the field that tells members apart the head would be counted twice.
            head: told_by.is_some().then_some(head),
            told_by,
        })
    }

    /// The records of a row; one at least.
    pub(crate) fn members<'a>(&self, sent: &dyn Fn(usize) -> Sent<'a>) -> Vec<&Member> {
        let folded = self.columns.iter().any(|place| !matches!(sent(*place), Sent::Missing));
        if !folded {
            return vec![&self.plain];
        }
        let mut there: Vec<&Member> = std::iter::once(&self.plain)
            .chain(&self.numbered)
            .filter(|member| member.is_there(sent))
            .collect();
        if let Some(head) = &self.head
            && head.is_there(sent)
            && !there.iter().any(|member| self.same(member, head, sent))
        {
            there.push(head);
        }
        if there.is_empty() {
            there.push(&self.plain);
        }
        there
    }

    fn same<'a>(&self, one: &Member, other: &Member, sent: &dyn Fn(usize) -> Sent<'a>) -> bool {
        let text = |member: &Member| match sent(member.place(self.told_by?)?) {
            Sent::Text(text) => Some(value::trimmed(text)),
            Sent::Missing | Sent::Bad(_) | Sent::Undecodable(_) => None,
        };
        match (text(one), text(other)) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            _ => false,
        }
    }
}
