//! What is printed: one line a figure, with its peer of the same run, their ratio, and the aim.

use std::fmt;

use crate::timing::Spread;

/// What a figure ought to be.
#[derive(Clone, Copy, Debug)]
pub enum Aim {
    /// The figure itself, at least.
    AtLeast(f64),
    /// The figure itself, below.
    Below(f64),
    /// Figure over peer, at least.
    RatioAtLeast(f64),
    /// Figure over peer, at most.
    RatioAtMost(f64),
    /// Reported only.
    None,
}

/// One figure.
#[derive(Debug)]
pub struct Line {
    pub what: String,
    pub unit: &'static str,
    pub measured: Spread,
    pub peer: Option<(String, Spread)>,
    pub aim: Aim,
}

/// All figures of a run.
#[derive(Debug, Default)]
pub struct Table(Vec<Line>);

impl Table {
    pub fn add(&mut self, line: Line) {
        eprintln!("  {}: {} {}", line.what, line.measured, line.unit);
        self.0.push(line);
    }

    /// A figure without peer and aim.
    pub fn note(&mut self, what: impl Into<String>, unit: &'static str, measured: Spread) {
        self.add(Line {
            what: what.into(),
            unit,
            measured,
            peer: None,
            aim: Aim::None,
        });
    }
}

impl Line {
    fn ratio(&self) -> Option<f64> {
        let (_, peer) = self.peer.as_ref()?;
        Some(self.measured.median() / peer.median())
    }

    fn reached(&self) -> &'static str {
        let figure = self.measured.median();
        let ratio = self.ratio().unwrap_or_default();
        let reached = match self.aim {
            Aim::AtLeast(aim) => figure >= aim,
            Aim::Below(aim) => figure < aim,
            Aim::RatioAtLeast(aim) => ratio >= aim,
            Aim::RatioAtMost(aim) => ratio <= aim,
            Aim::None => return "",
        };
        if reached { "yes" } else { "**no**" }
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(aim) => write!(out, "≥ {}", figure(*aim)),
            Self::Below(aim) => write!(out, "< {}", figure(*aim)),
            Self::RatioAtLeast(aim) => write!(out, "ratio ≥ {aim}"),
            Self::RatioAtMost(aim) => write!(out, "ratio ≤ {aim}"),
            Self::None => Ok(()),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            out,
            "| What | Unit | Median (min–max) | Beside it, same run | Ratio | Aim | Reached |"
        )?;
        writeln!(out, "|---|---|---|---|---|---|---|")?;
        for line in &self.0 {
            let peer = line
                .peer
                .as_ref()
                .map(|(name, peer)| format!("{name}: {peer}"))
                .unwrap_or_default();
            let ratio = line.ratio().map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            writeln!(
                out,
                "| {} | {} | {} | {peer} | {ratio} | {} | {} |",
                line.what,
                line.unit,
                line.measured,
                line.aim,
                line.reached()
            )?;
        }
        Ok(())
    }
}

/// Thousands apart; below a hundred, two decimals.
pub fn figure(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.2}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
