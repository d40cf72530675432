//! What the first leaf of an exchange says, in lines for a page: term, Chinese words, code.
//!
//! Takes an event and the policies of now, for names; gives lines. Every kind has its own; refuses nothing, and shows codes that it does not know as they stand.

use shuguan_ledger::keys::RECEIPT_SUITE;
use shuguan_ledger::leaf::{
    CertificateEvent, ClockEvent, Digest, Event, KeyEvent, LogCloseEvent, LogOpenEvent, OperatorEvent, PolicyEvent,
    RecallEvent, RefusalEvent,
};
use shuguan_policies::PolicySet;

use super::super::exchanges::{Choice, NOBODY, partner, purpose, record};
use super::super::proof::hex;
use super::super::words::{self, Moment};
use crate::refusal::Refusal;

/// One line of facts.
pub(super) struct Fact {
    pub(super) term: &'static str,
    pub(super) text: String,
    pub(super) code: String,
}

fn named(term: &'static str, choice: Choice) -> Fact {
    Fact {
        term,
        text: choice.zh,
        code: choice.code,
    }
}

fn plain(term: &'static str, text: &str) -> Fact {
    Fact {
        term,
        text: text.to_owned(),
        code: String::new(),
    }
}

fn coded(term: &'static str, code: String) -> Fact {
    Fact {
        term,
        text: String::new(),
        code,
    }
}

/// What a leaf says, line by line.
pub(super) fn facts(event: &Event, policies: &PolicySet) -> Vec<Fact> {
    match event {
        Event::Push(push) => vec![
            named("单位", partner(policies, &push.p)),
            named("数据类", record(policies, &push.rec)),
            named("用途", purpose(policies, &push.pur)),
            plain("协议", &push.agr),
            plain("文件格式", &push.fmt),
            coded("单位证书 SHA-256", hex(&push.cert.0)),
            coded("执行方案", hex(&push.plan.0)),
            coded("策略包", hex(&push.bun.0)),
        ],
        Event::Pull(pull) => vec![
            named("单位", partner(policies, &pull.p)),
            named("数据集", record(policies, &pull.ds)),
            named("用途", purpose(policies, &pull.pur)),
            plain("协议", &pull.agr),
            plain("内容格式", &pull.fmt),
            coded("单位证书 SHA-256", hex(&pull.cert.0)),
            coded("执行方案", hex(&pull.plan.0)),
            coded("策略包", hex(&pull.bun.0)),
        ],
        Event::Compare(compare) => vec![
            named("单位", partner(policies, &compare.p)),
            named("数据集", record(policies, &compare.ds)),
            named("用途", purpose(policies, &compare.pur)),
            plain("协议", &compare.agr),
            coded("单位证书 SHA-256", hex(&compare.cert.0)),
            coded("执行方案", hex(&compare.plan.0)),
            coded("策略包", hex(&compare.bun.0)),
        ],
        Event::Refusal(refusal) => refusal_facts(refusal, policies),
        Event::Aborted(aborted) => vec![
            named("单位", partner(policies, &aborted.p)),
            named("数据类", record(policies, &aborted.rec)),
            named("用途", purpose(policies, &aborted.pur)),
            plain("中断原因", words::outcome(&aborted.code)),
            coded("策略包", hex(&aborted.bun.0)),
        ],
        Event::SetAside(aside) => vec![coded("搁置原因", aside.code.clone())],
        Event::OfficerQuery(query) => vec![
            named("查询人员", partner(policies, &query.who)),
            plain("理由", words::outcome(&query.why)),
            plain("动作", words::question(&query.q)),
        ],
        Event::OfficerResult(result) => vec![
            named("查询人员", partner(policies, &result.who)),
            plain("查询的存证", &result.of.i.to_string()),
        ],
        Event::OfficerUnseal(unseal) => vec![
            named("人员", partner(policies, &unseal.who)),
            plain("步骤", words::outcome(&unseal.step)),
            plain("理由", words::outcome(&unseal.why)),
        ],
        Event::Shred(shred) => vec![
            named("安全管理员", partner(policies, &shred.who)),
            plain("销毁", words::outcome(&shred.what)),
            plain("理由", words::outcome(&shred.why)),
        ],
        Event::Certificate(act) => certificate_facts(act, policies),
        Event::Config(config) => {
            let mut facts = vec![coded("配置 SHA-256", hex(&config.cfg.0))];
            facts.extend(config.prev.map(|prev| coded("此前配置 SHA-256", hex(&prev.0))));
            facts
        }
        Event::Policy(policy) => policy_facts(policy, policies),
        Event::Key(key) if key.suite == RECEIPT_SUITE => receipt_key_facts(key),
        Event::Key(key) => key_facts(key),
        Event::LogClose(close) => log_close_facts(close),
        Event::LogOpen(open) => log_open_facts(open),
        Event::LogGap(gap) => vec![coded("原日志", gap.of.clone())],
        Event::Operator(act) => operator_facts(act, policies),
        Event::ReceiptAck(ack) => vec![plain("确认", words::outcome(&ack.verdict))],
        Event::Recall(recall) => recall_facts(recall, policies),
        Event::Ticket(ticket) => vec![
            coded("所涉交换", ticket.push.clone()),
            coded("记录序号", ticket.row.to_string()),
            coded("请核实字段", ticket.fld.clone()),
        ],
        Event::TicketAnswer(answer) => vec![plain("答复", words::outcome(&answer.say))],
        Event::WitnessGap(gap) => vec![
            plain("见证中断", words::outcome(&gap.step)),
            coded("最近见证条目数", gap.size.to_string()),
            coded("秒", gap.s.to_string()),
        ],
        Event::Clock(clock) => clock_facts(clock),
        Event::Full(full) => {
            let mut facts = vec![plain("存储已满始于", &Moment::parse(&full.since).local)];
            facts.extend(full.free.map(|free| coded("恢复时可用字节", free.to_string())));
            facts
        }
        Event::Relayed(_) | Event::Recalled(_) | Event::Start(_) | Event::Stop(_) | Event::Erased(_) => Vec::new(),
    }
}

/// Whose certificate, which and when; a revocation list is nobody's.
fn certificate_facts(act: &CertificateEvent, policies: &PolicySet) -> Vec<Fact> {
    let whose = (act.p != NOBODY).then(|| named("单位", partner(policies, &act.p)));
    let rest = [
        plain("动作", words::outcome(&act.act)),
        coded("证书序列号", act.serial.clone()),
        plain("签发时间", &Moment::parse(&act.at).local),
    ];
    whose.into_iter().chain(rest).collect()
}

/// Why, where and what was refused.
fn refusal_facts(refusal: &RefusalEvent, policies: &PolicySet) -> Vec<Fact> {
    let known = Refusal::parse(&refusal.code);
    let mut facts = vec![
        named("单位", partner(policies, &refusal.p)),
        named(
            "拒绝原因",
            Choice {
                zh: words::outcome(&refusal.code).to_owned(),
                code: known.map_or_else(|| refusal.code.clone(), |known| known.code().to_owned()),
            },
        ),
        plain("拒绝环节", &refusal.at),
    ];
    facts.extend(
        refusal
            .rec
            .as_deref()
            .map(|name| named("数据类", record(policies, name))),
    );
    facts.extend(
        refusal
            .ds
            .as_deref()
            .map(|name| named("数据集", record(policies, name))),
    );
    facts.extend(
        refusal
            .pur
            .as_deref()
            .map(|code| named("用途", purpose(policies, code))),
    );
    facts
}

fn clock_facts(clock: &ClockEvent) -> Vec<Fact> {
    let Some(step) = &clock.step else {
        return vec![
            plain("见证人", &clock.who),
            plain("其时钟", words::outcome(&clock.dir)),
            coded("相差毫秒", clock.ms.to_string()),
        ];
    };
    let readings = [("本机时钟", &clock.wall), ("日志时间", &clock.log)];
    let mut facts = vec![
        plain("本机时钟跳变", words::outcome(step)),
        plain("本机时钟", words::outcome(&clock.dir)),
        coded("相差毫秒", clock.ms.to_string()),
        coded("确认者", clock.who.clone()),
    ];
    facts.extend(clock.by.as_deref().map(|by| plain("确认方式", words::outcome(by))));
    facts.extend(
        readings
            .into_iter()
            .filter_map(|(name, reading)| Some(coded(name, reading.clone()?))),
    );
    facts
}

fn log_close_facts(close: &LogCloseEvent) -> Vec<Fact> {
    vec![
        coded("本卷日志", close.log.clone()),
        coded("下一卷日志", close.next.clone()),
        coded("下一卷密钥", close.key.clone()),
        plain("原因", words::outcome(&close.why)),
    ]
}

fn log_open_facts(open: &LogOpenEvent) -> Vec<Fact> {
    vec![
        coded("新日志", open.log.clone()),
        coded("原日志", open.of.clone()),
        coded("原日志条目数", open.size.to_string()),
        coded("保留条目数", open.kept.to_string()),
        plain("原因", words::outcome(&open.why)),
    ]
}

fn key_facts(key: &KeyEvent) -> Vec<Fact> {
    vec![
        plain("动作", words::outcome(&key.act)),
        plain("原因", words::outcome(&key.why)),
        coded("日志密钥", key.key.clone()),
        coded("并列密钥", key.of.clone()),
        coded("自条目数", key.from.to_string()),
    ]
}

fn receipt_key_facts(key: &KeyEvent) -> Vec<Fact> {
    vec![
        plain("动作", words::outcome(&key.act)),
        plain("原因", words::outcome(&key.why)),
        coded("回执密钥", key.key.clone()),
        coded("另一密钥", key.of.clone()),
    ]
}

fn recall_facts(recall: &RecallEvent, policies: &PolicySet) -> Vec<Fact> {
    vec![
        named("单位", partner(policies, &recall.p)),
        named("数据类", record(policies, &recall.rec)),
        coded("撤回的交换", recall.push.clone()),
        plain("理由", words::outcome(&recall.why)),
    ]
}

fn operator_facts(act: &OperatorEvent, policies: &PolicySet) -> Vec<Fact> {
    let mut facts = vec![
        named("系统管理员", partner(policies, &act.who)),
        plain("动作", words::outcome(&act.act)),
    ];
    facts.extend(act.why.as_deref().map(|why| plain("理由", words::outcome(why))));
    facts
}

fn policy_facts(policy: &PolicyEvent, policies: &PolicySet) -> Vec<Fact> {
    let mut facts = vec![
        plain("结果", words::outcome(&policy.result)),
        named("提交", partner(policies, &policy.by)),
    ];
    let text = |number: Option<u64>| number.map(|number| number.to_string());
    let digest = |digest: &Option<Digest>| digest.map(|digest| digest.to_string());
    facts.extend(policy.code.as_deref().map(|code| plain("原因", words::outcome(code))));
    facts.extend(
        policy
            .grant
            .as_deref()
            .map(|grant| coded("撤销的授权条目", grant.to_owned())),
    );
    facts.extend(policy.p.as_deref().map(|id| named("撤销的单位", partner(policies, id))));
    facts.extend(policy.signers.as_deref().map(|ids| plain("签名人", ids)));
    for (term, value) in [
        ("序号", text(policy.serial)),
        ("由此序号回退", text(policy.back)),
        ("新增或变更条目", text(policy.added)),
        ("撤销条目", text(policy.gone)),
        ("策略包", digest(&policy.bun)),
        ("原策略包", digest(&policy.prev)),
    ] {
        facts.extend(value.map(|value| coded(term, value)));
    }
    facts
}
