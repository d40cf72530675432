//! Bounds: which grants and fields are meant, and how much may be told about them. Ceilings and `never` lines are made of them. A field of a
//! record type is meant in the datasets that draw on it as well; a bound that can mean no grant is refused.

use shuguan_adapters::catalogue::Class;
use toml::Spanned;

use crate::canonical::Canonical;
use crate::ceiling::{Names, class_of};
use crate::dataset::Dataset;
use crate::disclosure::{Disclosed, Way, disclosed, of_others, within};
use crate::document::{Document, Table, nearest};
use crate::operator::Operator;
use crate::partner::{Partners, Role};
use crate::plan::Plan;
use crate::target::{Direction, Mode, Target};
use crate::terms::Place;

/// What is meant and how much is allowed; what is not stated is not asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    role: Option<Role>,
    partner: Option<String>,
    purpose: Option<String>,
    direction: Option<Direction>,
    mode: Option<Mode>,
    /// Record type or dataset.
    target: Option<String>,
    field: Option<String>,
    /// This class and every more sensitive one.
    class: Option<Class>,
    /// How much may be told; `drop` unless given.
    pub at_most: Operator,
}

/// One thing that a bound does not allow.
#[derive(Clone, Debug)]
pub(crate) struct Breach {
    pub(crate) what: String,
    pub(crate) place: Place,
    /// What to put the caret under.
    pub(crate) word: String,
}

impl Bound {
    /// Reads what is left of a table and ends it.
    pub(crate) fn read<'s>(document: &mut Document<'s>, mut table: Table<'s>, names: Names<'_>) -> Option<Self> {
        let before = document.fault_count();
        let span = table.span();
        let role = word(document, &mut table, "role", |name| {
            ROLES.into_iter().find(|role| role.name() == name)
        });
        let direction = word(document, &mut table, "direction", Direction::parse);
        let mode = word(document, &mut table, "mode", Mode::parse);
        let class = word(document, &mut table, "class", class_of);
        let partner = known(document, &mut table, "partner", |id| {
            names
                .partners
                .by_id(id)
                .is_some()
                .then_some(())
                .ok_or_else(|| names.partners.suggest(id))
        });
        let purpose = known(document, &mut table, "purpose", |code| {
            names
                .purposes
                .find(code)
                .is_some()
                .then_some(())
                .ok_or_else(|| names.purposes.suggest(code))
        });
        let target = read_target(document, &mut table, names);
        let (of_field, field) = read_field(document, &mut table, names, target.as_deref());
        let at_most = read_at_most(document, &mut table, names);
        table.finish(document);
        let bound = Self {
            role,
            partner,
            purpose,
            direction,
            mode,
            target: of_field.or(target),
            field,
            class,
            at_most,
        };
        // A name that was not understood is a fault already.
        if document.fault_count() == before && bound.names_nothing() {
            document.fault(span, "a bound names grants or fields".into(), None);
        } else if document.fault_count() == before && !bound.can_mean_a_grant(&names.catalogue.targets()) {
            let message = "no grant can be meant by this, so it would bound nothing";
            let hint = "records are pushed and datasets pulled; a field of a record type is pulled where a dataset draws on it";
            document.fault(span, message.into(), Some(hint.into()));
        }
        (document.fault_count() == before).then_some(bound)
    }

    fn names_nothing(&self) -> bool {
        let grants = self.role.is_none()
            && self.partner.is_none()
            && self.purpose.is_none()
            && self.direction.is_none()
            && self.mode.is_none()
            && self.target.is_none();
        grants && self.field.is_none() && self.class.is_none()
    }

    /// Whether two bounds mean the same grants and fields, whatever they allow.
    pub(crate) fn names_the_same(&self, other: &Self) -> bool {
        let named = |bound: &Self| Self {
            at_most: Operator::Drop,
            ..bound.clone()
        };
        named(self) == named(other)
    }

    /// Everything in a plan that is meant and not allowed.
    pub(crate) fn breaches(&self, plan: &Plan, partners: &Partners) -> Vec<Breach> {
        if !self.means(plan, partners) {
            return Vec::new();
        }
        let own = disclosed(plan);
        let own = own.iter().filter_map(|one| self.meant(plan.target(), one));
        // Of a field of one record type or dataset it is meant whom that is about; of a name or class by itself, whoever.
        let anybody = self.target.is_none() || self.field.is_none();
        let others = if anybody { of_others(plan) } else { Vec::new() };
        let beyond: Vec<Disclosed> = own
            .chain(others.into_iter().filter(|one| self.names_field(one)))
            .collect();
        beyond
            .iter()
            .filter(|one| !within(&one.operator, &self.at_most, &one.kind))
            .map(|one| breach(plan, one))
            .collect()
    }

    fn means(&self, plan: &Plan, partners: &Partners) -> bool {
        let of_role = |role: Role| {
            let mut ids = plan.partner_ids().iter();
            ids.any(|id| partners.by_id(id).is_some_and(|partner| partner.role == role))
        };
        self.role.is_none_or(of_role)
            && self.partner.as_ref().is_none_or(|id| plan.partner_ids().contains(id))
            && self.purpose.as_ref().is_none_or(|code| plan.purpose() == code)
            && self.direction.is_none_or(|direction| plan.direction() == direction)
            && self.mode.is_none_or(|mode| plan.mode() == mode)
            && self.means_target(plan.target())
    }

    /// A field of a record type is meant wherever it goes: in its pushes, and in the extracts of a dataset that draws on it.
    fn means_target(&self, target: Target) -> bool {
        let Some(name) = &self.target else { return true };
        target.name() == name
            || matches!((target, &self.field), (Target::Dataset(dataset), Some(field)) if dataset.draws_on(name, field))
    }

    /// What is told of a field that is meant. Of a record type's field that a dataset only counts on, its rows say that it is there and no more.
    fn meant(&self, target: Target, one: &Disclosed) -> Option<Disclosed> {
        let (Target::Dataset(dataset), Some(record), Some(field)) = (target, &self.target, &self.field) else {
            return self.names_field(one).then(|| one.clone());
        };
        if target.name() == record {
            return self.names_field(one).then(|| one.clone());
        }
        let drawn = dataset.origins(one.field).contains(&(record.as_str(), field.as_str()));
        let sensitive = self.class.is_none_or(|least| one.class >= least);
        let operator = if dataset.shows_presence(one.field) {
            Operator::Exists
        } else {
            one.operator.clone()
        };
        (drawn && sensitive).then(|| Disclosed {
            operator,
            ..one.clone()
        })
    }

    fn names_field(&self, one: &Disclosed) -> bool {
        self.field.as_ref().is_none_or(|name| one.field == name) && self.class.is_none_or(|least| one.class >= least)
    }

    /// Whether any grant could be meant; who may hold one is not asked, because roles bound it elsewhere and a line that says so again does no harm.
    fn can_mean_a_grant(&self, targets: &[Target]) -> bool {
        targets.iter().any(|target| {
            let modes: &[Mode] = match target {
                Target::Record(_) => &[Mode::Feed],
                Target::Dataset(_) => &[Mode::Extract, Mode::Compare],
            };
            self.means_target(*target)
                && self.direction.is_none_or(|direction| direction == target.direction())
                && self.mode.is_none_or(|mode| modes.contains(&mode))
        })
    }

    pub(crate) fn encode(&self, out: &mut Canonical) {
        let words = [
            self.role.map(Role::name),
            self.partner.as_deref(),
            self.purpose.as_deref(),
            self.direction.map(Direction::name),
            self.mode.map(Mode::name),
            self.target.as_deref(),
            self.field.as_deref(),
            self.class.map(Class::name),
        ];
        for word in words {
            out.option(word, |out, word| {
                out.text(word);
            });
        }
        self.at_most.encode(out);
    }

    /// For people, e.g. `role=agency direction=pull at_most=drop`.
    pub fn describe(&self) -> String {
        let field = match (&self.target, &self.field) {
            (Some(target), Some(field)) => Some(format!("{target}.{field}")),
            (None, Some(field)) => Some(field.clone()),
            _ => None,
        };
        let target = self.target.as_ref().filter(|_| self.field.is_none());
        let words = [
            ("role", self.role.map(|role| role.name().to_owned())),
            ("partner", self.partner.clone()),
            ("purpose", self.purpose.clone()),
            ("direction", self.direction.map(|one| one.name().to_owned())),
            ("mode", self.mode.map(|one| one.name().to_owned())),
            ("target", target.cloned()),
            ("field", field),
            ("class", self.class.map(|class| class.name().to_owned())),
            ("at_most", Some(self.at_most.describe())),
        ];
        let said = words
            .into_iter()
            .filter_map(|(key, word)| Some(format!("{key}={}", word?)));
        said.collect::<Vec<_>>().join(" ")
    }
}

const ROLES: [Role; 6] = [
    Role::Agency,
    Role::Registry,
    Role::Auditor,
    Role::SecurityOfficer,
    Role::PolicyOfficer,
    Role::Operator,
];

fn breach(plan: &Plan, one: &Disclosed) -> Breach {
    let (through, how) = match one.way {
        Way::Own => (one.field, String::new()),
        Way::Implied(source) => (source, format!(", read out of `{source}`")),
        Way::Lookup => (one.field, ", by asking for it".to_owned()),
    };
    let column = plan.output().iter().find(|column| column.name == through);
    Breach {
        what: format!(
            "`{}` tells `{}` of `{}`{how}",
            plan.grant_id(),
            one.operator.describe(),
            one.field
        ),
        place: column.map_or_else(|| plan.place().clone(), |column| column.granted_line.clone()),
        word: through.to_owned(),
    }
}

fn word<'s, T>(
    document: &mut Document<'s>,
    table: &mut Table<'s>,
    key: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Option<T> {
    let word: Spanned<String> = table.optional(document, key)?;
    let found = parse(word.get_ref());
    if found.is_none() {
        document.fault(word.span(), format!("{key} `{}` is not known", word.get_ref()), None);
    }
    found
}

fn known<'s>(
    document: &mut Document<'s>,
    table: &mut Table<'s>,
    key: &str,
    check: impl Fn(&str) -> Result<(), Option<String>>,
) -> Option<String> {
    let name: Spanned<String> = table.optional(document, key)?;
    if let Err(hint) = check(name.get_ref()) {
        document.fault(name.span(), format!("{key} `{}` is not declared", name.get_ref()), hint);
    }
    Some(name.into_inner())
}

fn read_target<'s>(document: &mut Document<'s>, table: &mut Table<'s>, names: Names<'_>) -> Option<String> {
    let record = known(document, table, "record", |name| find(names, name).map(|_| ()));
    let dataset = known(document, table, "dataset", |name| {
        Dataset::parse(name).is_some().then_some(()).ok_or(None)
    });
    record.or(dataset)
}

fn find(names: Names<'_>, name: &str) -> Result<Target, Option<String>> {
    let found = names.catalogue.record(name).map(Target::Record);
    found
        .or_else(|| Dataset::parse(name).map(Target::Dataset))
        .ok_or_else(|| nearest(name, &names.catalogue.names()).map(|known| format!("did you mean `{known}`?")))
}

/// `target.field`, or a field name wherever it occurs.
fn read_field<'s>(
    document: &mut Document<'s>,
    table: &mut Table<'s>,
    names: Names<'_>,
    target: Option<&str>,
) -> (Option<String>, Option<String>) {
    let Some(written): Option<Spanned<String>> = table.optional(document, "field") else {
        return (None, None);
    };
    let (of, name) = match written.get_ref().rsplit_once('.') {
        Some((of, name)) => (Some(of), name),
        None => (target, written.get_ref().as_str()),
    };
    let targets = match of {
        None => names.catalogue.targets(),
        Some(of) => match find(names, of) {
            Ok(found) => vec![found],
            Err(hint) => {
                document.fault(written.span(), format!("`{of}` is not in the catalogue"), hint);
                return (None, None);
            }
        },
    };
    if !targets.iter().any(|target| target.field(name).is_some()) {
        let all: Vec<String> = targets
            .iter()
            .flat_map(|one| one.fields())
            .map(|field| field.name.to_owned())
            .collect();
        let hint = nearest(name, &all).map(|known| format!("did you mean `{known}`?"));
        document.fault(written.span(), format!("there is no field `{name}`"), hint);
    }
    (of.map(str::to_owned), Some(name.to_owned()))
}

/// `at_most = "drop"`, or an operator with its arguments.
fn read_at_most<'s>(document: &mut Document<'s>, table: &mut Table<'s>, names: Names<'_>) -> Operator {
    if table.holds_table("at_most") {
        let operator = table.table(document, "at_most");
        return operator
            .and_then(|operator| Operator::read(document, operator, names.keys))
            .unwrap_or(Operator::Drop);
    }
    let written: Option<Spanned<String>> = table.optional(document, "at_most");
    let Some(written) = written else { return Operator::Drop };
    match written.get_ref().as_str() {
        "drop" => Operator::Drop,
        "exists" => Operator::Exists,
        "keep" => Operator::Keep,
        other => {
            let message = format!("`at_most` cannot be `{other}` without arguments");
            let hint = "`drop`, `exists`, `keep`, or e.g. `{ op = \"date\", to = \"year\" }`";
            document.fault(written.span(), message, Some(hint.into()));
            Operator::Drop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bounds_name_the_same_whatever_they_allow() {
        let bound = |purpose: &str, at_most: Operator| Bound {
            role: None,
            partner: None,
            purpose: Some(purpose.into()),
            direction: None,
            mode: None,
            target: None,
            field: None,
            class: None,
            at_most,
        };
        let one = bound("a", Operator::Keep);
        assert!(one.names_the_same(&bound("a", Operator::Exists)));
        assert!(!one.names_the_same(&bound("b", Operator::Keep)));
        let hash = |bound: &Bound| {
            let mut out = Canonical::new("test");
            bound.encode(&mut out);
            out.hash()
        };
        assert_ne!(hash(&one), hash(&bound("b", Operator::Keep)));
        assert_ne!(hash(&one), hash(&bound("a", Operator::Drop)));
        let field = Bound {
            field: Some("name".into()),
            ..one.clone()
        };
        let of_target = Bound {
            target: Some("population".into()),
            ..field.clone()
        };
        let target = Bound {
            field: None,
            ..of_target.clone()
        };
        let described = [one, field, of_target, target].map(|bound| bound.describe());
        let expected = [
            "purpose=a at_most=keep",
            "purpose=a field=name at_most=keep",
            "purpose=a field=population.name at_most=keep",
            "purpose=a target=population at_most=keep",
        ];
        assert_eq!(described, expected);
    }
}
