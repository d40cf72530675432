//! Why a file cannot be read as a whole, and what to do about it.
//!
//! Takes what the decoder says and what was stated of the file; gives the failure with the place, the reason in terms of what was stated or found, and the
//! next step. No value of a record is said; of the header row those names that a field has, and what is nearly one.

use shuguan_adapters::decode::{Decoder, FileFault, Unreadable};
use shuguan_adapters::layout::Layout;

use super::{CheckArgs, header_notes};
use crate::command::exit::Failure;
use crate::exchange::batch::refusal_of;
use crate::exchange::report::HeaderNotes;
use crate::refusal::Refusal;

/// Names of the header row that are listed.
const FOUND_MAX: usize = 20;

pub(super) fn unreadable(
    args: &CheckArgs,
    wanted: &[&'static str],
    layout: &Layout,
    error: &Unreadable,
    decoder: &Decoder,
) -> Failure {
    let refusal = refusal_of(error);
    let place = match error.line() {
        Some(line) => format!("{}:{line}", args.file.display()),
        None => args.file.display().to_string(),
    };
    // Of a file in another charset no name was read.
    let headers = match refusal {
        Refusal::BadEncoding => HeaderNotes::default(),
        _ => header_notes(args, wanted, decoder),
    };
    let is_header = matches!(error, Unreadable::BadHeaderRow { .. });
    let found = (is_header && !headers.undivided).then(|| found(decoder));
    let why: Vec<String> = std::iter::once(reason(args, layout, error, decoder))
        .chain(found)
        .chain(headers.lines())
        .collect();
    let next = if headers.undivided {
        "save it as CSV with commas, or as a workbook (.xlsx)".to_owned()
    } else {
        next(args, layout, error, refusal)
    };
    Failure::local(refusal.en())
        .coded(refusal.code())
        .at(place)
        .because(why.join("\n         "))
        .then(next)
}

/// What the decoder says. Of a charset that nobody stated, that its first bytes showed it.
fn reason(args: &CheckArgs, layout: &Layout, error: &Unreadable, decoder: &Decoder) -> String {
    let is_said = args.charset.is_some() || args.content_type.is_some() || args.laid_out.is_named();
    let is_stated = is_said && !layout.open;
    let shown = decoder.encoding().unwrap_or(layout.encoding).name();
    match error {
        Unreadable::BadEncoding { .. } if is_stated => format!("{error}, {shown}"),
        Unreadable::BadEncoding { .. } => format!("{error}, {shown}, as its first bytes show; no charset was stated"),
        Unreadable::WrongCharset {
            declared: Some(_),
            found,
            by,
        } if !is_stated => {
            format!("its first bytes show {shown}, but by its {by} it is {found}; no charset was stated")
        }
        _ => error.to_string(),
    }
}

/// The names of the header row that a field has.
fn found(decoder: &Decoder) -> String {
    let known = decoder.recognised();
    if known.is_empty() {
        return "found: no name of a field; it may be a record and no header row".to_owned();
    }
    let shown = known.iter().take(FOUND_MAX);
    let shown: Vec<String> = shown
        .map(|(field, header)| format!("`{}` ({field})", header.escape_debug()))
        .collect();
    let more = match known.len().saturating_sub(FOUND_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("found: {}{more}", shown.join(", "))
}

fn next(args: &CheckArgs, layout: &Layout, error: &Unreadable, refusal: Refusal) -> String {
    match error {
        Unreadable::WrongCharset { found: "utf-16", .. } => {
            "save it as CSV UTF-8: UTF-16, which is “Unicode text” (Unicode 文本) in Excel, is not read".to_owned()
        }
        // Few bytes of GB18030 may be UTF-8 as well; nothing in UTF-8 looks like GB18030.
        Unreadable::WrongCharset { found: "utf-8", .. } => {
            "name the charset: `--charset utf-8`; where it is gb18030 after all, save it as UTF-8".to_owned()
        }
        Unreadable::BadEncoding { .. } | Unreadable::WrongCharset { .. } | Unreadable::CharsetUnclear => {
            "save it as CSV UTF-8, or name the charset in which it was written: `--charset gb18030` or `--charset utf-8`"
                .to_owned()
        }
        Unreadable::BadHeaderRow { .. } => {
            let headers = args.record.fields.iter().filter(|field| field.required);
            let headers: Vec<_> = headers.map(|field| format!("{} ({})", field.name, field.zh)).collect();
            format!(
                "its headers must name, by English or Chinese name or alias: {}",
                headers.join(", ")
            )
        }
        Unreadable::RecordTooLong { .. } => {
            "look for a quote that is never closed, or a line that never ends".to_owned()
        }
        Unreadable::File(FileFault::Truncated { .. }) => "copy the file again; it was cut".to_owned(),
        Unreadable::File(FileFault::Damaged { .. }) => "open it in a spreadsheet program and save it again".to_owned(),
        Unreadable::File(_)
        | Unreadable::NoOperation
        | Unreadable::Contradicted { .. }
        | Unreadable::DoubtfulHeader(_)
        | Unreadable::DeleteOutsideDelta { .. } => refusal.next().to_owned(),
        Unreadable::WrongTrailer { .. } => "ask the sender for the whole file again".to_owned(),
        Unreadable::Compressed(_) => "unpack it and send it as it is".to_owned(),
        Unreadable::FailedAnswer { .. } => "ask the platform again; what it sent is no answer".to_owned(),
        Unreadable::TooDeep { .. } => "send the records in a flat array".to_owned(),
        Unreadable::SecrecyMark { .. } => Refusal::SecrecyMark.next().to_owned(),
        Unreadable::NotThisFormat { .. } => format!(
            "it was read as {}; name another form: `--content-type text/csv`",
            layout.content_type()
        ),
    }
}
