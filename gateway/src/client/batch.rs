//! What a batch is: content, meant as something, declared in some way.
//!
//! Takes what a key is bound to; says whether two are one batch. The gateway binds a key to all of it, and a person means less: a count checks a batch, and a
//! charset says how it is read, and neither makes another of it.

use shuguan_adapters::layout::Layout;

/// The line of a manner that states the count.
const COUNT: &str = "exchange-count: ";

/// What is sent under one key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch<'a> {
    /// SHA-256 of the file, hex.
    pub digest: &'a str,
    /// Record type.
    pub record: &'a str,
    /// Purpose.
    pub purpose: &'a str,
    /// Mode, scope, count, layout and constants, as headers; empty for a plain upsert.
    pub manner: &'a str,
    /// The `Content-Type`; empty where it was not noted, or is not said.
    pub content_type: &'a str,
}

impl<'a> Batch<'a> {
    /// What a person means by a batch, however it is declared: this content as this, for this.
    pub fn meant(&self) -> [&'a str; 3] {
        [self.digest, self.record, self.purpose]
    }

    /// Whether both are one batch, which may have been counted or read otherwise. Another mode, scope, layout, sheet or form is another batch. Where one says
    /// no form it is the other's, so this is no equivalence.
    pub fn is(&self, other: &Self) -> bool {
        self.meant() == other.meant()
            && uncounted(self.manner).eq(uncounted(other.manner))
            && (self.says_no_form() || other.says_no_form() || same_form(self.content_type, other.content_type))
    }

    /// Whether the gateway takes both under one key: nothing of it is declared otherwise.
    pub fn is_declared_as(&self, other: &Self) -> bool {
        let content_type = if self.says_no_form() {
            other.content_type
        } else {
            self.content_type
        };
        *other == Self { content_type, ..*self }
    }

    /// The count that it is sent with.
    pub fn count(&self) -> Option<u64> {
        let counted = self.manner.lines().find_map(|line| line.strip_prefix(COUNT));
        counted.and_then(|count| count.parse().ok())
    }

    fn says_no_form(&self) -> bool {
        self.content_type.is_empty()
    }
}

fn uncounted(manner: &str) -> impl Iterator<Item = &str> {
    manner.lines().filter(|line| !line.starts_with(COUNT))
}

/// Whether two content types differ in their charset at most.
fn same_form(one: &str, other: &str) -> bool {
    let form = |text: &str| Layout::from_content_type(text).map(|layout| layout.format);
    let essence = |text: &str| {
        let essence = text.split(';').next();
        essence.map(|essence| essence.trim().to_ascii_lowercase())
    };
    form(one) == form(other) && essence(one) == essence(other)
}

#[cfg(test)]
mod tests {
    use super::Batch;

    const SENT: Batch<'_> = Batch {
        digest: "d",
        record: "r",
        purpose: "p",
        manner: "exchange-mode: delta\nexchange-count: 812",
        content_type: "text/csv; charset=utf-8",
    };

    #[test]
    fn a_count_or_a_charset_makes_no_other_batch_and_all_else_does() {
        let manner = |manner| Batch { manner, ..SENT };
        let content_type = |content_type| Batch { content_type, ..SENT };
        for same in [
            SENT,
            manner("exchange-mode: delta"),
            content_type("text/csv; charset=gb18030"),
            content_type(""),
        ] {
            assert!(SENT.is(&same) && same.is(&SENT), "{same:?}");
        }
        for other in [
            manner(""),
            manner("exchange-count: 812"),
            content_type("application/x-ndjson"),
            Batch { digest: "e", ..SENT },
            Batch { record: "s", ..SENT },
            Batch { purpose: "q", ..SENT },
        ] {
            assert!(!SENT.is(&other) && !other.is(&SENT), "{other:?}");
        }
        assert_eq!((SENT.count(), manner("").count()), (Some(812), None));
    }

    #[test]
    fn a_key_is_good_for_nothing_that_is_declared_otherwise() {
        let not_noted = Batch {
            content_type: "",
            ..SENT
        };
        assert!(SENT.is_declared_as(&SENT) && not_noted.is_declared_as(&SENT));
        for other in [
            not_noted,
            Batch { manner: "", ..SENT },
            Batch {
                content_type: "text/csv; charset=gb18030",
                ..SENT
            },
        ] {
            assert!(!SENT.is_declared_as(&other), "{other:?}");
        }
    }
}
