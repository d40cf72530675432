//! Whether the machine's clock may be believed: it is compared with the time that has gone by.
//!
//! Takes readings of two clocks: the wall clock, which an administrator, a time server or a flat battery can set, and one that only runs and that nobody
//! sets. Gives the time to work with, to the millisecond of the wall clock as long as that is followed. What drift, a leap second or a small correction explains is followed at once: 2 s, which come back at a thousandth
//! of the time that goes by. A larger step is held: the time goes on by what has gone by, until the wall clock is put right again, until the step has
//! stood long enough, or until somebody who knows agrees with it. Pure: reads no clock, refuses nothing, and does not panic whatever the readings are.

/// What is followed without a word, at most, microseconds.
pub const FOLLOWED_US: i64 = 2_000_000;
/// What two clocks that are read one after the other in whole microseconds may be apart though neither stepped: nothing is made of it, or thousands of
/// readings a second would add it up.
const NOISE_US: i64 = 1_000;
/// A log whose last entry is older than this when the gateway starts: as likely a wrong clock as a long rest; 30 days.
const REST_MAX_US: i64 = 30 * 86_400_000_000;
/// A wall clock that is set again and again is told of once in this time; one hour.
const TELL_EVERY_US: i64 = 3_600_000_000;

/// One look at both clocks, microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Since the epoch, UTC.
    pub wall_us: i64,
    /// Since some moment; also while the machine slept.
    pub elapsed_us: i64,
}

/// What a log knows of the time before the process started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Before {
    /// When its last entry was sealed.
    pub when_us: i64,
    /// How far the wall clock was ahead of the time (negative: behind), when a step was held then.
    pub off_us: Option<i64>,
}

/// What made a held step the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// It stood for as long as was configured.
    Standing,
    /// A witness whose clock agrees with it, by its name.
    Witness(String),
    /// An operator, by his partner id.
    Operator(String),
}

/// What is to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The wall clock stepped, and is not followed.
    Held,
    /// It is where it should be again.
    Gone,
    /// The step is the time from here on.
    Taken(By),
}

/// News with both readings at that moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What happened.
    pub news: News,
    /// The wall clock.
    pub wall_us: i64,
    /// The time that was worked with, by what had gone by.
    pub time_us: i64,
}

/// A step that is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// How far the wall clock is ahead (negative: behind).
    pub off_us: i64,
    /// Since when it has stood, of [`Reading::elapsed_us`].
    since_us: i64,
    told_us: i64,
}

/// The judgement.
#[derive(Clone, Debug)]
pub struct Steps {
    settle_us: i64,
    now_us: i64,
    elapsed_us: i64,
    /// What may be followed now, nanoseconds: each microsecond that goes by gives one back.
    credit_ns: i64,
    held: Option<Held>,
}

impl Steps {
    /// The first reading of a process. A rest of up to 30 days is believed; a wall clock that is further ahead of the last entry, or behind it, is held
    /// as a step, and one that was held before and is still as far off stays so.
    pub fn start(first: Reading, before: Option<Before>, settle_us: i64) -> (Self, Option<Told>) {
        let mut steps = Self {
            settle_us: settle_us.max(0),
            now_us: first.wall_us,
            elapsed_us: first.elapsed_us,
            credit_ns: FOLLOWED_US * 1_000,
            held: None,
        };
        let Some(before) = before else { return (steps, None) };
        let rest = |time_us: i64| time_us.saturating_sub(before.when_us);
        let plausible = |time_us| (-FOLLOWED_US..=REST_MAX_US).contains(&rest(time_us));
        // Put back while the process was down, or a rest: only a clock that was ahead may look like a rest.
        let as_held = before.off_us.map(|off_us| first.wall_us.saturating_sub(off_us));
        let as_held =
            as_held.filter(|time_us| plausible(*time_us) && (*time_us < first.wall_us || !plausible(first.wall_us)));
        if as_held.is_none() && plausible(first.wall_us) {
            let gone = before.off_us.map(|_| steps.told(News::Gone, first.wall_us));
            return (steps, gone);
        }
        steps.now_us = as_held.unwrap_or(before.when_us);
        steps.hold(first);
        let told = steps.told(News::Held, first.wall_us);
        (steps, Some(told))
    }

    /// The time at a reading, and what is to be told of it.
    pub fn read(&mut self, reading: Reading) -> (i64, Option<Told>) {
        let gone_by = reading.elapsed_us.saturating_sub(self.elapsed_us).max(0);
        self.elapsed_us = self.elapsed_us.max(reading.elapsed_us);
        self.now_us = self.now_us.saturating_add(gone_by);
        self.credit_ns = self.credit_ns.saturating_add(gone_by).min(FOLLOWED_US * 1_000);
        let off_us = reading.wall_us.saturating_sub(self.now_us);
        if off_us.saturating_abs() <= NOISE_US {
            let gone = self.held.take().map(|_| self.told(News::Gone, reading.wall_us));
            return (self.now_us, gone);
        }
        let cost_ns = off_us.saturating_abs().saturating_mul(1_000);
        if cost_ns <= self.credit_ns {
            self.credit_ns -= cost_ns;
            let gone = self.held.take().map(|_| self.told(News::Gone, reading.wall_us));
            self.now_us = reading.wall_us;
            return (self.now_us, gone);
        }
        let told = match self.held {
            None => {
                self.hold(reading);
                Some(News::Held)
            }
            Some(held) if held.off_us.saturating_sub(off_us).saturating_abs() > FOLLOWED_US => {
                self.hold(reading);
                self.again(held.told_us).then_some(News::Held)
            }
            Some(held) if self.elapsed_us.saturating_sub(held.since_us) >= self.settle_us => {
                return (reading.wall_us, Some(self.take(reading, By::Standing)));
            }
            Some(_) => None,
        };
        (self.now_us, told.map(|news| self.told(news, reading.wall_us)))
    }

    /// Somebody who knows agrees with the wall clock; none: no step is held.
    pub fn confirm(&mut self, reading: Reading, by: By) -> Option<Told> {
        let (_, told) = self.read(reading);
        match self.held {
            // That it is held was not told yet: that it is the time now says as much.
            Some(_) => Some(self.take(reading, by)),
            None => told,
        }
    }

    /// Somebody who knows does not agree with the wall clock: what it stood for so far counts for nothing.
    pub fn contradict(&mut self) {
        if let Some(held) = &mut self.held {
            held.since_us = self.elapsed_us;
        }
    }

    /// The step that is held.
    pub fn held(&self) -> Option<Held> {
        self.held
    }

    /// How long the held step must go on to stand before it is the time, microseconds.
    pub fn settles_in_us(&self) -> Option<i64> {
        let stood_us = self.elapsed_us.saturating_sub(self.held?.since_us);
        Some(self.settle_us.saturating_sub(stood_us).max(0))
    }

    fn hold(&mut self, reading: Reading) {
        self.held = Some(Held {
            off_us: reading.wall_us.saturating_sub(self.now_us),
            since_us: self.elapsed_us,
            told_us: self.held.map_or(self.elapsed_us, |held| held.told_us),
        });
    }

    /// Whether a clock that is set again and again is to be told of once more.
    fn again(&mut self, told_us: i64) -> bool {
        let due = self.elapsed_us.saturating_sub(told_us) >= TELL_EVERY_US;
        if let (true, Some(held)) = (due, &mut self.held) {
            held.told_us = self.elapsed_us;
        }
        due
    }

    fn take(&mut self, reading: Reading, by: By) -> Told {
        let told = self.told(News::Taken(by), reading.wall_us);
        self.held = None;
        self.now_us = reading.wall_us;
        self.credit_ns = FOLLOWED_US * 1_000;
        told
    }

    fn told(&self, news: News, wall_us: i64) -> Told {
        Told {
            news,
            wall_us,
            time_us: self.now_us,
        }
    }
}

#[cfg(test)]
mod tests;
