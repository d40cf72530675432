//! Which page of a longer list the records of an envelope are.
//!
//! Takes members by name and text; says of a number of records whether it may be all of the page, where the list has so many in all. Where platforms
//! count in several ways, each of them may hold: only what is surely missing is missing.

/// What an envelope says of its page.
#[derive(Default)]
pub(super) struct Page {
    /// Some member speaks of pages and of nothing else.
    several: bool,
    /// Some name says more than `page` or `current` do.
    is_named: bool,
    /// Records on a page, or on this one.
    size: Option<u64>,
    /// Pages in all.
    pages: Option<u64>,
    /// Where the page lies, with the way of counting.
    place: Option<(u64, From)>,
    /// The same from `size` and `start`, whose names may be about anything.
    bare_size: Option<u64>,
    bare_place: Option<(u64, From)>,
}

/// How a page says where it lies.
#[derive(Clone, Copy)]
enum From {
    /// By its number, from 1.
    One,
    /// By its number, from 1 or from 0.
    OneOrZero,
    /// By the number of records before it.
    Records,
    /// By that, or by its number.
    Anything,
}

impl Page {
    /// One more member. A name of pages behind which there is no number says nothing.
    pub(super) fn member(&mut self, name: &str, value: &str) {
        let is = |names: &[&str]| super::is(name, names);
        let Some(number) = number(value) else {
            let marks = is(&MARKS_NAMED) && super::is(value, &["true", "false"]);
            self.several |= marks;
            self.is_named |= marks;
            return;
        };
        let places = [
            (is(&["current"]), From::One),
            (is(&NUMBERS_NAMED) || is(&NUMBERS), From::OneOrZero),
            (is(&["offset"]), From::Records),
        ];
        let place = places.into_iter().find(|(is, _)| *is).map(|(_, from)| from);
        let size = is(&SIZES_NAMED) && number > 0;
        let pages = is(&PAGES_NAMED) || is(&["pages"]);
        self.several |= place.is_some() || size || pages || is(&MARKS_NAMED);
        self.is_named |= size || is(&NUMBERS_NAMED) || is(&PAGES_NAMED) || is(&MARKS_NAMED);
        if let Some(from) = place {
            self.place.get_or_insert((number, from));
        } else if size {
            self.size = least_of(self.size, Some(number));
        } else if pages {
            self.pages.get_or_insert(number);
        } else {
            self.bare(name, number);
        }
    }

    /// A number under a name that is a word of pages beside another one only.
    fn bare(&mut self, name: &str, number: u64) {
        if super::is(name, &SIZES_BARE) && number > 0 {
            self.bare_size = least_of(self.bare_size, Some(number));
        } else if super::is(name, &["number"]) {
            self.bare_place.get_or_insert((number, From::OneOrZero));
        } else if super::is(name, &["start"]) {
            self.bare_place.get_or_insert((number, From::Anything));
        }
    }

    /// What an object of that name says, in which the records are, or which stands beside them and speaks of pages.
    pub(super) fn learn(&mut self, name: &str, mut other: Self, around: bool) {
        let is_page = name.to_ascii_lowercase().contains("pag");
        // The name is the other word of pages.
        other.several |= is_page && (other.bare_size.is_some() || other.bare_place.is_some());
        let speaks = other.is_named || is_page || super::is_head(name) && other.several;
        if around || speaks {
            self.several |= other.several;
            self.is_named |= other.is_named;
            self.size = self.size.or(other.size);
            self.pages = self.pages.or(other.pages);
            self.place = self.place.or(other.place);
            self.bare_size = self.bare_size.or(other.bare_size);
            self.bare_place = self.bare_place.or(other.bare_place);
        }
    }

    /// Whether so many records may be all that are here of so many in all.
    pub(super) fn may_hold(&self, found: u64, total: u64) -> bool {
        if found >= total {
            return true;
        }
        // Behind the end lies no page: the number is about something else.
        let bare_place = self.bare_place.filter(|(place, _)| *place <= total);
        if !self.several && (self.bare_size.is_none() || bare_place.is_none()) {
            return false;
        }
        let Some(size) = least_of(self.size, self.bare_size) else {
            return self.pages != Some(1);
        };
        let Some((place, from)) = self.place.or(bare_place) else {
            return found >= total.checked_sub(1).map_or(0, |before| before % size + 1);
        };
        from.may_hold(place, size, found, total)
    }
}

impl From {
    /// Whether the page there may have so many records: as many as in one way of counting, or no fewer than in any.
    fn may_hold(self, place: u64, size: u64, found: u64, total: u64) -> bool {
        let by_one = place.saturating_sub(1).saturating_mul(size);
        let by_zero = place.saturating_mul(size);
        let before: &[u64] = match self {
            Self::One => &[by_one],
            Self::OneOrZero => &[by_one, by_zero],
            Self::Records => &[place],
            Self::Anything => &[place, by_one, by_zero],
        };
        // A page that would lie behind the end is counted in the other way, if there is one.
        let rests = || {
            let rests = before.iter().filter_map(|before| total.checked_sub(*before));
            rests.filter(|rest| *rest > 0).map(|rest| rest.min(size))
        };
        rests().all(|rest| found >= rest) || rests().any(|rest| found == rest)
    }
}

fn least_of(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    one.into_iter().chain(other).min()
}

/// A number as envelopes write it: `1,234`, `5.0`, `5条`.
pub(super) fn number(text: &str) -> Option<u64> {
    let text = text.trim().trim_end_matches(['条', '人', '户', '个', '行']);
    let text = text.strip_suffix(".0").unwrap_or(text);
    text.replace(',', "").parse().ok()
}

/// Records on a page.
const SIZES_NAMED: [&str; 6] = [
    "pageSize",
    "page_size",
    "perPage",
    "per_page",
    "numberOfElements",
    "pageLimit",
];
const SIZES_BARE: [&str; 2] = ["size", "limit"];

/// The number of the page, from 1 or 0: Spring counts `pageNumber` from 0, most others from 1.
const NUMBERS_NAMED: [&str; 9] = [
    "pageNo",
    "page_no",
    "pageNum",
    "page_num",
    "pageNumber",
    "currentPage",
    "current_page",
    "curPage",
    "currPage",
];

/// The same.
const NUMBERS: [&str; 3] = ["page", "pageIndex", "page_index"];

/// Pages in all.
const PAGES_NAMED: [&str; 5] = ["totalPage", "totalPages", "total_page", "total_pages", "pageCount"];

/// What says that there are several, and not more.
const MARKS_NAMED: [&str; 8] = [
    "hasNextPage",
    "hasNext",
    "hasMore",
    "has_more",
    "hasPreviousPage",
    "isFirstPage",
    "isLastPage",
    "nextPage",
];

#[cfg(test)]
mod tests {
    use super::{Page, number};

    fn may_hold(members: &[(&str, &str)], found: u64, total: u64) -> bool {
        let mut page = Page::default();
        for (name, value) in members {
            page.member(name, value);
        }
        page.may_hold(found, total)
    }

    #[test]
    fn a_page_holds_its_size_and_the_last_one_the_rest() {
        let of = |number| [("current", number), ("pageSize", "10")];
        for (page, least) in [("0", 10), ("1", 10), ("2", 10), ("3", 3), ("4", 0)] {
            assert!(may_hold(&of(page), least, 23), "{page}");
            assert!(least == 0 || !may_hold(&of(page), least - 1, 23), "{page}");
        }
        // All of it on one page: what is missing is missing.
        assert!(!may_hold(&[("pageNum", "1"), ("pageSize", "1000")], 500, 800));
        assert!(!may_hold(
            &[("records", "1"), ("pages", "1"), ("current", "1")],
            500,
            800
        ));
    }

    #[test]
    fn pages_are_known_as_the_usual_libraries_write_them() {
        for (members, least) in [
            (&[("current", "3"), ("size", "10"), ("pages", "3")] as &[_], 3),
            (
                &[
                    ("pageNum", "3"),
                    ("pageSize", "10"),
                    ("size", "3"),
                    ("hasNextPage", "false"),
                ],
                3,
            ),
            (&[("number", "0"), ("size", "10"), ("totalPages", "3")], 10),
            (&[("pageIndex", "2"), ("pageSize", "10")], 3),
            (&[("page", "3"), ("limit", "10")], 3),
            (&[("offset", "20"), ("limit", "10")], 3),
            (&[("start", "20"), ("limit", "10")], 3),
            (&[("pageSize", "10")], 3),
            (&[("hasNextPage", "true")], 0),
            (&[("pageNo", "2")], 0),
            (&[("pageNo", "1"), ("pageSize", "-1")], 0),
        ] {
            assert!(may_hold(members, least, 23), "{members:?}");
            assert!(least == 0 || !may_hold(members, least - 1, 23), "{members:?}");
        }
    }

    #[test]
    fn a_page_that_is_counted_from_one_or_zero_has_what_it_has_in_one_of_these_ways() {
        for (page, fits, not) in [
            ("0", &[10_u64, 23] as &[_], &[1_u64, 3, 9] as &[_]),
            ("1", &[10], &[3, 9]),
            ("2", &[3, 10], &[2, 4, 9]),
            ("3", &[3, 4], &[0, 2]),
        ] {
            let members = [("pageNumber", page), ("pageSize", "10")];
            assert!(fits.iter().all(|found| may_hold(&members, *found, 23)), "{page}");
            assert!(!not.iter().any(|found| may_hold(&members, *found, 23)), "{page}");
        }
        assert!(may_hold(&[("pageNumber", "1"), ("pageSize", "5")], 2, 7));
    }

    #[test]
    fn a_name_that_may_be_about_anything_speaks_of_pages_beside_another_word_only() {
        for members in [
            &[("number", "JH2025001")] as &[_],
            &[("number", "1")],
            &[("start", "2025-01-01"), ("end", "2025-01-31")],
            &[("start", "20250101"), ("limit", "2")],
            &[("limit", "全部")],
            &[("size", "2")],
            &[("size", "2"), ("limit", "2")],
            &[("start", "1"), ("number", "1")],
            &[("pageSize", "-1")],
            &[("pageSize", "0")],
            &[("pageNo", "第一页"), ("hasNextPage", "不详")],
        ] {
            assert!(!may_hold(members, 2, 5), "{members:?}");
        }
        for members in [
            &[("start", "0"), ("limit", "2")] as &[_],
            &[("number", "0"), ("size", "2")],
            &[("size", "2"), ("pages", "3")],
            &[("limit", "2"), ("pageNo", "1")],
        ] {
            assert!(may_hold(members, 2, 5), "{members:?}");
            assert!(!may_hold(members, 0, 5), "{members:?}");
        }
    }

    #[test]
    fn without_a_word_of_pages_all_must_be_there() {
        assert!(!may_hold(&[("note", "1")], 22, 23));
        assert!(may_hold(&[], 23, 23));
    }

    #[test]
    fn numbers_are_read_as_envelopes_write_them() {
        for (text, read) in [
            ("5", Some(5)),
            ("1,234", Some(1234)),
            ("5.0", Some(5)),
            ("5 条", None),
            ("5条", Some(5)),
            ("1.5", None),
            ("-1", None),
        ] {
            assert_eq!(number(text), read, "{text}");
        }
    }
}
