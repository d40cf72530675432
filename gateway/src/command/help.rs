//! The command line with its help as it is written.
//!
//! Gives the parser's command, in which the examples and exit codes of each command stand line by line as in its source: the parser would wrap them to the
//! terminal, and an example that is broken in the middle cannot be copied. Options are wrapped as ever.

use clap::{Command, CommandFactory, FromArgMatches};

use super::Cli;

/// All of a help text but what stands behind the options; the parser wraps no text of a template.
const BEFORE: &str = "{before-help}{about-with-newline}\n{usage-heading} {usage}\n\n{all-args}";

impl Cli {
    /// Reads the arguments of the process; ends it when they are wrong, or ask for help.
    pub fn from_process() -> Self {
        let matches = verbatim(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

fn verbatim(command: Command) -> Command {
    let command = command.mut_subcommands(verbatim);
    match command.get_after_help().map(ToString::to_string) {
        Some(text) => command.after_help(None).help_template(format!("{BEFORE}\n\n{text}\n")),
        None => command,
    }
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::{Cli, verbatim};

    /// Every command with what stands behind its options.
    fn texts(command: &Command) -> Vec<(Vec<String>, String)> {
        let own = command.get_after_help().map(|text| (Vec::new(), text.to_string()));
        let below = command.get_subcommands().flat_map(|inner| {
            texts(inner).into_iter().map(|(mut path, text)| {
                path.insert(0, inner.get_name().to_owned());
                (path, text)
            })
        });
        own.into_iter().chain(below).collect()
    }

    #[test]
    fn examples_and_exit_codes_are_shown_line_by_line_as_they_are_written() {
        let mut seen = 0;
        for (path, text) in texts(&Cli::command()) {
            let mut command = verbatim(Cli::command().term_width(60));
            command.build();
            let command = path
                .iter()
                .try_fold(&mut command, |command, name| command.find_subcommand_mut(name));
            let shown = command.map(|command| command.render_long_help().to_string());
            let shown = shown.unwrap_or_default();
            assert!(shown.contains(text.trim_end()), "{path:?}: {shown}");
            seen += 1;
        }
        assert!(seen > 30, "{seen}");
    }
}
