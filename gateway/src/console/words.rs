//! The words of the pages: Chinese for codes, moments in Asia/Shanghai. A code without a word is shown as it is.

use crate::clock;
use crate::refusal::Refusal;

/// Kinds of leaves that can be searched for, with their Chinese.
pub(super) const KINDS: [(&str, &str); 30] = [
    ("push", "推送"),
    ("pull", "提取"),
    ("compare", "比对"),
    ("receipt-ack", "收讫确认"),
    ("recall", "撤回"),
    ("recalled", "撤回完成"),
    ("ticket", "核实请求"),
    ("ticket-answer", "核实答复"),
    ("refusal", "拒绝"),
    ("aborted", "上传中断"),
    ("relayed", "入库"),
    ("set-aside", "搁置"),
    ("erased", "清除"),
    ("officer-query", "审计查询"),
    ("officer-result", "查询结果"),
    ("officer-unseal", "存证开封"),
    ("shred", "密钥销毁"),
    ("certificate", "证书"),
    ("config", "配置"),
    ("key", "签名密钥"),
    ("log-close", "日志卷终"),
    ("log-open", "续立日志"),
    ("log-gap", "日志缺失"),
    ("policy", "策略"),
    ("operator", "运维"),
    ("witness-gap", "见证中断"),
    ("clock", "时钟偏差"),
    ("full", "存储已满"),
    ("start", "启动"),
    ("stop", "停止"),
];

/// Chinese of a kind.
pub(super) fn kind(code: &str) -> &str {
    KINDS
        .iter()
        .find(|(known, _)| *known == code)
        .map_or(code, |(_, zh)| zh)
}

/// Chinese of an outcome.
pub(super) fn outcome(code: &str) -> &str {
    match code {
        "accepted" => "已接受",
        "released" => "已提供",
        "answered" => "已答复",
        "complete" => "已完整收到",
        "damaged" => "收到但不完整",
        "deleted" => "接收方已删除",
        "relayed" => "已入库",
        "erased" => "密文已清除",
        "set-aside" => "已搁置",
        "waiting" => "待入库",
        "sender-gone" => "发送方已断开",
        "discarded" => "已放弃",
        "recalled" => "已撤回",
        "corrected" => "已更正",
        "confirmed" => "核实无误",
        "fed-again" | "released-again" => "重新入库",
        "issued" => "签发",
        "renewed" => "换发",
        "revoked" => "吊销、撤销",
        "loaded" => "已生效",
        "new" => "启用新密钥",
        "retired" => "旧密钥停用",
        "rotation" => "定期更换",
        "first" => "首次使用",
        "stolen" => "密钥失窃",
        "disk-lost" => "磁盘丢失",
        "log-damaged" => "台账损坏",
        "restored" => "由备份恢复",
        "year" => "按年换卷",
        "paused" => "暂停入库",
        "resumed" => "恢复入库",
        "wrong-batch" => "批次有误",
        "superseded" => "已被新批次取代",
        "unusable" => "无法入库",
        "refused" => "已拒绝",
        "crl" => "吊销列表",
        "begin" => "开始",
        "end" => "结束",
        "ahead" => "偏快",
        "behind" => "偏慢",
        "held" => "未采用",
        "gone" => "已复原",
        "taken" => "已采用",
        "standing" => "持续稳定",
        "operator" => "运维人员确认",
        "witness" => "与见证人时钟一致",
        "found" => "已列出",
        "ask" => "申请开封",
        "approve" => "批准开封",
        "open" => "开封",
        "evidence" => "存证记录的密钥",
        "payload" => "密文的密钥",
        "index" => "年度索引密钥",
        "retention" => "保存期满",
        "subject-request" => "个人请求",
        _ => super::question::Reason::parse(code)
            .map(super::question::Reason::zh)
            .or_else(|| Refusal::parse(code).map(Refusal::zh))
            .unwrap_or(code),
    }
}

/// Chinese of what an officer asked for.
pub(super) fn question(code: &str) -> &str {
    match code {
        "search" => "查询交换列表",
        "show" => "查看一次交换",
        "export" => "下载回执或条目",
        "by-person" => "按人员查询",
        "officer-unseal" => "存证开封",
        _ => code,
    }
}

/// What an officer can do about a refusal that the console gives; none for those of other doors.
pub(super) fn next(code: &str) -> Option<&'static str> {
    Some(match Refusal::parse(code)? {
        Refusal::WrongRole => "交换由审计员和安全管理员查看；其他角色可看总览",
        Refusal::ReasonRequired => "返回上一页，填写案件编号（1 至 64 个字符）并选择理由",
        Refusal::CrossSite => "表单已超过一小时，或并非由本控制台打开；请重新打开页面再提交",
        Refusal::NotFound => "请核对地址或交换编号，或从列表中打开",
        Refusal::BadRequest => "筛选条件只接受代码和时间，不接受姓名、证件号码；请返回修改",
        Refusal::JournalUnavailable => "台账不能提交，因此没有显示任何结果；请稍后再试，并通知系统管理员",
        Refusal::UnknownPartner | Refusal::CertificateRevoked => "请联系安全管理员",
        Refusal::Overloaded | Refusal::Draining => "请稍后再试",
        _ => return None,
    })
}

/// Chinese of an operator's name.
pub(super) fn operator(name: &str) -> &str {
    match name {
        "keep" => "原样保留",
        "mask" => "遮盖",
        "date" => "日期概化",
        "region" => "地区概化",
        "bucket" => "分档",
        "round" => "取整",
        "age_band" => "年龄段",
        "address" => "地址概化",
        "sex_of" => "由号码取性别",
        "birth_of" => "由号码取出生日期",
        "date_shift" => "日期平移",
        "token" => "令牌",
        "map" => "代码归并",
        "equal" => "仅比对",
        "pseudonym" => "假名",
        "constant" => "常量",
        "exists" => "仅存有无",
        "drop" => "丢弃",
        _ => name,
    }
}

/// A moment for people: Asia/Shanghai to the second, and UTC beside it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Moment {
    /// `2026-11-23 17:42:53`
    pub local: String,
    /// `2026-11-23T09:42:53.000053Z`
    pub utc: String,
}

impl Moment {
    /// Of microseconds UTC.
    pub(super) fn of(us: i64) -> Self {
        Self {
            local: clock::shown(us),
            utc: shuguan_ledger::time::format(us),
        }
    }

    /// Of the text that stands in leaves; another text is shown as it is.
    pub(super) fn parse(utc: &str) -> Self {
        shuguan_ledger::time::parse(utc).map_or_else(
            || Self {
                local: utc.into(),
                utc: utc.into(),
            },
            Self::of,
        )
    }
}

/// A number with its thousands apart.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Moment, grouped, outcome};

    #[test]
    fn moments_are_shown_in_shanghai_with_utc_beside() {
        let moment = Moment::of(1_732_354_973_000_053);
        assert_eq!(
            (moment.local.as_str(), moment.utc.as_str()),
            ("2024-11-23 17:42:53", "2024-11-23T09:42:53.000053Z")
        );
    }

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!(
            [0, 12, 123, 1_234, 1_234_567].map(grouped),
            ["0", "12", "123", "1,234", "1,234,567"]
        );
    }

    #[test]
    fn a_refusal_is_shown_with_its_title() {
        assert_eq!(outcome("no-grant"), "没有授权");
        assert_eq!(outcome("routine"), "例行检查");
    }
}
