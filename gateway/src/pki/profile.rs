//! The certificate profile: a TOML file → names, lifetimes and subject fields; refuses unknown keys and impossible lives.

use std::collections::BTreeMap;

use rcgen::{DistinguishedName, DnType, DnValue};
use serde::Deserialize;

use super::{PkiFault, Subject};

/// What the edge accepts at most as a partner's lifetime (edge.md 2.2, `partner_certificate_days_max`).
pub const PARTNER_DAYS_MAX: u32 = 825;

/// The example profile, which `init` uses unless `--profile` names another.
pub const EXAMPLE: &str = include_str!("../../../certs-example/profile.toml");

/// Everything that decides what certificates say.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    subject: Region,
    root: Named,
    issuing: Named,
    server: Server,
    partner: Life,
    crl: Life,
    #[serde(default)]
    partners: BTreeMap<String, PartnerFields>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Region {
    country: String,
    province: Option<String>,
    locality: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Named {
    organization: String,
    common_name: String,
    days: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    organization: String,
    common_name: String,
    names: Vec<String>,
    days: u32,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Life {
    days: u32,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct PartnerFields {
    organization: Option<String>,
    unit: Option<String>,
    common_name: Option<String>,
}

impl Profile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`PkiFault::Profile`]: unknown or missing keys (with line), a country that is not two capital letters, no server name,
    /// a life of zero days, one above [`PARTNER_DAYS_MAX`] for partners, an issuing authority that outlives its root.
    pub fn parse(text: &str) -> Result<Self, PkiFault> {
        let profile: Self = toml::from_str(text).map_err(|error| PkiFault::Profile(error.to_string()))?;
        let country = &profile.subject.country;
        let faults = [
            (
                country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()),
                "subject.country is not two capital letters",
            ),
            (profile.server.names.is_empty(), "server.names is empty"),
            (
                [
                    profile.root.days,
                    profile.issuing.days,
                    profile.server.days,
                    profile.partner.days,
                    profile.crl.days,
                ]
                .contains(&0),
                "a number of days is 0",
            ),
            (
                profile.partner.days > PARTNER_DAYS_MAX,
                "partner.days is above 825, which the edge refuses",
            ),
            (
                profile.issuing.days > profile.root.days,
                "issuing.days is above root.days",
            ),
            (profile.root.days > 36_500, "root.days is above 36500"),
        ];
        match faults.iter().find(|(wrong, _)| *wrong) {
            Some((_, what)) => Err(PkiFault::Profile((*what).to_owned())),
            None => Ok(profile),
        }
    }

    /// Days that a partner's certificate lives.
    pub fn partner_days(&self) -> u32 {
        self.partner.days
    }

    /// Days until a revocation list expires.
    pub fn crl_days(&self) -> u32 {
        self.crl.days
    }

    /// Days that the root lives.
    pub fn root_days(&self) -> u32 {
        self.root.days
    }

    /// Days that the issuing authority lives.
    pub fn issuing_days(&self) -> u32 {
        self.issuing.days
    }

    /// Days that the gateway's own certificate lives.
    pub fn server_days(&self) -> u32 {
        self.server.days
    }

    /// Names and addresses of the gateway, the extra one (`--name`) first.
    pub fn server_names(&self, extra: Option<&str>) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in extra.into_iter().chain(self.server.names.iter().map(String::as_str)) {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        names
    }

    /// Subject of the root.
    pub fn root_name(&self) -> Result<DistinguishedName, PkiFault> {
        self.name(&self.root.organization, None, &self.root.common_name)
    }

    /// Subject of the issuing authority.
    pub fn issuing_name(&self) -> Result<DistinguishedName, PkiFault> {
        self.name(&self.issuing.organization, None, &self.issuing.common_name)
    }

    /// Subject of the gateway's certificate.
    pub fn server_name(&self) -> Result<DistinguishedName, PkiFault> {
        self.name(&self.server.organization, None, &self.server.common_name)
    }

    /// Subject of a partner's certificate. For people only: the gateway decides by the SPIFFE id.
    pub fn partner_name(&self, subject: &Subject) -> Result<DistinguishedName, PkiFault> {
        let fields = self.partners.get(&subject.id).cloned().unwrap_or_default();
        self.name(
            fields.organization.as_deref().unwrap_or(&subject.zh),
            fields.unit.as_deref(),
            fields.common_name.as_deref().unwrap_or(&subject.id),
        )
    }

    fn name(&self, organization: &str, unit: Option<&str>, common_name: &str) -> Result<DistinguishedName, PkiFault> {
        let mut name = DistinguishedName::new();
        // RFC 5280 appendix A: the country is a PrintableString of two letters; the rest may be UTF-8.
        let country = self
            .subject
            .country
            .as_str()
            .try_into()
            .map_err(PkiFault::crypto("write a country"))?;
        name.push(DnType::CountryName, DnValue::PrintableString(country));
        for (kind, value) in [
            (DnType::StateOrProvinceName, self.subject.province.as_deref()),
            (DnType::LocalityName, self.subject.locality.as_deref()),
            (DnType::OrganizationName, Some(organization)),
            (DnType::OrganizationalUnitName, unit),
            (DnType::CommonName, Some(common_name)),
        ] {
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                // RFC 5280 appendix A.1: ub-common-name and ub-organization-name are 64 characters.
                name.push(kind, value.chars().take(64).collect::<String>());
            }
        }
        Ok(name)
    }
}
