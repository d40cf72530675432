//! What a person sees while a file is sent.

use std::io::IsTerminal as _;
use std::path::Path;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::deliver::unreadable;
use crate::command::exit::Failure;
use crate::command::output::Output;

/// Bytes sent of one attempt: a bar at a terminal, a plain line otherwise, once it is sent and not only asked for.
#[derive(Debug)]
pub struct Progress {
    pub(super) bar: ProgressBar,
    line: Option<(String, Output)>,
}

impl Progress {
    /// Shows nothing.
    pub fn hidden() -> Self {
        Self {
            bar: ProgressBar::hidden(),
            line: None,
        }
    }

    /// It is sent now.
    pub(super) fn tell(&self) {
        if let Some((line, output)) = &self.line {
            output.note(line);
        }
    }

    /// Of this attempt to send a file.
    ///
    /// # Errors
    /// When the file cannot be looked at.
    pub(super) fn start(file: &Path, attempt: u32, output: &Output) -> Result<Self, Failure> {
        let bytes = std::fs::metadata(file).map_err(|error| unreadable(file, error))?.len();
        let bar = ProgressBar::new(bytes);
        let mut line = None;
        if output.shows_progress() {
            bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        } else {
            bar.set_draw_target(ProgressDrawTarget::hidden());
            if !std::io::stderr().is_terminal() {
                let text = format!("sending {} ({bytes} bytes), attempt {attempt}", file.display());
                line = Some((text, *output));
            }
        }
        if let Ok(style) = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta}") {
            bar.set_style(style);
        }
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        bar.set_message(if attempt == 1 {
            name
        } else {
            format!("{name} (attempt {attempt})")
        });
        Ok(Self { bar, line })
    }

    /// The attempt is over.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
