//! How a file that is checked is meant: as an upsert, a delta or a snapshot, with the count that its sender states.
//!
//! Takes the options; gives what the headers of a push would give, by the same rules. Refuses what they refuse, with the same codes, and what is
//! stated of a field that is not judged.

use http::{HeaderMap, HeaderValue};
use shuguan_adapters::catalogue::RecordType;

use crate::client::feed::constants;
use crate::command::exit::{Exit, Failure};
use crate::exchange::mode::{CONSTANTS, COUNT, MODE, Manner, SCOPE};
use crate::exchange::stated::Stated;
use crate::refusal::Refusal;

/// Mode, count, scope and constants.
#[derive(Debug, clap::Args)]
pub(super) struct Meant {
    /// How it will be pushed: `upsert`, `delta` or `snapshot`.
    #[arg(long, value_name = "MODE", default_value = "upsert")]
    mode: String,
    /// Rows that the file should hold; another number is refused.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// What a snapshot speaks for: `all`, or a field and its codes, e.g. `hukou_region=320707`.
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// What stands in every record and in no row, such as the month that the title names. May be given several times.
    #[arg(long = "constant", value_name = "FIELD=CODE")]
    constants: Vec<String>,
}

impl Meant {
    /// Mode and count.
    ///
    /// # Errors
    /// What contradicts what.
    pub(super) fn manner(&self, record: &'static RecordType) -> Result<Manner, Failure> {
        let mut headers = HeaderMap::new();
        let stated = [
            (MODE, Some(self.mode.clone())),
            (COUNT, self.count.map(|count| count.to_string())),
            (SCOPE, self.scope.clone()),
            (CONSTANTS, constants(&self.constants)),
        ];
        for (name, text) in stated {
            if let Some(text) = text {
                let value = HeaderValue::from_str(&text)
                    .map_err(|_| Failure::new(Exit::Usage, format!("`{name}` cannot hold such a text")))?;
                headers.insert(name, value);
            }
        }
        Manner::of(&headers, record).map_err(|refused| {
            let failure = Failure::new(Exit::Usage, refused.refusal.en()).coded(refused.refusal.code());
            let failure = match &refused.detail {
                Some(detail) => failure.because(detail),
                None => failure,
            };
            failure.then(refused.refusal.next())
        })
    }
}

/// Refuses what is stated of a field that is not judged, as the gateway does of one that the grant does not release: nobody would read it.
///
/// # Errors
/// The first such field.
pub(super) fn are_read(stated: &Stated, wanted: &[&'static str]) -> Result<(), Failure> {
    let Some((unread, _)) = stated.pairs().find(|(field, _)| !wanted.contains(field)) else {
        return Ok(());
    };
    let refusal = Refusal::BadManner;
    Err(Failure::new(Exit::Usage, refusal.en())
        .coded(refusal.code())
        .because(format!(
            "`Exchange-Constants`: `--fields` leaves `{unread}` out, so that it is not read"
        ))
        .then(refusal.next()))
}
