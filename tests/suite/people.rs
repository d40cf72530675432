//! Many citizens who never were: born in 18xx, each number once.

/// Where their numbers were given out; the catalogue knows all of them.
const REGIONS: [&str; 20] = [
    "110101", "120101", "130102", "310101", "320102", "320703", "320706", "320707", "330102", "350102", "110102",
    "310104", "320104", "330106", "370102", "370202", "420102", "430102", "440103", "510104",
];
/// How many there are: enough for 500 rounds against a release build on a busy machine, half an hour of load.
const PEOPLE: u64 = 20 * 100 * 12 * 28 * 10;

/// The n-th citizen id; unlike for each n below [`PEOPLE`].
pub fn citizen(n: u64) -> String {
    assert!(n < PEOPLE, "no more people");
    let (region, rest) = (REGIONS[(n % 20) as usize], n / 20);
    let (day, rest) = (rest % 28 + 1, rest / 28);
    let (month, rest) = (rest % 12 + 1, rest / 12);
    let (year, sequence) = (1800 + rest % 100, rest / 100);
    let body = format!("{region}{year}{month:02}{day:02}{sequence:03}");
    let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let digits = body.bytes().map(|digit| usize::from(digit - b'0'));
    let sum: usize = digits.zip(weights).map(|(digit, weight)| digit * weight).sum();
    format!("{body}{}", char::from(b"10X98765432"[sum % 11]))
}
