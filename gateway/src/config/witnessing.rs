//! `[[witness]]` and `[witnessing]`: whom the log is shown to, and what happens when they do not sign.
//!
//! Refuses plain HTTP beyond loopback, `https` without the authority's file, a quorum that the witnesses cannot reach, and a `stop` that
//! nothing could end because there is no witness.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use shuguan_ledger::cosignature::WitnessKey;
use shuguan_policies::document::{Document, Table};

use super::sections::nonzero;

/// Whom the log is shown to.
#[derive(Clone, Debug)]
pub struct WitnessingSection {
    /// Every `[[witness]]`.
    pub witnesses: Vec<WitnessSection>,
    /// How many of them must sign, at most all; 0 without witnesses.
    pub quorum: usize,
    /// A witness that takes longer is asked again later.
    pub witness_timeout_ms: NonZeroU32,
    /// For purposes without an entry of their own.
    pub reaction: Reaction,
    /// By purpose.
    pub purposes: BTreeMap<String, Reaction>,
}

/// One witness.
#[derive(Clone, Debug)]
pub struct WitnessSection {
    /// Its name here, in leaves and messages.
    pub name: String,
    /// Where it is asked.
    pub address: WitnessAddress,
    /// Its public key.
    pub key: WitnessKey,
    /// Authorities of its server certificate, PEM; for `https`.
    pub ca: Option<PathBuf>,
}

/// `http://HOST:PORT/PREFIX` or `https://…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WitnessAddress {
    /// Whether TLS is spoken.
    pub tls: bool,
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Path before `/add-checkpoint`, without a final slash.
    pub prefix: String,
}

impl std::fmt::Display for WitnessAddress {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(out, "{scheme}://{}:{}{}", self.host, self.port, self.prefix)
    }
}

impl WitnessAddress {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let uri: http::Uri = text.parse().map_err(|_| "it is no address")?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("it begins with neither `https://` nor `http://`"),
        };
        let host = uri
            .host()
            .ok_or("it names no host")?
            .trim_matches(['[', ']'])
            .to_owned();
        let loopback = host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback());
        if !tls && !loopback {
            return Err("plain HTTP is for loopback only");
        }
        if uri.query().is_some() {
            return Err("it has a query");
        }
        Ok(Self {
            tls,
            host,
            port: uri.port_u16().unwrap_or(if tls { 443 } else { 80 }),
            prefix: uri.path().trim_end_matches('/').to_owned(),
        })
    }
}

/// What happens to exchanges while no quorum signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reaction {
    /// Nothing: the debt is shown, and paid back when the witness returns.
    Continue,
    /// They are refused once the debt is so old.
    Stop {
        /// Age of the oldest entry that no quorum has signed, seconds.
        after_s: u32,
    },
}

impl Reaction {
    /// Whether nothing is exchanged any more with a debt so old, seconds.
    pub fn stops_at(self, debt_s: u64) -> bool {
        matches!(self, Self::Stop { after_s } if debt_s >= u64::from(after_s))
    }
}

/// Reads both sections; every fault is recorded.
pub(super) fn read<'s>(document: &mut Document<'s>, root: &mut Table<'s>, folder: &Path) -> WitnessingSection {
    let mut witnesses: Vec<WitnessSection> = Vec::new();
    for table in root.tables(document, "witness") {
        let span = table.span();
        let Some(witness) = witness(document, table, folder) else {
            continue;
        };
        if witnesses
            .iter()
            .any(|known| known.name == witness.name || known.key.name() == witness.key.name())
        {
            document.fault(span, format!("the witness `{}` is there twice", witness.name), None);
        } else {
            witnesses.push(witness);
        }
    }
    let mut section = WitnessingSection {
        quorum: witnesses.len(),
        witnesses,
        witness_timeout_ms: nonzero(2_000),
        reaction: Reaction::Continue,
        purposes: BTreeMap::new(),
    };
    if let Some(mut table) = root.table(document, "witnessing") {
        settings(document, &mut table, &mut section);
        table.finish(document);
    }
    section
}

fn settings<'s>(document: &mut Document<'s>, table: &mut Table<'s>, section: &mut WitnessingSection) {
    let span = table.span_of("quorum").unwrap_or(table.span());
    if let Some(quorum) = table.optional::<usize>(document, "quorum") {
        if quorum == 0 || quorum > section.quorum {
            let hint = format!("there are {} [[witness]]", section.quorum);
            document.fault(span, "`witnessing.quorum` cannot be reached".into(), Some(hint));
        }
        section.quorum = quorum;
    }
    section.witness_timeout_ms = table.or(document, "witness_timeout_ms", section.witness_timeout_ms);
    section.reaction = reaction(document, table, 600);
    let standard = match section.reaction {
        Reaction::Stop { after_s } => after_s,
        Reaction::Continue => 600,
    };
    if let Some(mut entries) = table.table(document, "purpose") {
        for (purpose, _) in entries.keys() {
            if let Some(mut entry) = entries.table(document, &purpose) {
                let reaction = reaction(document, &mut entry, standard);
                entry.finish(document);
                section.purposes.insert(purpose, reaction);
            }
        }
    }
    let stops = |reaction: &Reaction| matches!(reaction, Reaction::Stop { .. });
    if section.witnesses.is_empty() && (stops(&section.reaction) || section.purposes.values().any(stops)) {
        let hint = "add a [[witness]], or leave `on_debt` at \"continue\"".to_owned();
        let what = "`on_debt = \"stop\"` without a witness would stop for ever".to_owned();
        document.fault(table.span(), what, Some(hint));
    }
}

fn reaction<'s>(document: &mut Document<'s>, table: &mut Table<'s>, standard: u32) -> Reaction {
    let span = table.span_of("on_debt").unwrap_or(table.span());
    let on_debt = table.or(document, "on_debt", "continue".to_owned());
    let after_s = table.or(document, "stop_after_s", nonzero(standard)).get();
    match on_debt.as_str() {
        "continue" => Reaction::Continue,
        "stop" => Reaction::Stop { after_s },
        _ => {
            let hint = Some("\"continue\" or \"stop\"".to_owned());
            document.fault(span, "`on_debt` is another word".into(), hint);
            Reaction::Continue
        }
    }
}

fn witness<'s>(document: &mut Document<'s>, mut table: Table<'s>, folder: &Path) -> Option<WitnessSection> {
    let name_span = table.span_of("name").unwrap_or(table.span());
    let name: Option<String> = table.required(document, "name");
    let url_span = table.span_of("url").unwrap_or(table.span());
    let url: Option<String> = table.required(document, "url");
    let vkey_span = table.span_of("vkey").unwrap_or(table.span());
    let vkey: Option<String> = table.required(document, "vkey");
    let ca: Option<PathBuf> = table.optional(document, "ca");
    let span = table.span();
    table.finish(document);
    let (name, url, vkey) = (name?, url?, vkey?);
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(fits) {
        let hint = Some("it stands in the log: 1 to 64 of letters, digits, `-`, `_`, `.`".to_owned());
        document.fault(name_span, "`witness.name` is no name".into(), hint);
        return None;
    }
    let address = WitnessAddress::parse(&url)
        .map_err(|why| document.fault(url_span, format!("`witness.url`: {why}"), None))
        .ok()?;
    let key = WitnessKey::parse(&vkey)
        .map_err(|_| {
            let hint = Some("as `shuguan witness init` printed it".to_owned());
            document.fault(vkey_span, "`witness.vkey` is not the key of a witness".into(), hint);
        })
        .ok()?;
    if address.tls != ca.is_some() {
        let hint = Some("`ca` is the authority of its server certificate, PEM".to_owned());
        document.fault(
            span,
            "`witness.ca` belongs to `https`, and `https` needs it".into(),
            hint,
        );
        return None;
    }
    Some(WitnessSection {
        name,
        address,
        key,
        ca: ca.map(|ca| folder.join(ca)),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::path::Path;

    use shuguan_ledger::cosignature::CosigningKey;

    use super::super::{Config, ConfigError, EXAMPLE};
    use super::{Reaction, WitnessAddress};

    fn witness(name: &str, rest: &str) -> String {
        let key = CosigningKey::from_seed(&format!("{}.example", name.replace(' ', "-")), &[3; 32]).unwrap();
        let vkey = key.witness_key().vkey();
        format!("[[witness]]\nname = \"{name}\"\nvkey = \"{vkey}\"\n{rest}\n")
    }

    fn with(witnesses: &str, settings: &str) -> Result<Config, ConfigError> {
        let section = format!("{witnesses}[witnessing]\n{settings}");
        Config::parse(
            "c.toml",
            &EXAMPLE.replace("[witnessing]\n", &section),
            Path::new("/etc/shuguan"),
        )
    }

    const LOCAL: &str = "url = \"http://127.0.0.1:8450/w/\"";

    #[test]
    fn witnesses_quorum_and_reactions_are_read() {
        let two = witness("a", LOCAL) + &witness("b", "url = \"https://w.example\"\nca = \"pki/w.pem\"");
        let settings =
            "quorum = 1\non_debt = \"stop\"\nstop_after_s = 60\n[witnessing.purpose.\"x.y\"]\non_debt = \"continue\"\n";
        let section = with(&two, settings).unwrap().witnessing;
        assert_eq!((section.quorum, section.witnesses.len()), (1, 2));
        assert_eq!(section.reaction, Reaction::Stop { after_s: 60 });
        assert_eq!(section.purposes.get("x.y"), Some(&Reaction::Continue));
        let addresses: Vec<_> = section.witnesses.iter().map(|w| w.address.to_string()).collect();
        assert_eq!(addresses, ["http://127.0.0.1:8450/w", "https://w.example:443"]);
        assert_eq!(with(&two, "").unwrap().witnessing.quorum, 2, "all of them");
        let none = with("", "").unwrap().witnessing;
        assert_eq!((none.quorum, none.reaction), (0, Reaction::Continue));
    }

    #[test]
    fn what_could_never_be_signed_or_would_be_read_on_the_way_is_refused() {
        let one = witness("a", LOCAL);
        for (witnesses, settings, told) in [
            (one.clone(), "quorum = 2", "cannot be reached"),
            (one.clone(), "quorum = 0", "cannot be reached"),
            (String::new(), "on_debt = \"stop\"", "would stop for ever"),
            (one.clone(), "on_debt = \"ignore\"", "another word"),
            (one.clone() + &one, "", "there twice"),
            (witness("a b", LOCAL), "", "no name"),
            (witness("a", "url = \"http://w.example:80\""), "", "loopback only"),
            (witness("a", "url = \"ftp://127.0.0.1\""), "", "neither"),
            (witness("a", "url = \"https://w.example\""), "", "`https` needs it"),
            (
                witness("a", &format!("{LOCAL}\nca = \"x.pem\"")),
                "",
                "belongs to `https`",
            ),
            (one.replace("vkey = \"", "vkey = \"x"), "", "not the key of a witness"),
            (one.replace("vkey", "key"), "", "`witness.vkey` is missing"),
        ] {
            let text = with(&witnesses, settings).unwrap_err().to_string();
            assert!(text.contains(told), "{told}: {text}");
        }
        assert!(WitnessAddress::parse("http://[::1]:9/").is_ok());
        assert!(WitnessAddress::parse("http://127.0.0.1/?q").is_err());
    }
}
