//! Which page of a longer list the records of an envelope are.
//!
//! Takes members by name and text; says of a number of records whether it may be all of the page, where the list has so many in all. Where platforms
//! count in several ways, the one with the fewest records counts: only what is surely missing is missing.

/// What an envelope says of its page.
#[derive(Default)]
pub(super) struct Page {
    several: bool,
    /// Some name says more than `size` or `start` do.
    is_named: bool,
    /// Records on a page, or on this one.
    size: Option<u64>,
    /// Pages in all.
    pages: Option<u64>,
    /// Where the page lies, with the way of counting.
    place: Option<(u64, From)>,
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
    /// One more member.
    pub(super) fn member(&mut self, name: &str, value: &str) {
        let is = |names: &[&str]| names.iter().any(|other| name.eq_ignore_ascii_case(other));
        let named = is(&SIZES_NAMED) || is(&NUMBERS_NAMED) || is(&PAGES_NAMED) || is(&MARKS_NAMED);
        let places = [
            (is(&NUMBERS_NAMED) || is(&["current"]), From::One),
            (is(&NUMBERS), From::OneOrZero),
            (is(&["offset"]), From::Records),
            (is(&["start"]), From::Anything),
        ];
        let place = places.into_iter().find(|(is, _)| *is).map(|(_, from)| from);
        let size = is(&SIZES_NAMED) || is(&SIZES);
        let pages = is(&PAGES_NAMED) || is(&["pages"]);
        if !named && place.is_none() && !size && !pages {
            return;
        }
        self.several = true;
        self.is_named |= named;
        let Some(number) = number(value) else { return };
        if let Some(from) = place {
            self.place.get_or_insert((number, from));
        } else if size && number > 0 {
            self.size = Some(self.size.map_or(number, |size| size.min(number)));
        } else if pages {
            self.pages.get_or_insert(number);
        }
    }

    /// What an object of that name beside the records says of them, if it speaks of pages.
    pub(super) fn learn(&mut self, name: &str, beside: Self) {
        if beside.several && (beside.is_named || name.to_ascii_lowercase().contains("pag")) {
            self.several = true;
            self.size = self.size.or(beside.size);
            self.pages = self.pages.or(beside.pages);
            self.place = self.place.or(beside.place);
        }
    }

    /// Whether so many records may be all that are here of so many in all.
    pub(super) fn may_hold(&self, found: u64, total: u64) -> bool {
        found >= total || self.several && found >= self.least(total)
    }

    /// The fewest records that this page has when there are so many in all.
    fn least(&self, total: u64) -> u64 {
        let Some(size) = self.size else {
            return if self.pages == Some(1) { total } else { 0 };
        };
        let last = |total: u64| total.checked_sub(1).map_or(0, |before| before % size + 1);
        let Some((place, from)) = self.place else {
            return last(total);
        };
        let by_one = place.saturating_sub(1).saturating_mul(size);
        let by_zero = place.saturating_mul(size);
        let before: &[u64] = match from {
            From::One => &[by_one],
            From::OneOrZero => &[by_one, by_zero],
            From::Records => &[place],
            From::Anything => &[place, by_one, by_zero],
        };
        // A page that would lie behind the end is counted in the other way, if there is one.
        let behind = before.iter().filter_map(|before| total.checked_sub(*before));
        behind.filter(|rest| *rest > 0).min().unwrap_or(0).min(size)
    }
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
const SIZES: [&str; 2] = ["size", "limit"];

/// The number of the page, from 1.
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

/// The number of the page, from 1 or 0.
const NUMBERS: [&str; 4] = ["page", "pageIndex", "page_index", "number"];

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
        let of = |number| [("pageNum", number), ("pageSize", "10")];
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
