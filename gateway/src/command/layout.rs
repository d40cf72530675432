//! A layout out of a file, as options of `check` and `rejects`.
//!
//! Takes a file of `[[layout]]` tables, as in the gateway's `shuguan.toml`, and what the records are; gives the layout for them. Refuses a file that has
//! faults, all of them told, and one that holds none or several for the record type.

use std::path::PathBuf;

use shuguan_adapters::catalogue::RecordType;

use super::exit::{Exit, Failure};
use crate::layouts::{Layouts, NamedLayout};
use crate::refusal::Refusal;

/// Of a file that is written as a layout says.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct LayoutArgs {
    /// Read the file by a layout out of this file: `[[layout]]` tables as in the gateway's shuguan.toml.
    #[arg(long, value_name = "FILE", conflicts_with = "content_type")]
    layout: Option<PathBuf>,
    /// Which of its layouts, when it holds several for the record type.
    #[arg(long, value_name = "NAME", requires = "layout")]
    layout_name: Option<String>,
}

impl LayoutArgs {
    /// Whether a file with layouts was named.
    pub(super) fn is_named(&self) -> bool {
        self.layout.is_some()
    }

    /// The layout for a record type, which is asked for only when a file was named; none when not.
    ///
    /// # Errors
    /// Every fault of the file; none or several that fit.
    pub(super) fn read(
        &self,
        record: impl FnOnce() -> Result<&'static RecordType, Failure>,
    ) -> Result<Option<NamedLayout>, Failure> {
        let Some(file) = &self.layout else {
            return Ok(None);
        };
        let record = record()?;
        let layouts = Layouts::load(file).map_err(|faults| {
            let list: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Failure::local(format!("`{}` is not taken\n{}", file.display(), list.join("\n"))).coded("SG7109")
        })?;
        let known = layouts.only(record, self.layout_name.as_deref()).ok_or_else(|| {
            Failure::new(
                Exit::Usage,
                format!(
                    "`{}` does not hold just one such layout for `{}`",
                    file.display(),
                    record.name
                ),
            )
            .coded(Refusal::UnknownLayout.code())
            .then("name it: `--layout-name NAME`")
        })?;
        Ok(Some(known.clone()))
    }
}
