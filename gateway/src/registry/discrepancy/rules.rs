//! Which rows contradict each other. Takes the tables that the plans make; gives rules, each one SELECT on the touched subjects.
//!
//! A rule needs columns as their sources sent them ([`super::super::schema::ColumnSpec::plain`]): where a deployment lacks one, or reduces it, the rule is not there.
//! Only open rows speak. A rule joins by a primary key or by the index of persons or units, so it costs a few look-ups a touched subject.
//! Rules on units: `units`. `CROSS JOIN` keeps SQLite to the order that is written: the touched subjects first, then the rarer side.

mod units;

use super::super::dialect::Dialect;
use super::super::schema::TableSpec;
use super::super::speaking::Speaking;
use super::touch::Touched;
use super::{Kind, rival};

const RESIDENT: &str = "public-security/resident";
const FLOATING: &str = "public-security/floating-resident";
const BIRTH: &str = "public-security/birth";
const ALLOWANCE: &str = "civil-affairs/subsistence-allowance";
const DESTITUTE: &str = "civil-affairs/destitute-support";
const ENROLMENT: &str = "health/rural-medical-enrolment";
const WITHHOLDING: &str = "tax/withholding-employee";

/// Whose word about a person weighs most, in order: others are compared with the first of them that has the person.
const AUTHORITIES: [&str; 3] = [RESIDENT, FLOATING, BIRTH];
/// Who else says what a person is called. Record types with many rows a person, as contributions are, are left out: each touched person would cost all of them.
const OTHERS: [&str; 7] = [
    "public-security/death",
    "health/death-certificate",
    "civil-affairs/cremation",
    ALLOWANCE,
    DESTITUTE,
    ENROLMENT,
    WITHHOLDING,
];
/// Who reports a death (design 10.9).
const DEATHS: [&str; 3] = [
    "public-security/death",
    "health/death-certificate",
    "civil-affairs/cremation",
];
/// Who says that a person lives.
const LIVING: [&str; 6] = [RESIDENT, FLOATING, ALLOWANCE, DESTITUTE, ENROLMENT, WITHHOLDING];

/// Whom a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::registry) enum About {
    Person,
    Unit,
}

/// One way in which two record types can contradict each other.
pub(in crate::registry) struct Rule {
    pub(super) about: About,
    kinds: &'static [Kind],
    pub(super) record: &'static str,
    pub(super) other: &'static str,
    /// Record types whose rows decide it.
    depends: Vec<&'static str>,
    select: String,
}

impl Rule {
    /// Whether it decides lines of that kind between those record types.
    pub(super) fn covers(&self, kind: Kind, record: &str, other: &str) -> bool {
        self.record == record && self.other == other && self.kinds.contains(&kind)
    }

    /// Whether it may say something else of what was touched.
    pub(super) fn is_due(&self, touched: &Touched<'_>) -> bool {
        self.depends.contains(&touched.record) || touched.joined(self.about)
    }
}

/// The rules of a deployment.
pub(in crate::registry) struct Rules {
    dialect: Dialect,
    pub(super) all: Vec<Rule>,
    /// Record types whose rows can be rivals: what is recorded of them is read though no rule asks.
    rivals: Vec<&'static str>,
}

impl Rules {
    /// Those that the tables have the columns for.
    pub(in crate::registry) fn of(dialect: Dialect, tables: &[TableSpec]) -> Self {
        let write = Writer { dialect, tables };
        let mut all = Vec::new();
        all.extend(write.identities());
        all.extend(write.two_numbers());
        all.extend(write.deaths());
        all.extend(write.death_dates());
        all.extend(write.double_aid());
        all.extend(write.two_registers());
        all.extend(write.unknown_to_tax());
        all.extend(write.withholding());
        let rivals = tables.iter().filter(|table| rival::may_meet(table));
        Self {
            dialect,
            all,
            rivals: rivals.map(|table| table.record.name).collect(),
        }
    }

    /// Columns, on each store: 1 where it is recorded and 0 where it holds; kinds that hold; code; subject; both record types; key, exchange
    /// and row of both sides; last time; 1 where it is settled; where names are compared both names and the former one ([`super::Names`]).
    ///
    /// The one statement for subjects that rows of a record type touched, or of any where numbers were joined or parted: what holds, and what is
    /// recorded of them. None when no rule asks.
    pub(in crate::registry) fn statement(&self, about: About, touched: &Touched<'_>) -> Option<String> {
        let due = |rule: &&Rule| rule.about == about && rule.is_due(touched);
        let mut selects: Vec<&str> = self.all.iter().filter(due).map(|rule| rule.select.as_str()).collect();
        if selects.is_empty() && !(about == About::Person && self.rivals.contains(&touched.record)) {
            return None;
        }
        let (touched, recorded) = match about {
            About::Person => (PERSONS, "t.one AND t.other = t.subject"),
            About::Unit => (
                "touched(subject) AS MATERIALIZED (SELECT number FROM listed)",
                "t.subject",
            ),
        };
        let recorded = format!(
            "SELECT CAST(1 AS bigint), CAST(0 AS bigint), k.kind, k.subject, k.record, k.other_record, k.row_key, k.exchange, k.row_no, \
             k.other_key, k.other_exchange, k.other_row, k.last_us, CAST(CASE WHEN k.settled_us IS NULL THEN 0 ELSE 1 END AS bigint), {NO_NAMES} \
             FROM touched t CROSS JOIN discrepancy k WHERE k.subject = {recorded}"
        );
        selects.push(&recorded);
        Some(format!(
            "WITH listed(number) AS MATERIALIZED ({}), {touched} {}",
            self.dialect.listed(),
            selects.join(" UNION ALL ")
        ))
    }
}

/// A person of whom one table has more open rows is not compared by them: a row a month is fewer for twenty years.
const ROWS_MAX: usize = 256;

/// The persons whom the listed numbers are of, each under the number in force (`subject`), with each pair of his numbers, under which one and
/// the other row may stand. Of nearly everybody that is one number with itself.
const PERSONS: &str = "subjects(subject) AS MATERIALIZED (SELECT DISTINCT coalesce(p.subject, listed.number) FROM listed \
    LEFT JOIN person p ON p.citizen_id = listed.number), \
    touched(subject, one, other) AS MATERIALIZED (SELECT subject, subject, subject FROM subjects UNION ALL \
    SELECT subjects.subject, m.citizen_id, n.citizen_id FROM subjects CROSS JOIN person m CROSS JOIN person n WHERE m.subject = subjects.subject \
    AND n.subject = subjects.subject AND (m.citizen_id <> subjects.subject OR n.citizen_id <> subjects.subject))";

/// Each touched person once, whatever numbers he has.
const EACH_ONCE: &str = "t.one = t.subject AND t.other = t.subject";

/// A table with the name under which a rule reads it.
#[derive(Clone, Copy)]
struct Seen<'t> {
    spec: &'t TableSpec,
    alias: &'static str,
}

impl Seen<'_> {
    fn record(&self) -> &'static str {
        self.spec.record.name
    }

    /// Whether all of those columns are there as their source sent them.
    fn has(&self, columns: &[&str]) -> bool {
        let plain = |name: &&str| self.spec.column(name).is_some_and(|column| column.plain);
        columns.iter().all(plain)
    }

    fn named(&self) -> String {
        format!("{} {}", self.spec.name, self.alias)
    }

    /// Open rows about the touched person, under his number `one` or `other`.
    fn person(&self, number: &str) -> Option<String> {
        let column = self.number()?;
        let open = self.under(&format!("t.{number}"), column);
        if self.spec.keyed_by_person() {
            return Some(open);
        }
        // Of rows of one person against each other there are as many as the one times the other: who sends thousands about one would stop the relay.
        Some(format!(
            "{open} AND NOT EXISTS (SELECT 1 FROM {} m WHERE m.{column} = t.{number} AND m._open <> 0 LIMIT 1 OFFSET {ROWS_MAX})",
            self.spec.name
        ))
    }

    /// Whether there is an open row about the touched person, under any of his numbers.
    fn knows(&self) -> Option<String> {
        let number = self.number()?;
        Some(format!(
            "(EXISTS (SELECT 1 FROM {0} WHERE {1}) OR EXISTS (SELECT 1 FROM person n CROSS JOIN {0} WHERE n.subject = t.subject AND {2}))",
            self.named(),
            self.under("t.subject", number),
            self.under("n.citizen_id", number)
        ))
    }

    /// The one row that says for its source when the touched person died ([`Speaking`]).
    fn reports(&self, dialect: Dialect) -> Option<String> {
        let number = self.number()?;
        let speaks = Speaking::of(dialect, self.spec, Some("death_date"));
        Some(format!(
            "{}._key = CASE WHEN EXISTS (SELECT 1 FROM person o WHERE o.subject = t.subject) THEN {} ELSE {} END",
            self.alias,
            speaks.of_person(number, "t.subject"),
            speaks.under(number, "t.subject")
        ))
    }

    /// The column of the person's number.
    fn number(&self) -> Option<&'static str> {
        let person = self.spec.person_column().filter(|column| self.has(&[column]))?;
        Some(if self.spec.keyed_by_person() { "_key" } else { person })
    }

    fn under(&self, number: &str, column: &str) -> String {
        format!("{0}.{column} = {number} AND {0}._open <> 0", self.alias)
    }

    /// Open rows about the touched unit. A unit goes by the first number that its row has, so each of them has to be as it was sent.
    fn unit(&self) -> Option<String> {
        const NUMBERS: [&str; 4] = ["uscc", "org_code", "reg_no", "taxpayer_id"];
        let mut numbers = NUMBERS
            .into_iter()
            .filter(|name| self.spec.column(name).is_some())
            .peekable();
        let compares = self.spec.has_unit() && numbers.peek().is_some() && numbers.all(|name| self.has(&[name]));
        compares.then(|| format!("{0}._unit = t.subject AND {0}._open <> 0", self.alias))
    }
}

struct Writer<'t> {
    dialect: Dialect,
    tables: &'t [TableSpec],
}

impl<'t> Writer<'t> {
    fn seen(&self, record: &str, alias: &'static str) -> Option<Seen<'t>> {
        let spec = self.tables.iter().find(|table| table.record.name == record)?;
        Some(Seen { spec, alias })
    }

    /// One number with two names, sexes or birth dates: each source against the authority that has the person.
    fn identities(&self) -> Vec<Rule> {
        let all: Vec<&str> = AUTHORITIES.into_iter().chain(OTHERS).collect();
        let mut rules = Vec::new();
        for (place, authority) in AUTHORITIES.into_iter().enumerate() {
            let better: Vec<Seen<'_>> = AUTHORITIES
                .into_iter()
                .take(place)
                .filter_map(|name| self.seen(name, "q"))
                .collect();
            let others = all.iter().skip(place + 1);
            rules.extend(others.filter_map(|other| self.identity(authority, other, &better)));
        }
        rules
    }

    fn identity(&self, authority: &str, other: &str, better: &[Seen<'_>]) -> Option<Rule> {
        const FIELDS: [(&str, Kind); 3] = [
            ("name", Kind::NameDiffers),
            ("sex", Kind::SexDiffers),
            ("birth_date", Kind::BirthDiffers),
        ];
        const KINDS: [Kind; 3] = [Kind::NameDiffers, Kind::SexDiffers, Kind::BirthDiffers];
        let (a, b) = (self.seen(authority, "a")?, self.seen(other, "b")?);
        let joined = format!("{} AND {}", a.person("one")?, b.person("other")?);
        let both = FIELDS
            .into_iter()
            .filter(|(field, _)| a.has(&[field]) && b.has(&[field]));
        let differs: Vec<(String, Kind)> = both.map(|(field, kind)| (differs(a, field, better), kind)).collect();
        if differs.is_empty() {
            return None;
        }
        let bits: Vec<String> = differs
            .iter()
            .map(|(condition, kind)| format!("CASE WHEN {condition} THEN {} ELSE 0 END", kind.bit()))
            .collect();
        let any: Vec<String> = differs.into_iter().map(|(condition, _)| condition).collect();
        let rest = format!(
            "CROSS JOIN {} CROSS JOIN {} WHERE {joined} AND ({})",
            a.named(),
            b.named(),
            any.join(" OR ")
        );
        let names = names(a, b);
        let mut rule = rule_naming(About::Person, &KINDS, &bits.join(" + "), (a, b), &rest, &names);
        rule.depends.extend(better.iter().map(Seen::record));
        Some(rule)
    }

    /// A notice joined two numbers (`numbers/persons.rs`), and both are open in the register of residents.
    fn two_numbers(&self) -> Option<Rule> {
        let (a, b) = (self.seen(RESIDENT, "a")?, self.seen(RESIDENT, "b")?);
        if !a.spec.keyed_by_person() {
            return None;
        }
        // The one in force stands on the other side; of two that are both replaced, either.
        let rest = format!(
            "CROSS JOIN {} CROSS JOIN {} WHERE t.one <> t.other AND (t.other = t.subject OR t.one <> t.subject AND t.one < t.other) AND {} AND {}",
            a.named(),
            b.named(),
            a.person("one")?,
            b.person("other")?
        );
        let bits = Kind::TwoNumbers.bit().to_string();
        Some(rule(About::Person, &[Kind::TwoNumbers], &bits, (a, b), &rest))
    }

    /// Reported dead, and living elsewhere.
    fn deaths(&self) -> Vec<Rule> {
        let reports: Vec<Seen<'_>> = DEATHS.into_iter().filter_map(|name| self.seen(name, "b")).collect();
        let reports: Vec<Seen<'_>> = reports.into_iter().filter(|report| report.number().is_some()).collect();
        let living = || LIVING.into_iter().filter_map(|name| self.seen(name, "a"));
        let pairs = (0..reports.len()).flat_map(|place| living().map(move |living| (place, living)));
        pairs
            .filter_map(|(place, living)| self.death(living, &reports, place))
            .collect()
    }

    /// The first report of a person stands for all of them; it is certain when two agree on the day.
    fn death(&self, living: Seen<'_>, reports: &[Seen<'_>], place: usize) -> Option<Rule> {
        const KINDS: [Kind; 2] = [Kind::DeadActive, Kind::SuspectedDeath];
        let report = *reports.get(place)?;
        let lives = self.lives(living, report)?;
        let earlier = reports
            .iter()
            .take(place)
            .map(|earlier| format!(" AND NOT {}", about_too(*earlier)));
        // Of earlier sources none has the person.
        let agreements = self.agreements(reports.get(place..).unwrap_or_default());
        let bits = if agreements.is_empty() {
            Kind::SuspectedDeath.bit().to_string()
        } else {
            let (certain, suspected) = (Kind::DeadActive.bit(), Kind::SuspectedDeath.bit());
            format!(
                "CASE WHEN {} THEN {certain} ELSE {suspected} END",
                agreements.join(" OR ")
            )
        };
        let rest = format!(
            "CROSS JOIN {} CROSS JOIN {} WHERE t.other = t.subject AND {} AND {} AND {lives}{}",
            report.named(),
            living.named(),
            report.reports(self.dialect)?,
            living.person("one")?,
            earlier.collect::<String>()
        );
        let mut rule = rule(About::Person, &KINDS, &bits, (living, report), &rest);
        rule.depends.extend(reports.iter().map(Seen::record));
        Some(rule)
    }

    /// When two sources agree on the touched person's death, each pair of them for itself.
    fn agreements(&self, reports: &[Seen<'_>]) -> Vec<String> {
        let pairs = reports.iter().enumerate().flat_map(|(place, one)| {
            let others = reports.iter().skip(place + 1);
            others.map(move |other| (*one, *other))
        });
        pairs.filter_map(|(one, other)| self.agree(one, other)).collect()
    }

    /// When both report the death, and not on different days. Where one of them does not state the day as its source sent it, they cannot differ.
    fn agree(&self, one: Seen<'_>, other: Seen<'_>) -> Option<String> {
        let (one, other) = (Seen { alias: "q", ..one }, Seen { alias: "r", ..other });
        let dated = one.has(&["death_date"]) && other.has(&["death_date"]);
        let same = if dated {
            " AND (q.death_date = r.death_date OR q.death_date IS NULL OR r.death_date IS NULL)"
        } else {
            ""
        };
        Some(format!(
            "EXISTS (SELECT 1 FROM {} CROSS JOIN {} WHERE {} AND {}{same})",
            one.named(),
            other.named(),
            one.reports(self.dialect)?,
            other.reports(self.dialect)?
        ))
    }

    /// Two sources report one person's death on different days.
    fn death_dates(&self) -> Vec<Rule> {
        let pairs = DEATHS.into_iter().enumerate().flat_map(|(place, one)| {
            let others = DEATHS.into_iter().skip(place + 1);
            others.map(move |other| (one, other))
        });
        let differing = |(one, other): (&str, &str)| {
            let dated = |name, alias| self.seen(name, alias).filter(|report| report.has(&["death_date"]));
            let (a, b) = (dated(one, "a")?, dated(other, "b")?);
            let rest = format!(
                "CROSS JOIN {} CROSS JOIN {} WHERE {EACH_ONCE} AND {} AND {} AND a.death_date <> b.death_date",
                a.named(),
                b.named(),
                a.reports(self.dialect)?,
                b.reports(self.dialect)?
            );
            let bits = Kind::DeathDateDiffers.bit().to_string();
            Some(rule(About::Person, &[Kind::DeathDateDiffers], &bits, (a, b), &rest))
        };
        pairs.filter_map(differing).collect()
    }

    /// When a row of `a` says that its person lives although `b` reports the death; none where the columns for it are not there.
    fn lives(&self, living: Seen<'_>, report: Seen<'_>) -> Option<String> {
        let when = || report.has(&["death_date"]).then_some("b.death_date");
        let (needs, condition): (&[&str], String) = match living.record() {
            RESIDENT => (&["person_status"], "a.person_status = '0'".into()),
            FLOATING => (&["leave_date"], "a.leave_date IS NULL".into()),
            // A month after that of the death.
            ALLOWANCE => (
                &["status", "month"],
                format!("a.status = '1' AND a.month > {}", self.dialect.month_of(when()?)),
            ),
            DESTITUTE => (
                &["stop_month"],
                format!(
                    "(a.stop_month IS NULL OR a.stop_month > {})",
                    self.dialect.month_of(when()?)
                ),
            ),
            ENROLMENT => (
                &["status", "enrol_year"],
                format!("a.status = '1' AND a.enrol_year > {}", self.dialect.year_of(when()?)),
            ),
            WITHHOLDING => (&["left_on"], "a.left_on IS NULL".into()),
            _ => return None,
        };
        living.has(needs).then_some(condition)
    }

    /// Subsistence allowance for a month within the support of the destitute.
    fn double_aid(&self) -> Option<Rule> {
        let a = self
            .seen(ALLOWANCE, "a")
            .filter(|table| table.has(&["month", "status"]))?;
        let b = self
            .seen(DESTITUTE, "b")
            .filter(|table| table.has(&["start_month", "stop_month"]))?;
        let rest = format!(
            "CROSS JOIN {} CROSS JOIN {} WHERE {} AND {} AND a.status = '1' AND a.month >= b.start_month \
             AND (b.stop_month IS NULL OR a.month <= b.stop_month)",
            b.named(),
            a.named(),
            b.person("other")?,
            a.person("one")?
        );
        let bits = Kind::DoubleAid.bit().to_string();
        Some(rule(About::Person, &[Kind::DoubleAid], &bits, (a, b), &rest))
    }
}

/// A rule on two tables; `bits` is an expression of kinds, `rest` what stands behind the touched subjects.
fn rule(about: About, kinds: &'static [Kind], bits: &str, sides: (Seen<'_>, Seen<'_>), rest: &str) -> Rule {
    rule_naming(about, kinds, bits, sides, rest, NO_NAMES)
}

/// The same where names are compared.
fn rule_naming(
    about: About,
    kinds: &'static [Kind],
    bits: &str,
    (one, other): (Seen<'_>, Seen<'_>),
    rest: &str,
    names: &str,
) -> Rule {
    let select = format!(
        "SELECT CAST(0 AS bigint), CAST({bits} AS bigint), '', t.subject, '{}', '{}', a._key, a._exchange, a._row, b._key, b._exchange, b._row, \
         CAST(0 AS bigint), CAST(0 AS bigint), {names} FROM touched t {rest}",
        one.record(),
        other.record()
    );
    Rule {
        about,
        kinds,
        record: one.record(),
        other: other.record(),
        depends: vec![one.record(), other.record()],
        select,
    }
}

/// Where no names are compared.
const NO_NAMES: &str = "CAST(NULL AS text), CAST(NULL AS text), CAST(NULL AS text)";

/// What both call the person, and the former name. SQL finds those that are not the same characters; [`super::Names`] says which are another name.
fn names(a: Seen<'_>, b: Seen<'_>) -> String {
    if !a.has(&["name"]) || !b.has(&["name"]) {
        return NO_NAMES.to_owned();
    }
    let former = if a.has(&["former_name"]) {
        "a.former_name"
    } else {
        "CAST(NULL AS text)"
    };
    format!("a.name, b.name, {former}")
}

/// When `b` says something else than `a`. A former name is no contradiction, nor is a sex that is not stated. Where a better authority has
/// the person and the field, its own comparison says it.
fn differs(a: Seen<'_>, field: &str, better: &[Seen<'_>]) -> String {
    let mut condition = format!("(a.{field} <> b.{field}");
    match field {
        "name" if a.has(&["former_name"]) => {
            condition.push_str(" AND (a.former_name IS NULL OR a.former_name <> b.name)");
        }
        "sex" => condition.push_str(" AND a.sex IN ('1', '2') AND b.sex IN ('1', '2')"),
        _ => {}
    }
    for authority in better.iter().filter(|authority| authority.has(&[field])) {
        if let Some(knows) = authority.knows() {
            condition = format!("{condition} AND NOT {knows}");
        }
    }
    condition.push(')');
    condition
}

/// Whether another source reports the death of the same person.
fn about_too(report: Seen<'_>) -> String {
    let report = Seen { alias: "q", ..report };
    report.knows().unwrap_or_default()
}
