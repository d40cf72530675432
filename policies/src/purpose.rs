//! The purpose tree: what data may be exchanged for.
//!
//! Takes `purposes.toml`; refuses a purpose whose parent is not declared and an inner one that can be requested. A request names a
//! leaf; what stands above it only groups.

use toml::Spanned;

use crate::canonical::Canonical;
use crate::document::{Document, Table, nearest};
use crate::target::{Direction, Mode};

/// One node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purpose {
    /// Dotted code, e.g. `enrolment.registration`.
    pub code: String,
    /// Chinese name.
    pub zh: String,
    /// Whether a request may name it; only leaves can be.
    pub requestable: bool,
    /// Kinds of legal basis that an agreement for it may state.
    pub bases: Vec<String>,
    /// Ways in which it may be used.
    pub allow: Vec<(Direction, Mode)>,
}

/// The purpose tree.
#[derive(Debug, Default)]
pub struct Purposes {
    list: Vec<Purpose>,
}

impl Purposes {
    pub(crate) fn read<'s>(document: &mut Document<'s>, mut root: Table<'s>) -> Self {
        let mut purposes = Self::default();
        let mut places = Vec::new();
        for table in root.tables(document, "purpose") {
            if let Some((purpose, code)) = purposes.read_one(document, table) {
                purposes.list.push(purpose);
                places.push(code);
            }
        }
        root.finish(document);
        purposes.check_tree(document, &places);
        purposes.list.sort_by(|a, b| a.code.cmp(&b.code));
        purposes
    }

    fn read_one<'s>(&self, document: &mut Document<'s>, mut table: Table<'s>) -> Option<(Purpose, Spanned<String>)> {
        let code: Option<Spanned<String>> = table.required(document, "code");
        let zh: Option<String> = table.required(document, "zh");
        let requestable = table.or(document, "requestable", true);
        let bases = table.or(document, "bases", Vec::new());
        let ways: Vec<Spanned<String>> = table.or(document, "allow", Vec::new());
        table.finish(document);
        let allow = ways.iter().filter_map(|way| read_way(document, way)).collect();
        let (code, zh) = (code?, zh?);
        if self.find(code.get_ref()).is_some() {
            let message = format!("purpose `{}` stands here twice", code.get_ref());
            document.fault(code.span(), message, None);
        }
        let purpose = Purpose {
            code: code.get_ref().clone(),
            zh,
            requestable,
            bases,
            allow,
        };
        Some((purpose, code))
    }

    fn check_tree(&self, document: &mut Document<'_>, places: &[Spanned<String>]) {
        for place in places {
            let code = place.get_ref();
            if let Some((parent, _)) = code.rsplit_once('.')
                && self.find(parent).is_none()
            {
                let message = format!("the purpose above `{code}` is not declared");
                document.fault(place.span(), message, Some(format!("declare `{parent}`")));
            }
            let is_inner = self.list.iter().any(|other| is_below(&other.code, code));
            let requestable = self.find(code).is_some_and(|purpose| purpose.requestable);
            if is_inner && requestable {
                let message = format!("`{code}` has purposes below it and cannot be requested");
                document.fault(place.span(), message, Some("add `requestable = false`".into()));
            }
        }
    }

    /// The purpose of that exact code.
    pub fn find(&self, code: &str) -> Option<&Purpose> {
        self.list.iter().find(|purpose| purpose.code == code)
    }

    /// Every purpose, sorted by code.
    pub fn list(&self) -> &[Purpose] {
        &self.list
    }

    /// The declared code nearest to a misspelt one, as a hint.
    pub(crate) fn suggest(&self, code: &str) -> Option<String> {
        let codes: Vec<String> = self.list.iter().map(|purpose| purpose.code.clone()).collect();
        nearest(code, &codes).map(|known| format!("did you mean `{known}`?"))
    }

    pub(crate) fn encode(&self, out: &mut Canonical) {
        out.count(self.list.len());
        self.list.iter().for_each(|purpose| purpose.encode(out));
    }
}

impl Purpose {
    pub(crate) fn encode(&self, out: &mut Canonical) {
        let ways: Vec<String> = self.allow.iter().map(|(d, m)| way(*d, *m)).collect();
        out.text(&self.code).text(&self.zh).flag(self.requestable);
        out.set(&self.bases).set(&ways);
    }
}

/// `push/feed` and so on.
pub(crate) fn way(direction: Direction, mode: Mode) -> String {
    format!("{}/{}", direction.name(), mode.name())
}

fn read_way(document: &mut Document<'_>, text: &Spanned<String>) -> Option<(Direction, Mode)> {
    let known = [
        (Direction::Push, Mode::Feed),
        (Direction::Pull, Mode::Extract),
        (Direction::Pull, Mode::Compare),
    ];
    let found = known.into_iter().find(|(d, m)| way(*d, *m) == *text.get_ref());
    if found.is_none() {
        let hint = "one of `push/feed`, `pull/extract`, `pull/compare`";
        let message = format!("`{}` is no direction and mode", text.get_ref());
        document.fault(text.span(), message, Some(hint.into()));
    }
    found
}

fn is_below(code: &str, above: &str) -> bool {
    code.strip_prefix(above).is_some_and(|rest| rest.starts_with('.'))
}
