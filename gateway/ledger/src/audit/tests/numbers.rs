//! The numbers of each partner's exchanges: in order, without a gap, anew only where a log was lost.

use super::*;

fn numbered(t: i64, x: &str, partner: &str, number: Option<u64>) -> Vec<u8> {
    let mut leaf = Leaf::decode(&push(t, x)).unwrap();
    if let Event::Push(event) = &mut leaf.event {
        event.p = partner.into();
    }
    leaf.pn = number;
    leaf.encode().unwrap()
}

/// A start, and a push for each (partner, number).
fn of(numbers: &[(&str, Option<u64>)]) -> Vec<Vec<u8>> {
    let pushes = (2..).zip(numbers);
    let pushes = pushes.map(|(t, (partner, number))| numbered(t, &t.to_string(), partner, *number));
    [start(1, 0)].into_iter().chain(pushes).collect()
}

#[test]
fn each_partner_has_numbers_of_its_own_and_the_report_says_the_last() {
    let leaves = of(&[("a", None), ("a", Some(1)), ("b", Some(1)), ("a", Some(2)), ("c", None)]);
    let report = verify_log(&leaves, &sign(&leaves), &trust()).unwrap();
    let last: Vec<(&str, u64)> = report.partners.iter().map(|(p, n)| (p.as_str(), *n)).collect();
    assert_eq!(last, [("a", 2), ("b", 1)]);
}

#[test]
fn a_number_that_is_not_the_next_is_refused() {
    for (numbers, at, what) in [
        (vec![("a", Some(2))], 1, "it is exchange 2 of `a`, and 1 is due"),
        (vec![("a", Some(0))], 1, "it is exchange 0 of `a`, and 1 is due"),
        (
            vec![("a", Some(1)), ("a", Some(1))],
            2,
            "it is exchange 1 of `a`, and 2 is due",
        ),
        (
            vec![("a", Some(1)), ("b", Some(1)), ("a", Some(3))],
            3,
            "it is exchange 3 of `a`, and 2 is due",
        ),
        (
            vec![("a", Some(1)), ("a", None)],
            2,
            "it has no number, and exchange 1 of `a` is before it",
        ),
    ] {
        let (index, said) = fault(&of(&numbers));
        assert_eq!((index, said), (at, format!("leaf {at}: {what}")), "{numbers:?}");
    }
}

#[test]
fn a_number_stands_at_exchanges_only() {
    let mut leaf = Leaf::decode(&start(1, 0)).unwrap();
    leaf.pn = Some(1);
    let (index, said) = fault(&[leaf.encode().unwrap()]);
    assert_eq!(
        (index, &*said),
        (0, "leaf 0: it has a partner's number, and is no exchange")
    );
}
