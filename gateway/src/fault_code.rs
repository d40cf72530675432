//! Codes of faults: what a program on this side says when it cannot go on, for people at its terminal and in its log. One table joins code, both
//! languages and remedy, as `refusal` does for what callers are told.
//!
//! Takes a code; gives its row. Holds nothing of any exchange.

/// One fault.
#[derive(Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct FaultCode {
    /// Stable code, e.g. `SG6214`; never reused.
    pub code: &'static str,
    /// In Chinese.
    pub zh: &'static str,
    /// In English.
    pub en: &'static str,
    /// What to do next: one sentence or command.
    pub next: &'static str,
}

impl FaultCode {
    /// The row of a code, whatever its case.
    pub(crate) fn find(code: &str) -> Option<&'static Self> {
        ALL.iter().find(|fault| fault.code.eq_ignore_ascii_case(code))
    }
}

const fn fault(code: &'static str, zh: &'static str, en: &'static str, next: &'static str) -> FaultCode {
    FaultCode { code, zh, en, next }
}

const MIGRATE: &str = "see the statements first, then run them: `shuguan db migrate --print`, `shuguan db migrate`";
const ASIDE: &str =
    "look at it and let it go on or give it up: `shuguan relay status`, `shuguan relay release|discard`";
const LOG: &str =
    "the gateway's log names the cause under this code; `shuguan doctor` looks at what the registry needs";

/// Every fault with a code, in its order.
#[rustfmt::skip]
pub(crate) static ALL: &[FaultCode] = &[
    fault("SG6201", "登记库不存在", "there is no registry at the configured place", "a file: put it back from a backup, `shuguan db restore DIR --only registry`; on PostgreSQL make it, `shuguan db migrate`"),
    fault("SG6202", "登记库已存在", "a registry is there already", "name another place, or use the one that is there"),
    fault("SG6203", "无法建立登记库文件", "the registry's file cannot be made", "see that the folder is there and belongs to the gateway"),
    fault("SG6204", "两项授权对同一列的类型不一致", "two plans give one column two types", "reduce the field in the same way in every push grant of its record type"),
    fault("SG6205", "列类型与登记库不符", "a plan gives a column another type than the registry has", "run the statements that the message prints, which keep the old column under another name"),
    fault("SG6206", "登记库缺少表或列", "the registry lacks tables or columns that the policies release", MIGRATE),
    fault("SG6207", "推送授权不含自然键", "no natural key is among the columns of a record type's push plans", "grant one with `keep` or a pseudonym"),
    fault("SG6208", "登记库没有该数据类的表", "the registry has no table for the record type of a batch", MIGRATE),
    fault("SG6209", "登记库没有该列", "the registry cannot take a column of a batch", MIGRATE),
    fault("SG6210", "分段次序不符", "a part came before its predecessor", ASIDE),
    fault("SG6211", "SQLite版本过旧", "the SQLite that is linked is older than 3.51.3", "build with the bundled SQLite, as `cargo build` does"),
    fault("SG6212", "登记库写入线程已停止", "the registry's writer has stopped", "the process ends; start it again"),
    fault("SG6213", "数据集批次无法构造", "a batch of a dataset cannot be built from what was read", LOG),
    fault("SG6214", "登记库语句执行失败", "a statement of the registry on SQLite failed", LOG),
    fault("SG6215", "登记库中的值格式错误", "a stored value is not of its column's type", "somebody else wrote to the registry: compare with `shuguan db fsck`"),
    fault("SG6216", "PostgreSQL未完成请求", "PostgreSQL did not do what was asked", LOG),
    fault("SG6217", "PostgreSQL配置不可用", "what is configured for PostgreSQL cannot be used", "the message says which setting; `shuguan config check`"),
    fault("SG6301", "交换台账未给出批次", "the journal did not give an exchange or a part of it", "the relay tries again; `shuguan doctor` if it goes on"),
    fault("SG6302", "批次内容损坏", "the payload of a batch was changed, cut or cannot be opened", ASIDE),
    fault("SG6303", "入库结果无法封存", "the journal would not seal what became of a batch", ASIDE),
    fault("SG6304", "快照将关闭过多记录", "a snapshot would close more rows than is allowed", "ask its sender; release it to let it close them: `shuguan relay release`"),
    fault("SG7101", "配置文件无法读取", "the configuration cannot be read", "name it with -c, or make one: `shuguan init DIR`"),
    fault("SG7102", "配置有错误", "the configuration is not taken", "every fault with its line: `shuguan config check`"),
    fault("SG7104", "网关未能启动", "the gateway does not start", "the message says why; `shuguan doctor` looks at everything a start needs"),
    fault("SG7105", "交换台账不是最后签名的那一份", "the journal is older than a checkpoint that was signed, or another one", "put the newest copy back; when it is lost: `shuguan db recover --why CODE`"),
    fault("SG7108", "客户端配置有错误", "a client's configuration is not taken", "the message names each fault with its line; `client.toml` of the kit is an example"),
    fault("SG7109", "布局文件有错误", "a file of layouts is not taken", "the message names each fault with its line; `shuguan config example` shows layouts"),
    fault("SG7111", "工作簿与基准策略包不符", "the workbook was made from another bundle than --base", "export it anew from the bundle in force: `shuguan policy matrix --xlsx`"),
    fault("SG7112", "工作簿中有无法采用的单元格", "cells of the workbook cannot be taken", "the message names each cell"),
    fault("SG7113", "工作簿的授权不能构成策略包", "what the workbook grants is no bundle", "the message names each fault; `shuguan policy check` after mending the cells"),
    fault("SG9001", "网关内部故障", "the gateway failed at a request; nothing was accepted", "tell the operator the request id: the gateway's log has one line with it"),
    fault("SG9002", "交换台账或登记库不再可信，或网关任务中断", "the journal or the registry can no longer be trusted to keep what it is given, or a task of the gateway broke off, so the process ended", "look at the log and the disk, then start again: the start reads what is there"),
];

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]

    use std::collections::BTreeSet;
    use std::path::Path;

    use super::{ALL, FaultCode};
    use crate::refusal::Refusal;
    use crate::registry::discrepancy::Kind;

    /// Codes that stand in the sources as `"SGdddd"`.
    fn written(folder: &Path, codes: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                written(&path, codes);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let quoted = text
                    .split('"')
                    .filter(|piece| piece.len() == 6 && piece.starts_with("SG"));
                codes.extend(
                    quoted
                        .filter(|piece| piece.chars().skip(2).all(|digit| digit.is_ascii_digit()))
                        .map(str::to_owned),
                );
            }
        }
    }

    #[test]
    fn every_code_in_the_sources_can_be_explained() {
        let mut codes = BTreeSet::new();
        written(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
        assert!(codes.len() > 100, "{}", codes.len());
        let unknown = |code: &&String| {
            let reject = shuguan_adapters::reject::RejectCode::ALL
                .iter()
                .any(|reject| reject.code() == code.as_str());
            Refusal::parse(code).is_none() && Kind::parse(code).is_none() && FaultCode::find(code).is_none() && !reject
        };
        assert_eq!(codes.iter().filter(unknown).collect::<Vec<_>>(), Vec::<&String>::new());
    }

    #[test]
    fn a_code_stands_for_one_thing() {
        assert!(ALL.is_sorted_by(|one, next| one.code < next.code));
        for fault in ALL {
            assert!(
                Refusal::parse(fault.code).is_none() && Kind::parse(fault.code).is_none(),
                "{}",
                fault.code
            );
        }
    }
}
