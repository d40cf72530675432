//! Whether the file of `rejects --join` is the one that was sent.
//!
//! Takes the file, how it is laid out, and what the gateway says of the exchange; refuses a file of another form, and, unless told that it was changed, one whose content is not
//! what was noted when it was sent, or whose length is not that of what came. A report names rows by their place: beside another file, or the same with a row more, it marks
//! rows that are good. Where nothing was noted and the length is the same nothing is known, and the marks are written.

use std::path::Path;

use serde_json::Value;
use shuguan_adapters::layout::{Format, Layout};

use crate::client::deliver::digest_of;
use crate::client::state::sent_from;
use crate::command::exit::{Exit, Failure};
use crate::command::output::Output;
use crate::hex::hex;

/// Forms that are marked line by line, as the gateway names them before the charset.
const LINES: [&str; 8] = ["csv", "tsv", "pipe", "caret", "pipe-bang", "at-hash", "esc", "ndjson"];

/// Holds the file to the exchange; `changed`: it is known to be another by now.
///
/// # Errors
/// When it is not the file, or cannot be read.
pub(super) fn hold(
    file: &Path,
    layout: &Layout,
    exchange: &Value,
    changed: bool,
    output: &Output,
) -> Result<(), Failure> {
    same_form(file, layout, exchange)?;
    let Some(why) = difference(file, exchange)? else {
        return Ok(());
    };
    if changed {
        output.note(format!(
            "warning: {why}; the marks stand at the rows that were sent, which may be other rows by now"
        ));
        return Ok(());
    }
    Err(Failure::local("this is not the file that was sent")
        .at(file.display().to_string())
        .because(why)
        .then("name the file as it was sent, from a copy; corrected already, push it. --changed marks it all the same, at the rows that were sent"))
}

/// A report on cells has no lines, whatever became of the file.
fn same_form(file: &Path, layout: &Layout, exchange: &Value) -> Result<(), Failure> {
    let Some(sent) = exchange.get("format").and_then(Value::as_str) else {
        return Ok(());
    };
    let is_lines = matches!(layout.format, Format::Delimited(_) | Format::Ndjson);
    if !is_lines || LINES.contains(&sent.split('+').next().unwrap_or_default()) {
        return Ok(());
    }
    let what = format!("what was sent is {sent}, and this file is {}", layout.label());
    Err(Failure::new(Exit::Local, what)
        .at(file.display().to_string())
        .because("the report names cells of another form of file, and would mark the wrong rows")
        .then("name the file that was sent with `--join`"))
}

/// How the file is not what was sent: by its content where that was noted beside it, else by its length.
fn difference(file: &Path, exchange: &Value) -> Result<Option<String>, Failure> {
    let id = exchange.get("exchange").and_then(Value::as_str).unwrap_or_default();
    if let Some(state) = sent_from(file, id)? {
        let same = hex(&digest_of(file)?) == state.digest;
        return Ok((!same).then(|| "its content is not what was sent, as was noted beside it then".to_owned()));
    }
    let length = std::fs::metadata(file).map(|file| file.len());
    let length = length.map_err(|error| Failure::local(format!("cannot read `{}`", file.display())).because(error))?;
    let sent = exchange.get("bytes").and_then(Value::as_u64);
    Ok(sent
        .filter(|sent| *sent != length)
        .map(|sent| format!("it has {length} bytes, and {sent} were sent")))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use serde_json::json;

    use super::hold;
    use crate::client::batch::Batch;
    use crate::client::deliver::{detect, digest_of};
    use crate::client::state::{PushState, Standing, state_path};
    use crate::command::output::Output;
    use crate::hex::hex;

    const QUIET: Output = Output {
        form: crate::command::output::Form::Auto,
        quiet: true,
        no_progress: true,
    };

    #[test]
    fn a_file_that_was_changed_in_place_is_refused_also_at_the_same_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, "a,b\n1,2\n").unwrap();
        let digest = hex(&digest_of(&file).unwrap());
        let batch = Batch {
            digest: &digest,
            record: "r",
            purpose: "p",
            manner: "",
            content_type: "",
        };
        let mut state = PushState::new(&batch);
        state.standing = Standing::Answered("x".to_owned());
        state.save(&state_path(&file, None)).unwrap();
        let layout = detect(&file).unwrap();
        let of = |exchange: &str, bytes: u64, changed: bool| {
            let exchange = json!({ "exchange": exchange, "bytes": bytes, "format": "csv+utf8" });
            hold(&file, &layout, &exchange, changed, &QUIET)
        };
        assert!(of("x", 8, false).is_ok() && of("y", 8, false).is_ok());
        let other = of("y", 9, false).unwrap_err().to_string();
        assert!(other.contains("it has 8 bytes, and 9 were sent"), "{other}");
        std::fs::write(&file, "a,b\n1,3\n").unwrap();
        let changed = of("x", 8, false).unwrap_err().to_string();
        assert!(changed.contains("this is not the file that was sent"), "{changed}");
        assert!(of("x", 8, true).is_ok());
        // It was put back under another name for its state: the state of what is sent in its place by now.
        std::fs::rename(state_path(&file, None), state.aside(&state_path(&file, None))).unwrap();
        assert!(of("x", 8, false).is_err());
    }

    #[test]
    fn text_is_not_held_against_a_report_on_cells_even_when_it_is_said_to_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.csv");
        std::fs::write(&file, "a,b\n1,2\n").unwrap();
        let layout = detect(&file).unwrap();
        for (format, taken) in [("xlsx", false), ("dbf+gb18030", false), ("csv+gb18030", true)] {
            let exchange = json!({ "exchange": "x", "format": format });
            assert_eq!(hold(&file, &layout, &exchange, true, &QUIET).is_ok(), taken, "{format}");
        }
    }
}
