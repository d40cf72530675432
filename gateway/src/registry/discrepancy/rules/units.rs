//! Rules on units: in two registers, unknown to tax, cancelled and withholding. Takes the tables of the plans; gives rules.

use super::super::super::merge::rows::key_prefix;
use super::super::Kind;
use super::{About, NO_NAMES, Rule, WITHHOLDING, Writer, rule};

const ESTABLISHMENT: &str = "commerce/establishment";
const CANCELLATION: &str = "commerce/cancellation";
const REGISTRATION: &str = "tax/registration";
/// Registers of units.
const REGISTERS: [&str; 3] = [
    ESTABLISHMENT,
    "commerce/individual-business",
    "civil-affairs/social-organisation",
];

impl Writer<'_> {
    /// One unit, active in two registers.
    pub(super) fn two_registers(&self) -> Vec<Rule> {
        let pairs = REGISTERS.into_iter().enumerate().flat_map(|(place, one)| {
            let others = REGISTERS.into_iter().skip(place + 1);
            others.map(move |other| (one, other))
        });
        let register = |(one, other): (&str, &str)| {
            let (a, b) = (self.seen(one, "a")?, self.seen(other, "b")?);
            if !a.has(&["reg_status"]) || !b.has(&["reg_status"]) {
                return None;
            }
            let rest = format!(
                "CROSS JOIN {} CROSS JOIN {} WHERE {} AND {} AND a.reg_status = 'ACTIVE' AND b.reg_status = 'ACTIVE'",
                a.named(),
                b.named(),
                a.unit()?,
                b.unit()?
            );
            let bits = Kind::TwoRegisters.bit().to_string();
            Some(rule(About::Unit, &[Kind::TwoRegisters], &bits, (a, b), &rest))
        };
        pairs.filter_map(register).collect()
    }

    /// Active in commerce and without a row in tax. Only a unit that goes by its organisation code can be looked for there.
    pub(super) fn unknown_to_tax(&self) -> Option<Rule> {
        let a = self
            .seen(ESTABLISHMENT, "a")
            .filter(|table| table.has(&["reg_status"]))?;
        let tax = self.seen(REGISTRATION, "b")?;
        let cancelled = self.seen(CANCELLATION, "c").filter(|table| table.has(&["cancel_date"]));
        let not_cancelled = cancelled
            .and_then(|table| Some((table, table.unit()?)))
            .map(|(table, unit)| {
                let from = table.named();
                format!(" AND NOT EXISTS (SELECT 1 FROM {from} WHERE {unit} AND c.cancel_date IS NOT NULL)")
            });
        let select = format!(
            "SELECT CAST(0 AS bigint), CAST({} AS bigint), '', t.subject, '{}', '{}', a._key, a._exchange, a._row, CAST(NULL AS text), CAST(NULL AS uuid), \
             CAST(NULL AS bigint), CAST(0 AS bigint), CAST(0 AS bigint), {NO_NAMES} FROM touched t CROSS JOIN {} WHERE {} AND length(t.subject) = 9 \
             AND a.reg_status = 'ACTIVE' AND NOT EXISTS (SELECT 1 FROM {} WHERE {}){}",
            Kind::UnknownToTax.bit(),
            a.record(),
            tax.record(),
            a.named(),
            a.unit()?,
            tax.named(),
            tax.unit()?,
            not_cancelled.unwrap_or_default()
        );
        Some(Rule {
            about: About::Unit,
            kinds: &[Kind::UnknownToTax],
            record: a.record(),
            other: tax.record(),
            depends: vec![a.record(), tax.record(), CANCELLATION],
            select,
        })
    }

    /// Cancelled, and an employee has not left before. Employees are found by their key, which begins with the number of who withholds, however it is written.
    pub(super) fn withholding(&self) -> Vec<Rule> {
        let cancellations = [(CANCELLATION, "uscc"), ("tax/cancellation", "taxpayer_id")];
        let Some(b) = self
            .seen(WITHHOLDING, "b")
            .filter(|table| table.has(&["withholder_id", "left_on"]))
        else {
            return Vec::new();
        };
        let ranks = b.spec.keys.iter().enumerate();
        let ranks: Vec<usize> = ranks
            .filter(|(_, key)| key.first() == Some(&"withholder_id"))
            .map(|(rank, _)| rank)
            .collect();
        let pairs = cancellations
            .into_iter()
            .flat_map(|pair| ranks.iter().map(move |rank| (pair, *rank)));
        let cancelled = |((record, number), rank): ((&str, &str), usize)| {
            let a = self
                .seen(record, "a")
                .filter(|table| table.has(&[number, "cancel_date"]))?;
            let begins = key_prefix(rank);
            let spellings = self.spellings(&format!("a.{number}"));
            // For each spelling its own look-up: PostgreSQL would walk all keys in order to find the first of any spelling. Behind the number stands the
            // separator or one of the two characters that may follow it.
            let first = format!(
                "SELECT x._key FROM {} x WHERE x._key > '{begins}' || spelt.number || '\u{1f}' AND x._key < '{begins}' || spelt.number || '[' \
                 AND length(x.withholder_id) IN (length(spelt.number), length(spelt.number) + 2) \
                 AND x._open <> 0 AND (x.left_on IS NULL OR x.left_on > a.cancel_date) ORDER BY x._key LIMIT 1",
                b.spec.name
            );
            let rest = format!(
                "CROSS JOIN {} CROSS JOIN {} WHERE {} AND a.cancel_date IS NOT NULL \
                 AND b._key = (SELECT min(found._key) FROM (SELECT ({first}) AS _key FROM ({spellings}) spelt) found)",
                a.named(),
                b.named(),
                a.unit()?
            );
            let bits = Kind::CancelledWithholding.bit().to_string();
            let mut rule = rule(About::Unit, &[Kind::CancelledWithholding], &bits, (a, b), &rest);
            rule.depends.extend([ESTABLISHMENT, REGISTRATION]);
            Some(rule)
        };
        pairs.filter_map(cancelled).collect()
    }

    /// How who withholds may write the touched unit's number, without the two digits that may follow: as it stands in that column, in commerce or in tax,
    /// and from a credit code the fifteen characters of before 2015, its region and organisation code.
    fn spellings(&self, column: &str) -> String {
        let mut known = vec![format!("SELECT {column} AS number")];
        for (record, number) in [
            (ESTABLISHMENT, "uscc"),
            (REGISTRATION, "uscc"),
            (REGISTRATION, "taxpayer_id"),
        ] {
            let table = self.seen(record, "y").filter(|table| table.has(&[number]));
            let from = table.and_then(|table| Some((table.named(), table.unit()?)));
            known.extend(from.map(|(named, unit)| format!("SELECT y.{number} FROM {named} WHERE {unit}")));
        }
        let known = known.join(" UNION ALL ");
        format!(
            "SELECT CASE length(written.number) WHEN 20 THEN substr(written.number, 1, 18) WHEN 17 THEN substr(written.number, 1, 15) ELSE written.number END AS number \
             FROM ({known}) written UNION SELECT substr(written.number, 3, 6) || substr(written.number, 9, 9) FROM ({known}) written \
             WHERE length(written.number) IN (18, 20) AND substr(written.number, 9, 9) = t.subject"
        )
    }
}
