//! Whose a column is, as far as its header says it.
//!
//! Takes a header or a group of columns as sent; tells the record's own person or unit from another, and the number of some person from any other
//! column. Which words mean a record's own subject its record type says ([`crate::catalogue::RecordType::own`]). The words for others below spare
//! a file the refusal that an unknown word beside a bare 身份证号 is answered with, and keep whoever stands alone over a table from being taken for its
//! title; so does every other word that ends in 人 and is not the record's own.

/// A group of columns without the words that name nobody: 死者 of 死者基本信息, nothing of 基本信息.
pub(crate) fn core(group: &str) -> &str {
    const SAY_NOTHING: [&str; 8] = ["信息", "情况", "资料", "概况", "基本", "个人", "身份", "登记"];
    let mut core = group;
    while let Some(rest) = SAY_NOTHING.iter().find_map(|word| core.strip_suffix(word)) {
        core = rest;
    }
    core
}

/// Whether a group of columns is about the record's own subject, for which its record type has these words.
pub(crate) fn is_own(group: &str, own: &[&str]) -> bool {
    let core = core(group);
    core.is_empty() || matches!(core, "人员" | "本人") || own.contains(&core)
}

/// Whether a header or group begins with a word for somebody whom no record is about under that name.
pub(crate) fn is_of_another(header: &str) -> bool {
    OTHERS.iter().any(|other| header.starts_with(other))
}

/// Whose a bare number may be that stands behind a header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Awaited {
    /// The record's own: nobody else is named, or his own number stands here.
    #[default]
    Own,
    /// The head of household's.
    Head,
    /// Somebody else's.
    Other,
}

/// Whose number may follow a header. A relation names nobody and a telephone may be anybody's, so that what stood `before` them counts: 姓名, 户主关系,
/// 身份证号 is one's own, and 家属姓名, 与死者关系, 联系电话, 身份证号 is not. So it is of what else is said of a person, but for a head of household, who is
/// often named amid what is said of the record's own: 姓名, 户主姓名, 性别, 身份证号.
pub(crate) fn awaited(header: &str, before: Awaited) -> Awaited {
    let ends_in = |words: &[&str]| words.iter().any(|word| header.ends_with(word));
    let named = match header {
        _ if !is_of_another(header) || is_number_of_a_person(header) => Awaited::Own,
        _ if header.starts_with("户主") => Awaited::Head,
        _ => Awaited::Other,
    };
    let passes = ends_in(&REACHES_HIM) || (before == Awaited::Other && ends_in(&SAID_OF_HIM));
    match named {
        _ if header.ends_with("关系") => before,
        Awaited::Own if passes => before,
        named => named,
    }
}

/// How somebody is reached, and what a number is of: it goes with whoever stands before it.
const REACHES_HIM: [&str; 10] = [
    "电话",
    "电话号码",
    "手机",
    "手机号",
    "手机号码",
    "联系方式",
    "证件类型",
    "证件种类",
    "证件类别",
    "证件名称",
];

/// What is said of a person.
const SAID_OF_HIM: [&str; 9] = ["性别", "年龄", "民族", "住址", "地址", "单位", "职业", "职务", "签字"];

/// Whether a text above a table names somebody whom its record is not about.
pub(crate) fn is_somebody(text: &str, own: &[&str]) -> bool {
    (is_of_another(text) && !is_of_units(text)) || (core(text).ends_with('人') && !is_own(text, own))
}

/// Whether it begins with the word for a legal representative and means what is one in law: 法人单位基本信息.
fn is_of_units(text: &str) -> bool {
    let rest = text.strip_prefix("法人").unwrap_or_default();
    ["单位", "库", "机构", "企业", "组织", "和其他组织", "及其他组织"]
        .iter()
        .any(|unit| rest.starts_with(unit))
}

/// Whether a header says that some person's number stands below it.
pub(crate) fn is_number_of_a_person(header: &str) -> bool {
    NUMBERS.iter().any(|number| header.ends_with(number))
}

/// Whether it says nothing else, so that the number could be anybody's.
pub(crate) fn is_bare_number(header: &str) -> bool {
    NUMBERS.contains(&header)
}

const NUMBERS: [&str; 12] = [
    "身份证",
    "身份证号",
    "身份证号码",
    "身份证件号",
    "身份证件号码",
    "居民身份证号",
    "居民身份证号码",
    "公民身份号码",
    "公民身份证号码",
    "身份号码",
    "证件号",
    "证件号码",
];

const OTHERS: [&str; 64] = [
    "户主",
    "父",
    "母",
    "祖父",
    "祖母",
    "外祖",
    "配偶",
    "丈夫",
    "妻",
    "儿子",
    "女儿",
    "子女",
    "兄",
    "弟",
    "姐",
    "妹",
    "监护人",
    "抚养人",
    "扶养人",
    "赡养人",
    "家长",
    "家属",
    "亲属",
    "近亲属",
    "丧属",
    "丧户",
    "继承人",
    "法定代表人",
    "法人",
    "股东",
    "投资人",
    "财务负责人",
    "办税人",
    "联系人",
    "紧急联系人",
    "报告人",
    "申报人",
    "填报人",
    "填表人",
    "代办人",
    "经办人",
    "经办民警",
    "民警",
    "网格员",
    "网格长",
    "协管员",
    "协办人",
    "承办人",
    "办理人",
    "审核人",
    "负责人",
    "申请人",
    "代理人",
    "委托人",
    "受托人",
    "领款人",
    "代领人",
    "收款人",
    "开户人",
    "担保人",
    "介绍人",
    "见证人",
    "房东",
    "出租人",
];

#[cfg(test)]
mod tests {
    use super::{core, is_bare_number, is_number_of_a_person, is_of_another, is_own, is_somebody};

    #[test]
    fn a_group_is_its_word_without_what_names_nobody() {
        for (group, word) in [
            ("死者", "死者"),
            ("死者基本信息", "死者"),
            ("死者身份信息", "死者"),
            ("基本信息", ""),
            ("个人登记情况", ""),
            ("报告人", "报告人"),
            ("信息员", "信息员"),
        ] {
            assert_eq!(core(group), word, "{group}");
        }
    }

    #[test]
    fn only_words_of_the_record_type_and_words_for_nobody_are_its_own() {
        for group in ["基本信息", "人员信息", "个人信息", "本人", "死者情况"] {
            assert!(is_own(group, &["死者"]), "{group}");
        }
        for group in [
            "报告人",
            "领款人信息",
            "人员家属",
            "本人配偶",
            "逝者",
            "死者家属",
            "家庭",
        ] {
            assert!(!is_own(group, &["死者"]), "{group}");
        }
    }

    #[test]
    fn a_title_about_legal_persons_names_nobody_and_one_about_a_legal_representative_does() {
        for title in ["法人单位基本信息", "法人单位基本情况", "法人库数据", "企业基本信息"] {
            assert!(!is_somebody(title, &[]), "{title}");
        }
        for title in ["法人", "法人信息", "法人代表信息", "法定代表人", "领取人信息"] {
            assert!(is_somebody(title, &[]), "{title}");
        }
    }

    #[test]
    fn a_number_is_bare_only_when_its_header_says_nothing_else() {
        assert!(is_bare_number("身份证号") && is_bare_number("证件号码"));
        for header in ["家属身份证号", "报告人/身份证号码", "经办人证件号", "亡人身份证"] {
            assert!(is_number_of_a_person(header) && !is_bare_number(header), "{header}");
        }
        for header in ["死亡证号", "编号", "身份证有效期"] {
            assert!(!is_number_of_a_person(header), "{header}");
        }
        assert!(is_of_another("家属身份证号") && !is_of_another("亡人身份证号"));
    }
}
