//! What a released field tells about others of its record.
//!
//! Takes what the catalogue declares of a number ([`Field::implies`]) and nothing else; gives it as fields of the target, with how much of
//! each is told. Refuses nothing.

use shuguan_adapters::catalogue::{Class, Field, FieldType, Implied};
use shuguan_adapters::code::tables;

use super::{digits, normal};
use crate::operator::Operator;
use crate::operator::region::RegionTo;
use crate::target::Target;

/// One thing that a released field tells about another one.
#[derive(Clone, Debug)]
pub struct Told {
    /// The other field; perhaps one that the target does not have, e.g. the birth date in a resident id.
    pub field: &'static str,
    /// Its type.
    pub kind: FieldType,
    /// How sensitive it is.
    pub class: Class,
    /// How much of it, in normal form.
    pub operator: Operator,
    /// Whether it is about whom the record is about; the number of a mother or of whoever represents a unit tells her birth, not the
    /// child's.
    pub own: bool,
}

/// Numbers of the person whom the record is about. A taxpayer's number is none of these: of a trader it is his own, beside an employee
/// it is his employer's.
const OWN: [&str; 6] = ["citizen_id", "disability_no", "id_no", "permit_no", "before", "after"];

/// What a field tells about others when an operator has been through it. Nothing is told through chains: the catalogue declares of each
/// number all that it holds.
pub fn implied(target: Target, field: &Field, operator: &Operator) -> Vec<Told> {
    let operator = normal(operator, &field.kind);
    let own = OWN.contains(&field.name);
    let person = |field: &'static str, kind: FieldType, operator: Operator| Told {
        field,
        kind,
        class: Class::C2,
        operator,
        own,
    };
    match (&field.kind, &operator) {
        (FieldType::Region | FieldType::Division(_), Operator::Keep | Operator::Region(_)) => {
            of_division(field.name, &operator)
        }
        (FieldType::CitizenId, Operator::Region(to)) => {
            vec![person("birth_region", FieldType::Region, Operator::Region(*to))]
        }
        (FieldType::CitizenId, Operator::SexOf) => vec![person("sex", FieldType::Code(&tables::SEX), Operator::Keep)],
        (FieldType::CitizenId, Operator::BirthOf(to)) => {
            vec![person("birth_date", FieldType::Date, Operator::Date(*to))]
        }
        (FieldType::Text(_), Operator::Address(address)) if field.implies().any(|one| one == Implied::Place) => {
            of_place(target, field.name, address.to.digits())
        }
        (_, Operator::Keep) => {
            let told = field.implies().flat_map(|one| whole(target, field, one, own));
            told.filter(|told| told.field != field.name).collect()
        }
        _ => Vec::new(),
    }
}

/// What a whole value tells.
fn whole(target: Target, field: &Field, implied: Implied, own: bool) -> Vec<Told> {
    let told = |field: &'static str, kind: FieldType, class: Class, own: bool| Told {
        field,
        kind,
        class,
        operator: Operator::Keep,
        own,
    };
    let unit = |field: &'static str, kind: FieldType| told(field, kind, Class::C0, true);
    match implied {
        Implied::CitizenId => {
            let id = told("citizen_id", FieldType::CitizenId, Class::C3, own);
            // A person who trades represents himself.
            let represents = target.field("legal_rep_id").filter(|_| field.name == "taxpayer_id");
            let represents = represents.map(|other| told(other.name, other.kind, other.class, true));
            [id].into_iter().chain(represents).collect()
        }
        Implied::BirthDate => vec![told("birth_date", FieldType::Date, Class::C2, own)],
        Implied::Sex => vec![told("sex", FieldType::Code(&tables::SEX), Class::C2, own)],
        Implied::Region => {
            let mut all = Vec::new();
            if field.holds_a_citizen_id() {
                all.push(told("birth_region", FieldType::Region, Class::C2, own));
            }
            if holds_a_code_of_a_unit(field) {
                all.push(unit("reg_region", FieldType::Region));
                // A dataset takes it from there where no source names the division.
                all.extend(matches!(target, Target::Dataset(_)).then(|| unit("region", FieldType::Region)));
            }
            all
        }
        Implied::Uscc => vec![unit("uscc", FieldType::Uscc)],
        // The old tax number is made of the division and the organisation code.
        Implied::OrgCode => vec![
            unit("org_code", FieldType::OrgCode),
            unit("taxpayer_id", FieldType::TaxpayerId),
        ],
        Implied::Place => of_place(target, field.name, usize::MAX),
        Implied::Disability => vec![told(
            "grade",
            FieldType::Code(&tables::DISABILITY_GRADE),
            Class::C3,
            own,
        )],
    }
}

fn holds_a_code_of_a_unit(field: &Field) -> bool {
    matches!(field.kind, FieldType::Uscc | FieldType::RegNo) || field.implies().any(|implied| implied == Implied::Uscc)
}

/// Statistical codes begin with the division above them, so each tells the ones above and the beginning of the ones below.
fn of_division(name: &str, operator: &Operator) -> Vec<Told> {
    const CODES: [(&str, FieldType); 3] = [
        ("hukou_region", FieldType::Region),
        ("town_code", FieldType::Division(9)),
        ("village_code", FieldType::Division(12)),
    ];
    let Some((_, kind)) = CODES.iter().find(|(code, _)| *code == name) else {
        return Vec::new();
    };
    let known = match operator {
        Operator::Region(to) => to.digits(),
        _ => digits(kind),
    };
    let told = cut(known);
    let others = CODES.iter().filter(|(code, _)| *code != name);
    others
        .map(|(field, kind)| Told {
            field,
            kind: *kind,
            class: Class::C2,
            operator: normal(&told, kind),
            own: true,
        })
        .collect()
}

/// The codes that an address tells, as far as it is left: whoever has the register of divisions reads them out of it.
fn of_place(target: Target, address: &str, known: usize) -> Vec<Told> {
    // Where both addresses of a person are in the record, its towns and villages are those where he lives.
    let lives_elsewhere = target.field("residence_address").is_some();
    let codes: &[&str] = match address {
        "hukou_address" if lives_elsewhere => &["hukou_region"],
        "hukou_address" => &["hukou_region", "town_code", "village_code"],
        "residence_address" => &["residence_region", "town_code", "village_code"],
        "birth_address" => &["birth_region"],
        "from_address" => &["from_region"],
        "to_address" => &["to_region"],
        "op_address" => &["op_region", "town_code"],
        "reg_address" => &["reg_region", "town_code"],
        _ => &["region", "town_code", "village_code"],
    };
    let fields = codes.iter().filter_map(|code| target.field(code));
    fields
        .map(|field| Told {
            field: field.name,
            kind: field.kind,
            class: field.class,
            operator: if known >= digits(&field.kind) {
                Operator::Keep
            } else {
                cut(known)
            },
            own: true,
        })
        .collect()
}

/// That many digits of a code at most.
fn cut(digits: usize) -> Operator {
    let level = RegionTo::ALL.into_iter().rev().find(|to| to.digits() <= digits);
    level.map_or(Operator::Drop, Operator::Region)
}

/// What is told of the head of a household: in his own row the member is the head, so a field of the member gives away one of the head wherever the rows of
/// a household can be put together.
pub(super) fn of_the_head(target: Target, released: &[(&'static str, &Operator)]) -> Vec<(&'static str, Told)> {
    const HEADS: [(&str, &str, &[&[&str]]); 2] = [
        (
            "name",
            "head_name",
            &[&["citizen_id", "head_id"], &["dibao_no", "relation_to_head"]],
        ),
        ("citizen_id", "head_id", &[&["dibao_no", "relation_to_head"]]),
    ];
    let whole = |name: &&str| {
        released
            .iter()
            .any(|(field, operator)| field == name && **operator == Operator::Keep)
    };
    let mut all = Vec::new();
    for (member, head, links) in HEADS {
        let (Some(field), Some((source, operator))) =
            (target.field(head), released.iter().find(|(field, _)| *field == member))
        else {
            continue;
        };
        if links.iter().any(|link| link.iter().all(whole)) {
            all.push((
                *source,
                Told {
                    field: field.name,
                    kind: field.kind,
                    class: field.class,
                    operator: normal(operator, &field.kind),
                    own: true,
                },
            ));
        }
    }
    all
}
