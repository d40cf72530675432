//! Partners: organisations and officers known by the SPIFFE id in their certificate, never by a header.
//!
//! Takes `partners.toml`; gives one [`Partner`] an identity. Refuses an id or SPIFFE id used twice, a SPIFFE id outside the trust
//! domain, and a path that gives no role (design 10.1).

use shuguan_adapters::catalogue::Agency;
use toml::Spanned;

use crate::canonical::Canonical;
use crate::document::{Document, Table, nearest};

/// What an identity may do; it stands in the SPIFFE path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// `/agency/<agency>/<name>`: pushes its record types.
    Agency,
    /// `/registry/<name>`: pulls extracts.
    Registry,
    /// `/officer/auditor/<unit>/<name>`: 审计员.
    Auditor,
    /// `/officer/security/<unit>/<name>`: 安全管理员.
    SecurityOfficer,
    /// `/officer/policy/<unit>/<name>`: 策略员.
    PolicyOfficer,
    /// `/operator/<name>`: 系统管理员.
    Operator,
}

impl Role {
    /// The word used in JSON and leaves, e.g. `security-officer`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Agency => "agency",
            Self::Registry => "registry",
            Self::Auditor => "auditor",
            Self::SecurityOfficer => "security-officer",
            Self::PolicyOfficer => "policy-officer",
            Self::Operator => "operator",
        }
    }

    /// Chinese name.
    pub fn zh(self) -> &'static str {
        match self {
            Self::Agency => "部门",
            Self::Registry => "登记机构",
            Self::Auditor => "审计员",
            Self::SecurityOfficer => "安全管理员",
            Self::PolicyOfficer => "策略员",
            Self::Operator => "系统管理员",
        }
    }

    /// The role that a SPIFFE id gives, or none when the id does not follow the profile.
    pub fn of_spiffe(spiffe: &str) -> Option<Self> {
        Some(Identity::parse(spiffe)?.role)
    }
}

/// A SPIFFE id taken apart.
struct Identity<'s> {
    trust_domain: &'s str,
    role: Role,
    agency: Option<Agency>,
    unit: Option<&'s str>,
}

impl<'s> Identity<'s> {
    fn parse(spiffe: &'s str) -> Option<Self> {
        let (trust_domain, path) = spiffe.strip_prefix("spiffe://")?.split_once('/')?;
        let segments: Vec<&str> = path.split('/').collect();
        if spiffe.len() > SPIFFE_BYTES_MAX || !is_word(trust_domain) || !segments.iter().all(|part| is_word(part)) {
            return None;
        }
        let (role, agency, unit) = match *segments.as_slice() {
            ["agency", agency, _name] => (Role::Agency, Some(Agency::parse(agency)?), None),
            ["registry", _name] => (Role::Registry, None, None),
            ["officer", "auditor", unit, _name] => (Role::Auditor, None, Some(unit)),
            ["officer", "security", unit, _name] => (Role::SecurityOfficer, None, Some(unit)),
            ["officer", "policy", unit, _name] => (Role::PolicyOfficer, None, Some(unit)),
            ["operator", _name] => (Role::Operator, None, None),
            _ => return None,
        };
        Some(Self {
            trust_domain,
            role,
            agency,
            unit,
        })
    }
}

/// Longest SPIFFE id, in bytes; SPIFFE-ID section 2.3 allows 2048, a leaf should stay small.
const SPIFFE_BYTES_MAX: usize = 255;

/// Lower-case ASCII letters, digits, `-`, `.`, `_`, not starting with a dot: a subset of SPIFFE-ID section 2.2.
fn is_word(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with('.')
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'_'))
}

/// One identity of the bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partner {
    /// Short id, e.g. `health-ganyu`; stands in leaves, grants and configuration.
    pub id: String,
    /// Chinese name of the organisation or officer.
    pub zh: String,
    /// What it may do.
    pub role: Role,
    /// The agency, for partners of that role.
    pub agency: Option<Agency>,
    /// Its division code, e.g. `320707`, if stated.
    pub region: Option<String>,
    /// The unit of an officer: what "an officer of another unit" compares.
    pub unit: Option<String>,
    /// The exact URI SAN of its certificate.
    pub spiffe: String,
}

impl Partner {
    pub(crate) fn encode(&self, out: &mut Canonical) {
        out.text(&self.id).text(&self.zh).text(self.role.name());
        out.option(self.region.as_deref(), |out, region| {
            out.text(region);
        });
        out.text(&self.spiffe);
    }
}

/// The partner table.
#[derive(Debug, Default)]
pub(crate) struct Partners {
    pub(crate) trust_domain: String,
    pub(crate) list: Vec<Partner>,
}

impl Partners {
    pub(crate) fn read<'s>(document: &mut Document<'s>, mut root: Table<'s>) -> Self {
        let mut partners = Self {
            trust_domain: root.required(document, "trust_domain").unwrap_or_default(),
            list: Vec::new(),
        };
        for table in root.tables(document, "partner") {
            if let Some(partner) = partners.read_one(document, table) {
                partners.list.push(partner);
            }
        }
        root.finish(document);
        partners.list.sort_by(|a, b| a.id.cmp(&b.id));
        partners
    }

    fn read_one<'s>(&self, document: &mut Document<'s>, mut table: Table<'s>) -> Option<Partner> {
        let id: Option<Spanned<String>> = table.required(document, "id");
        let zh: Option<String> = table.required(document, "zh");
        let spiffe: Option<Spanned<String>> = table.required(document, "spiffe");
        let agency: Option<Spanned<String>> = table.optional(document, "agency");
        let region: Option<Spanned<String>> = table.optional(document, "region");
        table.finish(document);
        let (id, zh, spiffe) = (id?, zh?, spiffe?);
        self.check_unique(document, &id, &spiffe);
        let Some(identity) = Identity::parse(spiffe.get_ref()) else {
            let hint = "one of /agency/<agency>/<name>, /registry/<name>, /officer/{auditor,security,policy}/<unit>/<name>, /operator/<name>";
            document.fault(
                spiffe.span(),
                format!("`{}` gives no role", spiffe.get_ref()),
                Some(hint.into()),
            );
            return None;
        };
        if identity.trust_domain != self.trust_domain {
            let message = format!(
                "`{}` is outside the trust domain `{}`",
                spiffe.get_ref(),
                self.trust_domain
            );
            document.fault(spiffe.span(), message, None);
        }
        if let Some(stated) = agency
            && identity.agency.map(Agency::name) != Some(stated.get_ref())
        {
            let message = format!("agency `{}` is not the one of the SPIFFE id", stated.get_ref());
            document.fault(stated.span(), message, None);
        }
        if let Some(region) = &region
            && !(region.get_ref().len() == 6 && region.get_ref().bytes().all(|b| b.is_ascii_digit()))
        {
            document.fault(region.span(), "a region has 6 digits (GB/T 2260)".into(), None);
        }
        Some(Partner {
            role: identity.role,
            agency: identity.agency,
            unit: identity.unit.map(str::to_owned),
            id: id.into_inner(),
            zh,
            region: region.map(Spanned::into_inner),
            spiffe: spiffe.into_inner(),
        })
    }

    fn check_unique(&self, document: &mut Document<'_>, id: &Spanned<String>, spiffe: &Spanned<String>) {
        if !is_word(id.get_ref()) {
            let message = "an id has lower-case letters, digits, `-`, `.` and `_` only".to_owned();
            document.fault(id.span(), message, None);
        }
        if self.list.iter().any(|known| &known.id == id.get_ref()) {
            document.fault(id.span(), format!("partner `{}` stands here twice", id.get_ref()), None);
        }
        if let Some(known) = self.list.iter().find(|known| &known.spiffe == spiffe.get_ref()) {
            let message = format!("this SPIFFE id belongs to `{}` already", known.id);
            document.fault(spiffe.span(), message, None);
        }
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&Partner> {
        self.list.iter().find(|partner| partner.id == id)
    }

    pub(crate) fn suggest(&self, id: &str) -> Option<String> {
        let ids: Vec<String> = self.list.iter().map(|partner| partner.id.clone()).collect();
        nearest(id, &ids).map(|known| format!("did you mean `{known}`?"))
    }
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn the_role_stands_in_the_path_and_nowhere_else() {
        let role = |path: &str| Role::of_spiffe(&format!("spiffe://lyg.example{path}"));
        assert_eq!(role("/agency/health/ganyu"), Some(Role::Agency));
        assert_eq!(role("/registry/information-centre"), Some(Role::Registry));
        assert_eq!(role("/officer/auditor/audit-office/zhao"), Some(Role::Auditor));
        assert_eq!(
            role("/officer/security/information-security/qian"),
            Some(Role::SecurityOfficer)
        );
        assert_eq!(role("/officer/policy/legal/sun"), Some(Role::PolicyOfficer));
        assert_eq!(role("/operator/li"), Some(Role::Operator));
        for path in [
            "",
            "/",
            "/agency/health",
            "/agency/unknown/city",
            "/agency/health/city/x",
            "/Agency/health/city",
            "/agency/health/..",
            "/agency/health/",
            "/officer/root/u/n",
            "/registry/%61",
            "//operator/li",
        ] {
            assert_eq!(role(path), None, "{path}");
        }
        assert_eq!(Role::of_spiffe("https://lyg.example/operator/li"), None);
        assert_eq!(Role::of_spiffe("spiffe:///operator/li"), None);
    }
}
