//! What fields usually hold: the values that a source sends most, and how often it sends nothing.

/// Values of fields whose type says too little; codes by code or by meaning.
pub(crate) fn values(name: &str) -> &'static [&'static str] {
    match name {
        "nationality" => &["中国", "CHN"],
        "currency" => &["156"],
        "education" => &["70", "60", "50", "30", "21"],
        "marital_status" => &["10", "20", "20", "20", "40"],
        "relation_to_head" => &["01", "02", "10", "20", "21"],
        "reg_status" => &["存续", "在业", "存续", "开业", "注销"],
        "taxpayer_status" => &["03", "03", "03", "03", "07"],
        "ent_type" => &["1130", "1151", "1150", "2130"],
        "reg_type" => &["159", "171", "173", "150"],
        "subject_kind" => &["1110", "1120"],
        "affiliation" => &["40", "50", "90"],
        "industry_section" => &["C", "F", "F", "E", "H"],
        "industry_code" => &["5221", "4790", "1363", "6210", "3099", "0412"],
        "reg_authority" | "cancel_authority" | "revoke_authority" => &[
            "连云港市市场监督管理局",
            "海州区市场监督管理局",
            "东海县市场监督管理局",
            "灌云县市场监督管理局",
        ],
        "reg_office" | "tax_bureau" => &["13207060000", "13207030000", "13207220000", "13207070000"],
        "tax_station" => &["13207060100", "13207030100", "13207220200"],
        "idcard_issuer" => &[
            "连云港市公安局海州分局",
            "连云港市公安局赣榆分局",
            "东海县公安局",
            "灌南县公安局",
        ],
        "issuer" | "midwifery_org" => &[
            "连云港市第一人民医院",
            "连云港市妇幼保健院",
            "东海县人民医院",
            "灌南县第一人民医院",
        ],
        "cancel_reason" => &["决议解散", "经营期限届满", "因合并或者分立解散", "其他原因"],
        "revoke_reason" => &["连续六个月未经营", "未按规定公示年度报告"],
        "cancel_kind" => &["死亡", "死亡", "宣告死亡"],
        "cause" => &["因病", "因残", "缺乏劳动力", "其他"],
        "members_covered" | "family_size" => &["1", "2", "2", "3", "4"],
        "headcount" => &["2", "5", "8", "12", "30", "85"],
        "scope" => &[
            "水产品加工、销售；普通货运；\"网上\"贸易代理，自营和代理各类商品及技术的进出口业务",
            "建筑工程、市政工程施工；建材、五金销售",
            "计算机软硬件开发、销售；信息系统集成服务",
        ],
        _ => &[],
    }
}

/// In how many of ten thousand records an optional field is empty.
pub(crate) fn blank(record: &str, name: &str) -> u64 {
    let relative = ["guardian", "father", "mother"]
        .iter()
        .any(|whose| name.starts_with(whose));
    match name {
        "former_name" | "revoke_date" | "revoke_reason" | "revoke_authority" => 9_600,
        "valid_to" | "left_on" | "stop_month" => 8_800,
        "term_to" => 7_000,
        "spouse_name" | "spouse_id" => 4_000,
        _ if relative && record.ends_with("/resident") => 7_000,
        _ => 400,
    }
}
