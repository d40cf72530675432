//! Explaining a decision: the same checks as [`PolicySet::decide`], one by one, each with its place in the bundle.

use serde::Serialize;
use shuguan_adapters::catalogue::Field;

use crate::dataset::Dataset;
use crate::filter::Atom;
use crate::hex::hex;
use crate::plan::Plan;
use crate::set::{Denial, PolicySet, check_hours, check_validity};
use crate::target::{Mode, Target};
use crate::terms::Hours;

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'q> {
    /// Partner id.
    pub partner: &'q str,
    /// Record type or dataset, by name.
    pub target: &'q str,
    /// Purpose code.
    pub purpose: &'q str,
    /// Feed, extract or compare; the target's usual one unless given.
    pub mode: Option<Mode>,
    /// One field only.
    pub field: Option<&'q str>,
    /// The moment, µs since the epoch, UTC.
    pub at_us: i64,
}

/// One check.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// `partner`, `target`, `purpose`, `grant`, `validity`, `hours` or `field`.
    pub check: &'static str,
    /// Whether it passed.
    pub passed: bool,
    /// What was found.
    pub found: String,
    /// `file:line`, where there is one.
    pub place: Option<String>,
}

/// How one field fares.
#[derive(Clone, Debug, Serialize)]
pub struct FieldLine {
    /// English name.
    pub field: &'static str,
    /// Chinese name.
    pub zh: &'static str,
    /// Sensitivity.
    pub class: &'static str,
    /// Operator with arguments, e.g. `keep`; `withheld` when no operator lets it through.
    pub operator: String,
    /// `file:line` that grants or drops it; none when the grant does not name it.
    pub place: Option<String>,
}

/// A decision with its reasons.
#[derive(Clone, Debug, Serialize)]
pub struct Explanation {
    /// Whether the request, and the field if one was asked for, is granted.
    pub granted: bool,
    /// Why not, e.g. `no-grant`.
    pub reason: Option<&'static str>,
    /// Checks in order, up to the first that failed.
    pub steps: Vec<Step>,
    /// Id of the grant.
    pub grant: Option<String>,
    /// Id of the agreement.
    pub agreement: Option<String>,
    /// Plan hash in hex.
    pub plan_hash: Option<String>,
    /// Released fields in output order.
    pub released: Vec<FieldLine>,
    /// Fields of the catalogue that do not exist after release.
    pub withheld: Vec<FieldLine>,
    /// Row filters.
    pub rows: Vec<String>,
    /// Limits that the grant sets.
    pub limits: Vec<String>,
}

impl PolicySet {
    /// Explains what would be decided.
    pub fn explain(&self, question: &Question<'_>) -> Explanation {
        let mut explanation = Explanation {
            granted: false,
            reason: None,
            steps: Vec::new(),
            grant: None,
            agreement: None,
            plan_hash: None,
            released: Vec::new(),
            withheld: Vec::new(),
            rows: Vec::new(),
            limits: Vec::new(),
        };
        match self.walk(question, &mut explanation) {
            Ok(()) => explanation.granted = true,
            Err(reason) => explanation.reason = Some(reason),
        }
        explanation
    }

    /// The record type or dataset of that name.
    pub fn target(&self, name: &str) -> Option<Target> {
        let dataset = Dataset::parse(name).map(Target::Dataset);
        dataset.or_else(|| self.catalogue().record(name).map(Target::Record))
    }

    fn walk(&self, question: &Question<'_>, out: &mut Explanation) -> Result<(), &'static str> {
        let Some(partner) = self.partner(question.partner) else {
            return out.failed(
                "partner",
                format!("`{}` is not in partners.toml", question.partner),
                "unknown-partner",
            );
        };
        out.passed(
            "partner",
            format!("{} {} ({})", partner.id, partner.zh, partner.spiffe),
            None,
        );
        let Some(target) = self.target(question.target) else {
            let found = format!("`{}` is not in the catalogue", question.target);
            let is_record = question.target.contains('/');
            return out.failed(
                "target",
                found,
                if is_record {
                    "unknown-record-type"
                } else {
                    "unknown-dataset"
                },
            );
        };
        out.passed(
            "target",
            format!("{} {}, schema {}", target.name(), target.zh(), target.schema()),
            None,
        );
        match self.check_purpose(question.purpose) {
            Ok(purpose) => out.passed("purpose", format!("{} {}", purpose.code, purpose.zh), None),
            Err(denial) => return out.denied("purpose", "not a requestable leaf of purposes.toml", denial),
        }
        let (direction, mode) = (target.direction(), question.mode.unwrap_or(target.mode()));
        let plan = match self.find(&partner.id, target, question.purpose, direction, mode) {
            Ok(plan) => plan,
            Err(denial) => {
                let found = format!("no grant names this key with {}/{}", direction.name(), mode.name());
                return out.denied("grant", &found, denial);
            }
        };
        out.found(plan);
        out.at_time(plan, question.at_us)?;
        out.of_field(plan, target, question.field)
    }
}

impl Explanation {
    fn passed(&mut self, check: &'static str, found: String, place: Option<String>) {
        self.steps.push(Step {
            check,
            passed: true,
            found,
            place,
        });
    }

    fn failed(&mut self, check: &'static str, found: String, reason: &'static str) -> Result<(), &'static str> {
        self.steps.push(Step {
            check,
            passed: false,
            found,
            place: None,
        });
        Err(reason)
    }

    fn denied(&mut self, check: &'static str, found: &str, denial: Denial) -> Result<(), &'static str> {
        self.failed(check, found.to_owned(), denial.slug())
    }

    fn found(&mut self, plan: &Plan) {
        let found = format!(
            "grant `{}` of agreement {}, for {}",
            plan.grant_id(),
            plan.agreement(),
            plan.consumer()
        );
        self.passed("grant", found, Some(plan.place().to_string()));
        self.grant = Some(plan.grant_id().to_owned());
        self.agreement = Some(plan.agreement().to_owned());
        self.plan_hash = Some(hex(&plan.hash()));
        self.rows = plan.rows().iter().map(Atom::describe).collect();
        let limits = plan.limits().named();
        self.limits = limits
            .iter()
            .filter_map(|(name, limit)| limit.map(|limit| format!("{name} = {limit}")))
            .collect();
    }

    fn at_time(&mut self, plan: &Plan, at_us: i64) -> Result<(), &'static str> {
        let valid = plan.valid();
        let span = format!("{} to {}", shanghai(valid.from_s), shanghai(valid.until_s));
        match check_validity(plan, at_us) {
            Ok(()) => self.passed("validity", span, None),
            Err(denial) => return self.denied("validity", &span, denial),
        }
        let hours = plan.hours().map_or("any hour".to_owned(), Hours::describe);
        match check_hours(plan, at_us) {
            Ok(()) => self.passed("hours", hours, None),
            Err(denial) => return self.denied("hours", &hours, denial),
        }
        Ok(())
    }

    fn of_field(&mut self, plan: &Plan, target: Target, only: Option<&str>) -> Result<(), &'static str> {
        let shown = |name: &str| only.is_none_or(|only| only == name);
        for column in plan.output().iter().filter(|column| shown(column.name)) {
            let operator = column.kind.operator.describe();
            let place = column.granted_line.to_string();
            self.released.push(line(column.kind.field, operator, Some(place)));
        }
        for field in target.fields().iter().filter(|field| shown(field.name)) {
            if plan.output().iter().any(|column| column.name == field.name) {
                continue;
            }
            let dropped = plan.dropped().iter().find(|dropped| dropped.field.name == field.name);
            let place = dropped.map(|dropped| dropped.place.to_string());
            self.withheld.push(line(field, "withheld".to_owned(), place));
        }
        let Some(only) = only else { return Ok(()) };
        let released = self
            .released
            .first()
            .map(|line| (line.operator.clone(), line.place.clone()));
        match released {
            Some((operator, place)) => {
                self.passed("field", format!("`{only}`: {operator}"), place);
                Ok(())
            }
            None if target.field(only).is_none() => {
                let found = format!("`{}` has no field `{only}`", target.name());
                self.failed("field", found, "field-not-granted")
            }
            None => self.failed("field", format!("`{only}` is withheld"), "field-not-granted"),
        }
    }
}

fn line(field: &Field, operator: String, place: Option<String>) -> FieldLine {
    FieldLine {
        field: field.name,
        zh: field.zh,
        class: field.class.name(),
        operator,
        place,
    }
}

fn shanghai(second: i64) -> String {
    let local = second.saturating_add(8 * 3600);
    let civil = jiff::Timestamp::from_second(local).map(|stamp| stamp.strftime("%Y-%m-%dT%H:%M:%S+08:00").to_string());
    civil.unwrap_or_else(|_| second.to_string())
}
