//! The form in which a file of a bundle is written.

/// The text in one form: no blanks at line ends, one blank between `key`, `=` and value, one empty line at most, one before a table,
/// and a line feed at the end. Comments stay. `None` when it is no TOML, or would say something else afterwards.
pub fn tidy(text: &str) -> Option<String> {
    let before: toml::Table = toml::from_str(text).ok()?;
    let mut lines: Vec<String> = Vec::new();
    let mut inside: Option<&str> = None;
    for line in text.lines() {
        // Inside a text of several lines every blank counts.
        let quiet = inside.is_some();
        inside = quote_open(line, inside);
        if quiet || inside.is_some() {
            lines.push(line.to_owned());
            continue;
        }
        let line = spaced(line.trim_end());
        let blank = lines.last().is_none_or(String::is_empty);
        if line.is_empty() && blank {
            continue;
        }
        let attached = lines.last().is_some_and(|line| line.starts_with('#'));
        if line.starts_with("[[") && !blank && !attached {
            lines.push(String::new());
        }
        lines.push(line);
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    let formed = lines.join("\n") + "\n";
    let after: toml::Table = toml::from_str(&formed).ok()?;
    (before == after).then_some(formed)
}

/// `key = value` with one blank on each side of the first `=`, where the key is a bare one.
fn spaced(line: &str) -> String {
    let Some((key, value)) = line.split_once('=') else {
        return line.to_owned();
    };
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if key.trim().is_empty() || !key.trim().chars().all(bare) || key.starts_with(' ') {
        return line.to_owned();
    }
    format!("{} = {}", key.trim(), value.trim())
}

/// The quotes that are still open at the end of a line.
fn quote_open<'q>(line: &str, open: Option<&'q str>) -> Option<&'q str> {
    ["\"\"\"", "'''"].into_iter().fold(open, |open, quotes| {
        let count = line.matches(quotes).count();
        match open {
            None if count % 2 == 1 => Some(quotes),
            Some(opened) if opened == quotes && count % 2 == 1 => None,
            other => other,
        }
    })
}
