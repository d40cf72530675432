//! A state as it lies on the disk.
//!
//! Takes and gives the members that every version has written, so that one that is put back for an older one finds its keys. They allow more than
//! there is: what they say of a key is read as one [`Standing`].

use serde::{Deserialize, Serialize};

use super::{Done, PushState, Standing};

#[derive(Serialize, Deserialize)]
struct Kept {
    digest: String,
    record: String,
    purpose: String,
    key: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    manner: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    content_type: String,
    exchange: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refused: bool,
    #[serde(default)]
    open: Open,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    done: Option<Done>,
}

/// Whether a request under a key may have been taken without our having heard of it.
#[derive(Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Open {
    /// A version wrote the state that did not note it: as if sent when the state was written, unless it says what became of it.
    #[default]
    NotNoted,
    /// Nothing was sent, or it was answered.
    No,
    /// Sent first at this moment, microseconds since 1970, and not answered since.
    Since(i64),
}

/// A state that was written at this moment, microseconds since 1970.
pub(super) fn parse(text: &[u8], written_us: i64) -> serde_json::Result<PushState> {
    let kept: Kept = serde_json::from_slice(text)?;
    let standing = standing(&kept, written_us);
    Ok(PushState {
        digest: kept.digest,
        record: kept.record,
        purpose: kept.purpose,
        key: kept.key,
        manner: kept.manner,
        content_type: kept.content_type,
        standing,
        done: kept.done,
    })
}

fn standing(kept: &Kept, written_us: i64) -> Standing {
    match (&kept.exchange, kept.open, kept.refused) {
        (Some(exchange), _, _) => Standing::Answered(exchange.clone()),
        (None, Open::Since(us), true) => Standing::Told(us),
        (None, Open::Since(us), false) => Standing::Sent(us),
        (None, _, true) => Standing::Refused,
        (None, Open::NotNoted, false) if kept.done.is_none() => Standing::Sent(written_us),
        (None, _, false) => Standing::Unsent,
    }
}

/// What is written of a state.
pub(super) fn text(state: &PushState) -> serde_json::Result<Vec<u8>> {
    let (open, refused) = match state.standing {
        Standing::Unsent | Standing::Answered(_) => (Open::No, false),
        Standing::Sent(us) => (Open::Since(us), false),
        Standing::Told(us) => (Open::Since(us), true),
        Standing::Refused => (Open::No, true),
    };
    serde_json::to_vec_pretty(&Kept {
        digest: state.digest.clone(),
        record: state.record.clone(),
        purpose: state.purpose.clone(),
        key: state.key.clone(),
        manner: state.manner.clone(),
        content_type: state.content_type.clone(),
        exchange: state.exchange().map(str::to_owned),
        refused,
        open,
        done: state.done,
    })
}
