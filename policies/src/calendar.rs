//! Calendars: the working days of a year, with moved working days (调休) as data.
//!
//! Takes `calendars/*.toml`; says whether a day is a working day. Refuses a date outside its year, a date that stands twice, and a
//! moved working day that is one anyway. A year that a calendar does not have is not guessed.

use std::collections::BTreeSet;
use std::sync::Arc;

use shuguan_adapters::value::date::{civil_from_days, days_from_civil};
use toml::Spanned;
use toml::value::Datetime;

use crate::canonical::Canonical;
use crate::document::{Document, Table, nearest};

/// The working days of some years.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Its id, e.g. `cn`.
    pub id: String,
    years: Vec<Year>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Year {
    number: i32,
    /// Days off, in days since 1970-01-01.
    off: BTreeSet<i32>,
    /// Saturdays and Sundays that are worked.
    on: BTreeSet<i32>,
}

impl Calendar {
    /// Whether a day (since 1970-01-01, in Asia/Shanghai) is worked; `None` when the calendar does not have its year.
    pub fn is_working(&self, day: i32) -> Option<bool> {
        let (number, ..) = civil_from_days(day);
        let year = self.years.iter().find(|year| year.number == number)?;
        Some(year.on.contains(&day) || (!is_weekend(day) && !year.off.contains(&day)))
    }

    /// Whether every day that is worked here is worked there.
    pub(crate) fn works_within(&self, other: &Self) -> bool {
        self.years.iter().all(|year| {
            let number = year.number.cast_unsigned();
            let days = days_from_civil(number, 1, 1).zip(days_from_civil(number + 1, 1, 1));
            days.is_some_and(|(first, end)| {
                (first..end).all(|day| self.is_working(day) != Some(true) || other.is_working(day) == Some(true))
            })
        })
    }

    /// The years it has, ascending.
    pub fn years(&self) -> impl Iterator<Item = i32> {
        self.years.iter().map(|year| year.number)
    }

    pub(crate) fn encode(&self, out: &mut Canonical) {
        out.text(&self.id).count(self.years.len());
        for year in &self.years {
            out.instant(year.number.into());
            for days in [&year.off, &year.on] {
                out.count(days.len());
                for day in days {
                    out.instant((*day).into());
                }
            }
        }
    }
}

/// 1970-01-01 was a Thursday.
fn is_weekend(day: i32) -> bool {
    (day + 3).rem_euclid(7) >= 5
}

/// Every calendar of a bundle.
#[derive(Debug, Default)]
pub(crate) struct Calendars {
    pub(crate) list: Vec<Arc<Calendar>>,
}

impl Calendars {
    pub(crate) fn read<'s>(&mut self, document: &mut Document<'s>, mut root: Table<'s>) {
        let id: Option<Spanned<String>> = root.required(document, "id");
        let _: Option<String> = root.optional(document, "zh");
        let mut years: Vec<Year> = Vec::new();
        for mut table in root.tables(document, "year") {
            let number: Option<Spanned<i32>> = table.required(document, "year");
            let off = read_days(document, &mut table, "off", number.as_ref());
            let on = read_days(document, &mut table, "on", number.as_ref());
            table.finish(document);
            check_moved(document, &on);
            let Some(number) = number else { continue };
            if years.iter().any(|year| year.number == *number.get_ref()) {
                document.fault(
                    number.span(),
                    format!("year {} stands here twice", number.get_ref()),
                    None,
                );
            }
            years.push(Year {
                number: number.into_inner(),
                off: off.iter().map(|(day, _)| *day).collect(),
                on: on.iter().map(|(day, _)| *day).collect(),
            });
        }
        root.finish(document);
        let Some(id) = id else { return };
        if self.find(id.get_ref()).is_some() {
            document.fault(
                id.span(),
                format!("calendar `{}` is declared twice", id.get_ref()),
                None,
            );
        }
        years.sort_by_key(|year| year.number);
        self.list.push(Arc::new(Calendar {
            id: id.into_inner(),
            years,
        }));
        self.list.sort_by(|a, b| a.id.cmp(&b.id));
    }

    pub(crate) fn find(&self, id: &str) -> Option<&Arc<Calendar>> {
        self.list.iter().find(|calendar| calendar.id == id)
    }

    pub(crate) fn suggest(&self, id: &str) -> Option<String> {
        let ids: Vec<String> = self.list.iter().map(|calendar| calendar.id.clone()).collect();
        nearest(id, &ids).map(|known| format!("did you mean `{known}`?"))
    }
}

type Placed = (i32, std::ops::Range<usize>);

fn read_days<'s>(
    document: &mut Document<'s>,
    table: &mut Table<'s>,
    key: &str,
    year: Option<&Spanned<i32>>,
) -> Vec<Placed> {
    let dates: Vec<Spanned<Datetime>> = table.or(document, key, Vec::new());
    let mut days: Vec<Placed> = Vec::new();
    for date in dates {
        let read = match date.get_ref() {
            Datetime {
                date: Some(date),
                time: None,
                offset: None,
            } => days_from_civil(date.year.into(), date.month.into(), date.day.into())
                .filter(|_| year.is_none_or(|year| *year.get_ref() == i32::from(date.year))),
            _ => None,
        };
        match read {
            Some(day) if days.iter().any(|(before, _)| *before == day) => {
                document.fault(date.span(), "this day stands here twice".into(), None);
            }
            Some(day) => days.push((day, date.span())),
            None => document.fault(
                date.span(),
                "a day of this year, written e.g. `2026-10-01`".into(),
                None,
            ),
        }
    }
    days
}

fn check_moved(document: &mut Document<'_>, on: &[Placed]) {
    for (day, span) in on {
        if !is_weekend(*day) {
            let hint = "`on` lists the Saturdays and Sundays that are worked";
            document.fault(
                span.clone(),
                "this is a day from Monday to Friday".into(),
                Some(hint.into()),
            );
        }
    }
}
