//! A file that was delivered before and lies in the folder once more: was what it brought taken back since?
//!
//! Takes its fate; asks the gateway about its exchange. Gives the same fate, or a refusal: the batch was recalled, or a later one that may have written over it, so that
//! an `.ack` would say what is not so. A gateway that is not reached is asked later.

use serde_json::Value;

use super::fate::Fate;
use crate::client::{Client, Problem};

/// What a person is to do.
const NEXT: &str = "send it as a new batch: shuguan push --again FILE; then remove this .err";

/// The fate as it is to be told.
pub(super) async fn unless_taken_back(client: &Client, fate: Fate) -> Fate {
    let exchange = match &fate {
        Fate::Known { exchange, .. } => exchange,
        Fate::Accepted(pushed) if pushed.replayed => &pushed.exchange,
        _ => return fate,
    };
    match client.get_json(&format!("/v1/exchanges/{exchange}")).await {
        Ok(document) => why(exchange, &document).map_or(fate, |detail| refused(&detail)),
        // Asked later, as what is sent is sent later.
        Err(error) if error.retry().is_some() => Fate::Later(error),
        // One that the gateway does not know is told by `reconcile`.
        Err(_) => fate,
    }
}

fn why(exchange: &str, document: &Value) -> Option<String> {
    if document.get("state").and_then(Value::as_str) == Some("recalled") {
        return Some(format!("it was delivered as {exchange}, which was recalled since"));
    }
    let behind = document.get("recalled_behind")?.as_array()?;
    let behind: Vec<&str> = behind.iter().filter_map(Value::as_str).collect();
    (!behind.is_empty()).then(|| {
        let behind = behind.join(", ");
        format!("it was delivered as {exchange}, and a later batch that may have written over it was recalled since: {behind}")
    })
}

fn refused(detail: &str) -> Fate {
    Fate::refused(&Problem {
        title: "被撤回的批次 (recalled)".into(),
        detail: Some(detail.to_owned()),
        next: Some(NEXT.to_owned()),
        ..Problem::default()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::why;

    #[test]
    fn what_was_recalled_itself_or_behind_a_recalled_batch_is_told_and_nothing_else() {
        assert!(why("x", &json!({ "state": "recalled" })).is_some_and(|why| why.contains('x')));
        let behind = json!({ "state": "relayed", "recalled_behind": ["y"] });
        assert!(why("x", &behind).is_some_and(|why| why.ends_with(": y")));
        assert_eq!(why("x", &json!({ "state": "relayed" })), None);
        assert_eq!(why("x", &json!({ "state": "relayed", "recalled_behind": [] })), None);
    }
}
