//! Discrepancies (比对差异): where two sources contradict each other about one person or unit. Takes which subjects a part touched; gives
//! what is to be recorded and what is settled.
//!
//! This file: the closed table of kinds, and what a store reads and writes · `rules` which columns contradict each other, as SQL on the
//! touched subjects alone · `weigh` what holds now against what was recorded · `touch` whom a part may have changed · `rival` rows of one key that contradict each other · `listing` for people.
//!
//! Recorded in the transaction that brings the rows, so a crash neither loses nor doubles one. One line a (subject, kind, record type, other
//! record type): however many rows contradict each other so, it names one pair of them, by key, exchange and row, and copies no value. A
//! contradiction that a later row removes is settled, not deleted; when it comes back, the same line is open again.

pub(super) mod listing;
pub(super) mod rival;
pub(super) mod rules;
pub(super) mod touch;
pub(super) mod weigh;

use shuguan_adapters::value::name::folded;
use uuid::Uuid;

macro_rules! kinds {
    ($($variant:ident $code:literal $slug:literal $zh:literal $en:literal $next:literal;)*) => {
        /// What contradicts what. Codes are stable and never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind { $(#[doc = $en] $variant,)* }

        impl Kind {
            /// Every kind there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Stable code, e.g. `SG9301`.
            pub fn code(self) -> &'static str { match self { $(Self::$variant => $code,)* } }

            /// Short name, e.g. `name-differs`.
            pub fn slug(self) -> &'static str { match self { $(Self::$variant => $slug,)* } }

            /// Title in Chinese.
            pub fn zh(self) -> &'static str { match self { $(Self::$variant => $zh,)* } }

            /// Title in English.
            pub fn en(self) -> &'static str { match self { $(Self::$variant => $en,)* } }

            /// What somebody may do about it.
            pub fn next(self) -> &'static str { match self { $(Self::$variant => $next,)* } }
        }
    };
}

kinds! {
    NameDiffers "SG9301" "name-differs" "同一号码姓名不一致" "one resident id with two names" "let both sources check the name";
    SexDiffers "SG9302" "sex-differs" "同一号码性别不一致" "one resident id with two sexes" "let both sources check the sex";
    BirthDiffers "SG9303" "birth-differs" "同一号码出生日期不一致" "one resident id with two birth dates" "let both sources check the birth date";
    TwoNumbers "SG9304" "two-numbers" "一人多号" "a corrected resident id and the one before it are both registered" "let public security close the old number";
    DeadActive "SG9305" "dead-active" "已死亡仍在册或享受待遇" "two sources agree on a death, and another has the person as living" "stop benefits; let the other source check";
    SuspectedDeath "SG9306" "suspected-death" "疑似死亡仍在册或享受待遇" "a death is reported on which no two sources agree, and another has the person as living" "visit the person, or ask the source of the death";
    DoubleAid "SG9307" "double-aid" "低保与特困重复救助" "one person has subsistence allowance and support of the destitute for the same month" "let civil affairs decide which of them holds";
    DeathDateDiffers "SG9308" "death-date-differs" "同一人死亡日期不一致" "two sources report the death of one person on different days" "let both sources check the day; until two agree the death is suspected";
    TwoRegisters "SG9401" "two-registers" "单位在两类登记中重复" "one unit is active in two registers" "let both registers check the unit";
    UnknownToTax "SG9402" "unknown-to-tax" "工商存续、税务无登记" "an enterprise is active in commerce, and tax does not know it" "ask tax; a young enterprise may still be within its 30 days";
    CancelledWithholding "SG9403" "cancelled-withholding" "单位已注销仍在扣缴" "a unit is cancelled, and its employees have not left" "ask tax who pays these employees";
}

impl Kind {
    /// The kind of that code or short name.
    pub fn parse(word: &str) -> Option<Self> {
        let same = |kind: &&Self| kind.code().eq_ignore_ascii_case(word) || kind.slug() == word;
        Self::ALL.iter().find(same).copied()
    }

    /// Its bit where SQL says of a pair which kinds it is.
    fn bit(self) -> i64 {
        1 << self as u32
    }
}

/// One side of a contradiction: a row, by its key and by where it came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Side {
    pub(super) key: String,
    pub(super) exchange: Uuid,
    pub(super) row: i64,
}

/// What a line is about: its key in the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Topic {
    pub(super) subject: String,
    pub(super) kind: Kind,
    pub(super) record: String,
    pub(super) other: String,
}

/// One pair of rows that contradict each other, or one row that lacks its counterpart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Pair {
    pub(super) one: Side,
    pub(super) other: Option<Side>,
}

/// One line that a store read: what holds now, or what was recorded.
pub(super) struct Read {
    pub(super) subject: String,
    pub(super) record: String,
    pub(super) other: String,
    pub(super) pair: Pair,
    pub(super) says: Says,
}

/// What two rows of one person call him, where SQL found that it is not the same characters.
pub(super) struct Names<'n> {
    pub(super) one: Option<&'n str>,
    pub(super) other: Option<&'n str>,
    /// What the first row says that he was called before.
    pub(super) former: Option<&'n str>,
}

impl Names<'_> {
    /// The kinds that are left of those that hold: two spellings of one name are no contradiction, nor is the former name.
    pub(super) fn judge(&self, kinds: i64) -> i64 {
        let bit = Kind::NameDiffers.bit();
        let (Some(one), Some(other)) = (self.one, self.other) else {
            return kinds;
        };
        if kinds & bit == 0 {
            return kinds;
        }
        let other = folded(other);
        let same = folded(one) == other || self.former.is_some_and(|former| folded(former) == other);
        if same { kinds & !bit } else { kinds }
    }
}

/// Which of the two it is.
pub(super) enum Says {
    /// These kinds hold, by [`Kind::bit`].
    Holds(i64),
    /// It is recorded.
    Recorded(Recorded),
}

/// A line of the table.
pub(super) struct Recorded {
    /// Code of the kind.
    pub(super) code: String,
    pub(super) last_us: i64,
    pub(super) settled: bool,
}

/// A line to be written, over the one of the same topic. Of a line that is there the first time stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) topic: Topic,
    pub(super) pair: Pair,
    /// First time, if it is new.
    pub(super) first_us: i64,
    pub(super) last_us: i64,
    /// When, and by which exchange.
    pub(super) settled: Option<(i64, Uuid)>,
}

#[cfg(test)]
mod tests {
    use super::{Kind, Names};
    use crate::refusal::Refusal;

    #[test]
    fn no_code_and_no_short_name_stands_twice_also_not_among_the_refusals() {
        let codes: Vec<&str> = Kind::ALL.iter().map(|kind| kind.code()).collect();
        for (place, kind) in Kind::ALL.iter().enumerate() {
            assert!(!codes.iter().take(place).any(|code| *code == kind.code()), "{kind:?}");
            assert!(Refusal::parse(kind.code()).is_none() && Refusal::parse(kind.slug()).is_none());
            assert_eq!(Kind::parse(kind.slug()), Some(*kind));
            assert_eq!(Kind::parse(&kind.code().to_lowercase()), Some(*kind));
            assert!(!kind.zh().is_ascii() && !kind.en().is_empty() && !kind.next().is_empty());
        }
        assert_eq!(Kind::parse("name"), None);
    }

    #[test]
    fn two_spellings_of_a_name_are_no_contradiction_and_other_kinds_stay() {
        let both = Kind::NameDiffers.bit() | Kind::SexDiffers.bit();
        let judged = |one, other, former| {
            let (one, other) = (Some(one), Some(other));
            Names { one, other, former }.judge(both)
        };
        for spelling in [
            "阿卜杜拉•买买提",
            "阿卜杜拉・买买提",
            "阿卜杜拉 · 买买提",
            "阿卜杜拉．买买提",
        ] {
            assert_eq!(
                judged("阿卜杜拉·买买提", spelling, None),
                Kind::SexDiffers.bit(),
                "{spelling}"
            );
            assert_eq!(
                judged("甲", spelling, Some("阿卜杜拉·买买提")),
                Kind::SexDiffers.bit(),
                "{spelling}"
            );
        }
        assert_eq!(judged("阿卜杜拉·买买提", "阿卜杜拉买买提", None), both);
        assert_eq!(judged("甲", "乙", Some("丙")), both);
        let unsaid = Names {
            one: None,
            other: Some("乙"),
            former: None,
        };
        assert_eq!(unsaid.judge(both), both);
    }
}
