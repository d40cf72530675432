//! A batch as it is declared to the gateway.
//!
//! Takes a file, what its sender states of it, and what was sent from its place before; gives the batch as it goes. What was taken or may have been goes as it
//! went first, whatever is stated of its count and charset by now, because the gateway knows its key for that alone; and what is stated is held against what was
//! taken.

use shuguan_adapters::catalogue::record_type;
use shuguan_adapters::layout::{Encoding, Layout};

use super::batch::Batch;
use super::deliver::{Pushed, detect};
use super::feed::Feed;
use super::place::Place;
use super::undelivered::Undelivered;
use crate::command::exit::{Exit, Failure};
use crate::hex::hex;

/// A file with all that is declared of it.
#[derive(Clone, Debug)]
pub struct Declared<'f> {
    /// The file, with the count that it goes with.
    pub feed: Feed<'f>,
    /// SHA-256 of its content.
    pub digest: [u8; 32],
    /// The same in hex.
    pub hex: String,
    /// The form in which it goes: stated, else as it went first, else detected.
    pub content_type: String,
    manner: String,
}

impl<'f> Declared<'f> {
    /// As it is stated, and where nothing is, as its name and first bytes say.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(feed: &Feed<'f>, digest: [u8; 32]) -> Result<Self, Failure> {
        let content_type = match &feed.content_type {
            Some(content_type) => content_type.clone(),
            None => detect(feed.file)?.content_type(),
        };
        Ok(Self {
            manner: feed.asked.canonical(),
            feed: feed.clone(),
            digest,
            hex: hex(&digest),
            content_type,
        })
    }

    /// What its key is bound to.
    pub fn batch(&self) -> Batch<'_> {
        Batch {
            digest: &self.hex,
            record: self.feed.record,
            purpose: self.feed.purpose,
            manner: &self.manner,
            content_type: &self.content_type,
        }
    }

    /// The same, of whatever form where none is stated.
    pub fn stated(&self) -> Batch<'_> {
        Batch {
            content_type: self.feed.content_type.as_deref().unwrap_or_default(),
            ..self.batch()
        }
    }

    /// As it went first, when it was sent from this place.
    ///
    /// # Errors
    /// When a state cannot be read, written or renamed.
    pub(super) fn as_before(&self, place: &mut Place) -> Result<Self, Failure> {
        place.bring_back(&self.batch())?;
        let mut now = self.clone();
        let before = place.there().filter(|before| {
            // What was answered and is to go again was forgotten; what is left of it is of another form.
            let is_other = self.feed.again && before.exchange().is_some();
            before.was_sent() && !is_other && before.batch().is(&self.stated())
        });
        if let Some(before) = before {
            now.feed.asked.count = before.batch().count();
            now.manner = now.feed.asked.canonical();
            if !before.content_type.is_empty() {
                now.content_type.clone_from(&before.content_type);
            }
        }
        Ok(now)
    }

    /// Holds what was taken to the count and charset that are stated, when it went without them.
    ///
    /// # Errors
    /// [`Undelivered::OfFile`]: its sender means something else than what was taken.
    pub(super) fn held_to(&self, stated: &Feed<'_>, pushed: Pushed) -> Result<Pushed, Undelivered> {
        let Some(what) = self.miscounted(stated, &pushed).or_else(|| self.misread(stated)) else {
            return Ok(pushed);
        };
        let next = format!(
            "if what is stated is right: shuguan recall {} --why wrong-batch --yes, then push it with --again",
            pushed.exchange
        );
        Err(Undelivered::OfFile(
            Failure::new(Exit::Refused, what)
                .at(self.feed.file.display().to_string())
                .because("it was sent before without this, and that batch was taken")
                .then(next),
        ))
    }

    fn miscounted(&self, stated: &Feed<'_>, pushed: &Pushed) -> Option<String> {
        let count = stated
            .asked
            .count
            .filter(|count| self.feed.asked.count != Some(*count))?;
        // A row may hold several members of a household, each a record: then there are at most as many rows as records.
        let unfolds = record_type(self.feed.record).is_some_and(|record| record.unfold.is_some());
        // Sums among the rows may have been counted with them.
        let most = pushed.received.saturating_add(pushed.headers.footers);
        let fits = count == pushed.received || count == most || (unfolds && count < most);
        let taken = pushed.received;
        (!fits).then(|| format!("the gateway took {taken} rows of this file, and {count} are stated"))
    }

    fn misread(&self, stated: &Feed<'_>) -> Option<String> {
        let said = charset(stated.content_type.as_deref()?)?;
        let detected = || charset(&detect(self.feed.file).ok()?.content_type());
        let taken = charset(&self.content_type).or_else(detected)?;
        let (taken, said) = (said != taken).then_some((taken.name(), said.name()))?;
        Some(format!("the gateway read this file as {taken}, and {said} is stated"))
    }
}

/// The charset that a content type names; where none does, the bytes say it, unless they are the same in all.
fn charset(content_type: &str) -> Option<Encoding> {
    let layout = Layout::from_content_type(content_type)?;
    (!layout.open).then_some(layout.encoding)
}
