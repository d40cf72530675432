//! Whose turn it is: fair shares of the registry among agencies, and within an agency among its lanes.
//!
//! Takes the lanes in which something waits, and what each turn cost; gives the lane that is due. Start-time fair queueing: each lane
//! has a tag that grows with the rows it was served, and the lowest is due. A lane that was empty starts at the present, so that
//! silence saves nothing up, and a small exchange is served within one turn of each other lane, however long their queues. Refuses nothing.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::num::NonZeroU32;

use crate::journal::Lane;

/// How much one row moves a tag when an agency has weight 1 and one lane.
const ROW: u64 = 1 << 10;

/// Shares: of an agency among agencies, of a record type among those of its agency. What is not named has weight 1.
#[derive(Clone, Debug, Default)]
pub struct Weights(pub BTreeMap<String, NonZeroU32>);

impl Weights {
    fn of(&self, name: &str) -> u64 {
        self.0.get(name).map_or(1, |weight| weight.get().into())
    }
}

/// The tags of the lanes that were served lately.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    weights: Weights,
    tags: HashMap<String, u64>,
    /// The tag of the lane that was served last: the present.
    now: u64,
}

impl Lanes {
    pub(super) fn new(weights: Weights) -> Self {
        Self {
            weights,
            ..Self::default()
        }
    }

    /// The lane that is due among those that may go; in a tie the first. None when none may. One that waits and may not go keeps its place, so that a
    /// limit of its own costs it nothing else.
    pub(super) fn due<'l>(&mut self, waiting: &'l [Lane], may_go: impl Fn(&Lane) -> bool) -> Option<&'l Lane> {
        let names: HashSet<&str> = waiting.iter().map(|lane| lane.name.as_str()).collect();
        // Of one that is empty, a tag that the present has passed says no more than the present does.
        self.tags
            .retain(|name, tag| *tag > self.now || names.contains(name.as_str()));
        for lane in waiting {
            if !self.tags.contains_key(&lane.name) {
                self.tags.insert(lane.name.clone(), self.now);
            }
        }
        let free = waiting.iter().filter(|lane| may_go(lane));
        let lane = free.min_by_key(|lane| self.tag(&lane.name))?;
        self.now = self.now.max(self.tag(&lane.name));
        Some(lane)
    }

    /// Charges a turn of a lane: more rows, less weight and more lanes of its agency move it further back.
    pub(super) fn charge<'l>(&mut self, lane: &Lane, waiting: impl Iterator<Item = &'l Lane>, rows: u64) {
        let agency = agency(&lane.record);
        let own = self.weights.of(&lane.record);
        let sharing: u64 = waiting
            .filter(|other| self::agency(&other.record) == agency)
            .map(|other| self.weights.of(&other.record))
            .sum();
        let weight = own.saturating_mul(self.weights.of(agency));
        let cost = rows.max(1).saturating_mul(ROW).saturating_mul(sharing.max(own)) / weight;
        let tag = self.tag(&lane.name).saturating_add(cost.max(1));
        self.tags.insert(lane.name.clone(), tag);
    }

    fn tag(&self, name: &str) -> u64 {
        self.tags.get(name).copied().unwrap_or(self.now)
    }
}

/// The part of a record type's name before the slash.
pub(super) fn agency(record: &str) -> &str {
    record.split_once('/').map_or(record, |(agency, _)| agency)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

    use std::collections::BTreeMap;

    use super::{Lane, Lanes, Weights};

    fn lane(partner: &str, record: &str) -> Lane {
        Lane {
            name: format!("{partner} {record}"),
            partner: partner.into(),
            record: record.into(),
            bulk: false,
            elsewhere: None,
        }
    }

    /// Turns of 100 rows each; gives how many each lane got.
    fn turns(lanes: &mut Lanes, waiting: &[Lane], turns: usize) -> BTreeMap<String, usize> {
        let mut served = BTreeMap::new();
        for _ in 0..turns {
            let due = lanes.due(waiting, |_| true).unwrap().clone();
            lanes.charge(&due, waiting.iter(), 100);
            *served.entry(due.name).or_default() += 1;
        }
        served
    }

    #[test]
    fn agencies_share_alike_however_many_lanes_one_of_them_has() {
        let waiting = [
            lane("a", "tax/registration"),
            lane("b", "tax/registration"),
            lane("c", "tax/registration"),
            lane("d", "health/death-certificate"),
        ];
        let served = turns(&mut Lanes::default(), &waiting, 600);
        assert!(
            (298..=302).contains(&served["d health/death-certificate"]),
            "{served:?}"
        );
        assert!(
            served.values().filter(|turns| (98..=102).contains(*turns)).count() == 3,
            "{served:?}"
        );
    }

    #[test]
    fn a_weight_of_three_gives_three_times_as_many_rows() {
        let weights = BTreeMap::from([("tax".to_owned(), 3.try_into().unwrap())]);
        let waiting = [lane("a", "tax/registration"), lane("d", "health/death-certificate")];
        let served = turns(&mut Lanes::new(Weights(weights)), &waiting, 400);
        assert!((298..=302).contains(&served["a tax/registration"]), "{served:?}");
    }

    #[test]
    fn weights_of_record_types_divide_what_their_agency_has_and_take_nothing_from_others() {
        let weights = BTreeMap::from([("tax/registration".to_owned(), 4.try_into().unwrap())]);
        let waiting = [
            lane("a", "tax/registration"),
            lane("a", "tax/levy"),
            lane("d", "health/death-certificate"),
        ];
        let served = turns(&mut Lanes::new(Weights(weights)), &waiting, 1_000);
        assert!((398..=402).contains(&served["a tax/registration"]), "{served:?}");
        assert!((98..=102).contains(&served["a tax/levy"]), "{served:?}");
    }

    #[test]
    fn one_that_comes_after_a_long_silence_is_next_and_has_saved_nothing_up() {
        let waiting = [lane("a", "tax/registration"), lane("d", "health/death-certificate")];
        let mut lanes = Lanes::default();
        turns(&mut lanes, &waiting[..1], 1_000);
        assert_eq!(
            lanes.due(&waiting, |_| true).map(|lane| lane.name.as_str()),
            Some("d health/death-certificate"),
            "it comes within one turn"
        );
        let served = turns(&mut lanes, &waiting, 100);
        assert!((49..=52).contains(&served["a tax/registration"]), "{served:?}");
    }

    #[test]
    fn a_small_turn_costs_little_and_an_empty_one_something() {
        let waiting = [lane("a", "tax/registration"), lane("d", "health/death-certificate")];
        let mut lanes = Lanes::default();
        lanes.charge(&waiting[0], waiting.iter(), 8_192);
        for _ in 0..10 {
            let due = lanes.due(&waiting, |_| true).unwrap().clone();
            assert_eq!(due.name, waiting[1].name);
            lanes.charge(&due, waiting.iter(), 0);
        }
    }

    #[test]
    fn nothing_waits_and_nobody_is_due() {
        assert!(Lanes::default().due(&[], |_| true).is_none());
    }
}
