//! What a file of a drop folder is sent as.
//!
//! Takes the file with what its folders and its companion say; gives the batch as it is stated, or the fate of a file that is refused on this side.

use std::time::Duration;

use super::fate::{Fate, unread};
use crate::client::declared::Declared;
use crate::client::deliver::digest_of;
use crate::client::feed::{Asked, Feed, constants};
use crate::client::outbox::{Item, beside};
use crate::client::tied::Tie;
use crate::command::push;
use crate::command::sheet::SheetArgs;
use crate::refusal::Refusal;

/// What a file is sent as, by what its folders and its companion say.
pub(super) fn meant<'i>(item: &'i Item, tie: &'i Tie) -> Result<Declared<'i>, Fate> {
    let said = &item.said;
    let record = said.record.as_deref().ok_or_else(|| {
        let why =
            "the folder stands for no record type: name it like `public-security/resident`, or put a drop.toml into it";
        Fate::refused_for(Refusal::UnknownRecordType, why)
    })?;
    let purpose = said.purpose.as_deref().ok_or_else(|| {
        let why = "add `--purpose P`, or `purpose = \"P\"` to a drop.toml";
        Fate::refused_for(Refusal::MissingPurpose, why)
    })?;
    let companion = item.companion.as_ref().map_err(|why| {
        let why = format!("the companion file: {why}");
        Fate::refused_for(Refusal::BadRequest, &why)
    })?;
    let digest = digest_of(&item.file).map_err(|failure| unread(item, failure.what))?;
    if companion.sha256.is_some_and(|stated| stated != digest) {
        let why = "the file is not the one that its companion states";
        return Err(Fate::refused_for(Refusal::BadDigest, why));
    }
    let feed = Feed {
        file: &item.file,
        record,
        purpose,
        content_type: content_type(item)?,
        asked: Asked {
            mode: said.mode.clone(),
            scope: said.scope.clone(),
            count: companion.count,
            layout: said.layout.clone(),
            constants: constants(&besides(&companion.constants, said.constants.as_deref())),
        },
        state: None,
        receipt: Some(beside(&item.file, "ack")),
        tie: Some(tie),
        again: false,
        patience: Duration::ZERO,
    };
    Declared::of(&feed, digest).map_err(|failure| unread(item, failure.what))
}

/// The content type that is said; none: it is detected.
fn content_type(item: &Item) -> Result<Option<String>, Fate> {
    let (stated, charset) = (item.said.content_type.as_deref(), item.said.charset.as_deref());
    if item.said.layout.is_some() {
        return Ok(Some(push::of_layout(stated, charset)));
    }
    push::content_type(stated, charset, &SheetArgs::default(), &item.file)
        .map_err(|failure| Fate::refused_for(Refusal::UnsupportedType, &failure.what))
}

/// What the companion states of the file, and of what the folder states that of which the companion says nothing.
fn besides(own: &[String], of_folder: Option<&str>) -> Vec<String> {
    fn field(member: &str) -> &str {
        member.split_once('=').map_or(member, |(field, _)| field).trim()
    }
    let is_said = |member: &&str| own.iter().any(|own| field(own) == field(member));
    let more = of_folder.into_iter().flat_map(|text| text.split(',')).map(str::trim);
    let more = more
        .filter(|member| !member.is_empty() && !is_said(member))
        .map(str::to_owned);
    own.iter().cloned().chain(more).collect()
}
