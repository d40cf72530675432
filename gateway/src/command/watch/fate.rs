//! What becomes of an attempt to send a file of a drop folder, and what the report beside the file says.
//!
//! Takes the gateway's word, or that there is none; gives a fate, and a problem as the CSV of an `.err`. A refusal counts against the file only when it is
//! about the file: one about who we are or what we may do now leaves the file as good as it was.

use crate::api::report::COLUMNS;
use crate::client::deliver::Pushed;
use crate::client::outbox::{Item, stamp};
use crate::client::undelivered::why_unheard;
use crate::client::{CallError, Problem};
use crate::command::exit::Failure;
use crate::csv_text;
use crate::refusal::Refusal;

/// What became of an attempt.
pub(super) enum Fate {
    /// A receipt lies beside it.
    Accepted(Box<Pushed>),
    /// It was delivered before, under this exchange; how that is known.
    Known { exchange: String, by: &'static str },
    /// The gateway, or its companion, says no to this file as it is; the report goes beside it.
    Refused {
        code: String,
        title: String,
        report: String,
    },
    /// Sent first at this moment and never answered, longer ago than is safe to repeat: a person must look.
    Unheard(i64),
    /// The gateway says no to us: nothing of this folder can go now.
    Barred { code: String, title: String },
    /// What may be sent of this record type today is sent: nothing of this folder can go for so long, and other folders are not held up.
    Spent { error: CallError, again_s: u64 },
    /// It, or what was noted of it, cannot be read: others go on.
    Unread(String),
    /// Not reached, or asked to come again.
    Later(CallError),
    /// It changed under our hands: the next look finds it again.
    Changed,
}

impl Fate {
    pub(super) fn refused(problem: &Problem) -> Self {
        Self::Refused {
            code: problem.code.clone(),
            title: problem.title.clone(),
            report: problem_csv(problem),
        }
    }

    /// Refused on this side, for this reason.
    pub(super) fn refused_for(refusal: Refusal, why: &str) -> Self {
        Self::refused(&Problem {
            code: refusal.code().into(),
            title: refusal.zh().into(),
            detail: Some(why.to_owned()),
            ..Problem::default()
        })
    }

    /// Refused on this side, for what a failure says of this file alone.
    pub(super) fn refused_by(failure: Failure) -> Self {
        let otherwise = "otherwise state it as it was sent, and remove this .err";
        let next = failure.next.map(|next| format!("{next}; {otherwise}"));
        Self::refused(&Problem {
            code: failure.code.unwrap_or_default(),
            title: failure.what,
            detail: failure.why,
            next,
            ..Problem::default()
        })
    }

    /// Whether anything was sent or written down of the file: there may be more to send by now.
    pub(super) fn is_news(&self) -> bool {
        !matches!(self, Self::Changed | Self::Unread(_))
    }
}

pub(super) fn fate_of(item: &Item, error: CallError) -> Fate {
    if has_changed(item) {
        return Fate::Changed;
    }
    fate_of_unchanged(error)
}

fn fate_of_unchanged(error: CallError) -> Fate {
    if let Some(asked) = error.retry() {
        return match asked.filter(|_| is_spent(&error)) {
            Some(again_s) => Fate::Spent { error, again_s },
            None => Fate::Later(error),
        };
    }
    match error {
        CallError::Problem(problem) if problem.is_about_the_file() || problem.fits_no_day => Fate::refused(&problem),
        CallError::Problem(problem) => Fate::Barred {
            code: problem.code,
            title: problem.title,
        },
        CallError::Certificate(refusal) => Fate::Barred {
            code: refusal.code().into(),
            title: refusal.zh().into(),
        },
        error => Fate::Later(error),
    }
}

/// Whether it is the quota of a grant, and not the gateway, that says when to come again.
fn is_spent(error: &CallError) -> bool {
    matches!(error, CallError::Problem(problem) if problem.code == Refusal::QuotaExceeded.code())
}

/// What cannot be read, unless it was taken away or changed meanwhile.
pub(super) fn unread(item: &Item, why: String) -> Fate {
    if has_changed(item) {
        Fate::Changed
    } else {
        Fate::Unread(why)
    }
}

pub(super) fn has_changed(item: &Item) -> bool {
    let now = stamp(&item.file, None);
    now.is_none_or(|now| (now.bytes, now.changed_us) != (item.stamp.bytes, item.stamp.changed_us))
}

/// What the `.err` of a file says that was never answered.
pub(super) fn unheard(sent_us: i64) -> Problem {
    Problem {
        title: "网关是否已收到本文件不明".into(),
        detail: Some(why_unheard(sent_us)),
        next: Some("shuguan reconcile DIR --trust FILE --server: if it names an exchange of this record type, length and time `missing-here`, the file was taken: leave this .err; if none, remove it and the file is sent as a new batch".into()),
        ..Problem::default()
    }
}

/// A problem as the `.err` of a file: itself first, then its rows, and whether there are more.
pub(super) fn problem_csv(problem: &Problem) -> String {
    let mut text = format!("{}{}", csv_text::MARK, csv_text::row(&COLUMNS));
    let next = [&problem.detail, &problem.next];
    let hint: Vec<&str> = next.into_iter().flatten().map(String::as_str).collect();
    text.push_str(&csv_text::row(&[
        "0",
        "0",
        "",
        "",
        "",
        "",
        &problem.code,
        &problem.title,
        "",
        &hint.join("; "),
        "",
    ]));
    for row in &problem.errors {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        text.push_str(&csv_text::row(&[
            row.row.to_string(),
            row.line.to_string(),
            or_empty(&row.cell),
            or_empty(&row.field),
            or_empty(&row.field_zh),
            or_empty(&row.header),
            row.code.clone(),
            row.title.clone(),
            or_empty(&row.expected),
            or_empty(&row.hint),
            or_empty(&row.id),
        ]));
    }
    if problem.errors_truncated {
        let told = problem.errors.iter().filter(|row| row.row > 0).count();
        let title = format!("以上为前 {told} 条，另有更多");
        let row = ["0", "0", "", "", "", "", &problem.code, &title, "", MORE, ""];
        text.push_str(&csv_text::row(&row));
    }
    text
}

/// How to get the rows that an `.err` does not hold.
const MORE: &str = "there are more: shuguan rejects EXCHANGE -o rejects.csv";

#[cfg(test)]
mod tests {
    use super::{Fate, fate_of_unchanged};
    use crate::client::{CallError, Problem};
    use crate::refusal::Refusal;

    fn exhausted(retry_after_s: Option<u64>, fits_no_day: bool) -> Fate {
        fate_of_unchanged(CallError::Problem(Box::new(Problem {
            status: 429,
            code: Refusal::QuotaExceeded.code().into(),
            retry_after_s,
            fits_no_day,
            ..Problem::default()
        })))
    }

    #[test]
    fn only_a_file_of_which_the_gateway_says_that_it_fits_no_day_is_given_up_for_a_quota() {
        assert!(matches!(exhausted(None, true), Fate::Refused { .. }));
        assert!(matches!(exhausted(Some(60), false), Fate::Spent { again_s: 60, .. }));
        assert!(matches!(exhausted(None, false), Fate::Later(_)));
    }
}
