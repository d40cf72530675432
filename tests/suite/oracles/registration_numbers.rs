//! 注册号 against python-stdnum's ISO 7064 MOD 11,10.

use shuguan_adapters::catalogue::FieldType;
use shuguan_adapters::reject::RejectCode;

use super::{ask_lines, read};
use crate::random::Random;

#[test]
#[cfg_attr(not(oracles), ignore = "tests/oracles/install has not run")]
fn python_stdnum_computes_the_same_check_digit_of_registration_numbers() {
    let mut random = Random::printed("registration numbers");
    let values: Vec<String> = (0..20_000)
        .map(|_| format!("{:015}", random.below(1_000_000_000_000_000)))
        .collect();
    let answers = ask_lines("registration_numbers.py", &values);
    for (sent, answer) in values.into_iter().zip(&answers) {
        let ours = read(FieldType::RegNo, &sent);
        match answer.as_str() {
            "ok" => assert_eq!(ours, Ok(Some(sent))),
            _ => assert_eq!(ours, Err(RejectCode::BadChecksum), "{sent}"),
        }
    }
    assert!(answers.iter().filter(|answer| *answer == "ok").count() > 1000);
}
