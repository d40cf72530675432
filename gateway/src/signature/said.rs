//! What a signature base says (RFC 9421, 2.5), read again long after the message is gone.
//!
//! Takes the text that was signed, as an evidence record keeps it; gives its components, its tag, the id of the key and when it was signed. Refuses a line that is no component, a component
//! that stands twice, and parameters that are not those of a request: `base` writes none of these. Whether the signature holds is for the key to say.

use std::collections::BTreeMap;

use http::Uri;
use percent_encoding::percent_decode_str;
use sfv::{BareItem, List, ListEntry, Parser};

use super::digest;

const PARAMETERS: &str = "\"@signature-params\": ";

/// A signed request in its own words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<'b> {
    components: BTreeMap<&'b str, &'b str>,
    tag: String,
    keyid: String,
    created: i64,
}

impl<'b> Said<'b> {
    /// Reads a base.
    pub fn read(base: &'b str) -> Option<Self> {
        let mut components = BTreeMap::new();
        let mut lines = base.split('\n');
        let parameters = loop {
            let line = lines.next()?;
            if let Some(parameters) = line.strip_prefix(PARAMETERS) {
                break parameters;
            }
            let (name, value) = line.strip_prefix('"')?.split_once("\": ")?;
            if components.insert(name, value).is_some() {
                return None;
            }
        };
        // Nothing stands behind the parameters.
        if lines.next().is_some() {
            return None;
        }
        let (covered, [keyid, tag], created) = statement(parameters)?;
        // What the parameters list is what the lines are.
        let listed = covered.len() == components.len() && covered.iter().all(|name| components.contains_key(&**name));
        listed.then_some(Self {
            components,
            tag,
            keyid,
            created,
        })
    }

    /// A covered field, or `@method` and the like, as it was sent.
    pub fn component(&self, name: &str) -> Option<&'b str> {
        self.components.get(name).copied()
    }

    /// The path of `@target-uri`, as a router reads it: without its escapes.
    pub fn path(&self) -> Option<String> {
        let target: Uri = self.component("@target-uri")?.parse().ok()?;
        let path = percent_decode_str(target.path()).decode_utf8().ok()?;
        Some(path.into_owned())
    }

    /// The SHA-256 that `content-digest` states.
    pub fn content(&self) -> Option<[u8; 32]> {
        digest::read(self.component("content-digest")?)
    }

    /// Which kind of message it is.
    pub fn tag(&self) -> &str {
        &self.tag
    }

    /// When it was signed, seconds since 1970.
    pub fn created(&self) -> i64 {
        self.created
    }

    /// Id of the key.
    pub fn keyid(&self) -> &str {
        &self.keyid
    }
}

/// The names of the components, then `keyid` and `tag`, then `created`.
fn statement(parameters: &str) -> Option<(Vec<String>, [String; 2], i64)> {
    let list: List = Parser::new(parameters).parse().ok()?;
    let [ListEntry::InnerList(input)] = list.as_slice() else {
        return None;
    };
    let text = |item: &BareItem| item.as_string().map(|text| text.as_str().to_owned());
    let names: Option<Vec<String>> = input.items.iter().map(|item| text(&item.bare_item)).collect();
    let parameter = |name: &str| {
        let found = input.params.iter().find(|(key, _)| key.as_str() == name);
        found.map(|(_, value)| value)
    };
    let created = parameter("created")?.as_integer().map(i64::from)?;
    Some((names?, [text(parameter("keyid")?)?, text(parameter("tag")?)?], created))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use super::Said;

    const BASE: &str = "\"@method\": POST\n\"@target-uri\": https://gw.example:8443/v1/feeds/health/birth-certificate?x\n\"content-digest\": sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:\n\"@signature-params\": (\"@method\" \"@target-uri\" \"content-digest\");created=1;expires=2;nonce=\"n\";keyid=\"sha256:00\";alg=\"ed25519\";tag=\"shuguan-push-1\"";

    #[test]
    fn a_base_is_read_as_it_was_written() {
        let said = Said::read(BASE).unwrap();
        assert_eq!(said.component("@method"), Some("POST"));
        assert_eq!(said.path().as_deref(), Some("/v1/feeds/health/birth-certificate"));
        assert_eq!(said.content().unwrap()[..2], [0xe3, 0xb0]);
        assert_eq!(
            (said.tag(), said.keyid(), said.created()),
            ("shuguan-push-1", "sha256:00", 1)
        );
        assert_eq!(said.component("exchange-mode"), None);
    }

    #[test]
    fn a_text_that_no_signer_of_ours_writes_says_nothing() {
        let twice = BASE.replacen("\"@method\": POST", "\"@method\": POST\n\"@method\": GET", 1);
        let unlisted = BASE.replacen("\"@method\": POST", "\"@method\": POST\n\"exchange-mode\": delta", 1);
        let unsaid = BASE.replacen("\"@method\": POST\n", "", 1);
        let behind = format!("{BASE}\n\"exchange-mode\": delta");
        let tagless = BASE.replace(";tag=\"shuguan-push-1\"", "");
        let timeless = BASE.replace(";created=1", "");
        for text in [
            timeless,
            twice,
            unlisted,
            unsaid,
            behind,
            tagless,
            String::new(),
            "x".into(),
        ] {
            assert_eq!(Said::read(&text), None, "{text}");
        }
    }
}
