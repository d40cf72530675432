//! One exchange: who, what, when, why, what was kept and withheld, what became of it, and its proof.
//!
//! `GET` asks for case and reason and seals nothing. `POST` seals the question, then reads; the downloads likewise.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Form};
use http::{HeaderMap, Uri, header};
use shuguan_ledger::keys::RECEIPT_SUITE;
use shuguan_ledger::leaf::{
    ClockEvent, Digest, Event, KeyEvent, LogCloseEvent, LogOpenEvent, OperatorEvent, PolicyEvent, RecallEvent,
    RefusalEvent, RelayedEvent,
};
use shuguan_policies::{Plan, PolicySet};

use super::exchanges::{Choice, Line, answer, partner, purpose, reasons, record, taken};
use super::proof::{Proof, hex, prove};
use super::question::{self, Act, Asked, Request};
use super::words::{self, Moment, grouped};
use super::{Desk, Frame, shell};
use crate::api::gate::Context;
use crate::edge::Peer;
use crate::exchange::{Fault, Stop};
use crate::journal::ExchangeView;
use crate::refusal::Refusal;

/// Where an exchange is.
pub(super) const ROUTE: &str = "/console/exchanges/{exchange}";
/// Its receipt as a file.
pub(super) const RECEIPT: &str = "/console/exchanges/{exchange}/receipt";
/// Its first leaf as a file.
pub(super) const LEAF: &str = "/console/exchanges/{exchange}/leaf";

/// Asks for case and reason.
#[derive(Template)]
#[template(path = "ask.html")]
struct AskPage {
    frame: Frame,
    exchange: String,
    reasons: Vec<Choice>,
    token: String,
}

#[derive(Template)]
#[template(path = "exchange.html")]
struct Page {
    frame: Frame,
    request: Request,
    exchange: String,
    query_index: u64,
    head: Line,
    facts: Vec<Fact>,
    counts: Vec<Count>,
    fields: Option<Fields>,
    standing: Option<Choice>,
    relayed: Option<Relayed>,
    leaves: Vec<Proved>,
    proof: Proof,
    token_list: String,
    token_receipt: String,
    token_leaf: String,
}

/// One line of facts.
struct Fact {
    term: &'static str,
    text: String,
    code: String,
}

/// One number.
struct Count {
    term: &'static str,
    number: String,
}

/// What the plan of the day kept and withheld.
struct Fields {
    grant: String,
    kept: Vec<Kept>,
    withheld: Vec<Choice>,
}

struct Kept {
    name: &'static str,
    zh: &'static str,
    operator: String,
    /// As the agreement writes it; empty when the word says all.
    written: String,
    changed: bool,
}

struct Relayed {
    moment: Moment,
    counts: Vec<Count>,
}

/// A leaf with its own proof.
struct Proved {
    line: Line,
    valid: bool,
}

/// The page that asks first.
pub(super) async fn ask(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
) -> Response {
    let page = ask_page(&desk, &peer, &exchange);
    answer(&context, &peer, page).await
}

fn ask_page(desk: &Desk, peer: &Peer, exchange: &str) -> Result<Response, Stop> {
    if !question::sees_exchanges(peer.partner().role) {
        return Err(Refusal::WrongRole.into());
    }
    // Whether it exists is told after the leaf, not before.
    let exchange: uuid::Uuid = exchange.parse().map_err(|_| Refusal::NotFound)?;
    shell::page(&AskPage {
        frame: Frame::of(peer, "exchanges"),
        exchange: exchange.to_string(),
        reasons: reasons(),
        token: desk.forms.token(peer, ROUTE, desk.console.api.stations.clock.now_us()),
    })
}

/// The exchange.
pub(super) async fn show(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Request>, FormRejection>,
) -> Response {
    let page = async {
        let mut request = taken(&desk, &peer, ROUTE, &uri, &headers, form)?;
        request.exchange = exchange;
        let asked = question::ask(&desk.console.api.stations, &peer, Act::Show, &request).await?;
        let view = asked.exchange(&desk.console.api.stations.journal).await?;
        page(&desk, &peer, request, &asked, &view).await
    };
    answer(&context, &peer, page.await).await
}

/// The receipt as a file.
pub(super) async fn receipt(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Request>, FormRejection>,
) -> Response {
    let file = async {
        let mut request = taken(&desk, &peer, RECEIPT, &uri, &headers, form)?;
        request.exchange = exchange;
        let journal = &desk.console.api.stations.journal;
        let view = exported(&desk, &peer, &request, "receipt").await?;
        let receipt = journal.receipt(view.exchange).await;
        let receipt = receipt.map_err(Fault::from_error("read a receipt"))?;
        let name = format!("{}.tlog-proof", view.exchange);
        Ok(download(
            &name,
            "text/plain; charset=utf-8",
            receipt.ok_or(Refusal::NotFound)?.into_bytes(),
        ))
    };
    answer(&context, &peer, file.await).await
}

/// The first leaf as a file: its canonical bytes.
pub(super) async fn leaf(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
    Path(exchange): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    form: Result<Form<Request>, FormRejection>,
) -> Response {
    let file = async {
        let mut request = taken(&desk, &peer, LEAF, &uri, &headers, form)?;
        request.exchange = exchange;
        let view = exported(&desk, &peer, &request, "leaf").await?;
        let leaf = view.leaves.into_iter().next().ok_or(Refusal::NotFound)?;
        Ok(download(
            &format!("{}.leaf.json", view.exchange),
            "application/json",
            leaf.bytes,
        ))
    };
    answer(&context, &peer, file.await).await
}

async fn exported(desk: &Desk, peer: &Peer, request: &Request, what: &'static str) -> Result<ExchangeView, Stop> {
    let stations = &desk.console.api.stations;
    let asked = question::ask(stations, peer, Act::Export(what), request).await?;
    asked.exchange(&stations.journal).await
}

fn download(name: &str, kind: &'static str, bytes: Vec<u8>) -> Response {
    let disposition = format!("attachment; filename=\"{name}\"");
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, disposition),
    ];
    (headers, bytes).into_response()
}

async fn page(
    desk: &Desk,
    peer: &Peer,
    request: Request,
    asked: &Asked,
    view: &ExchangeView,
) -> Result<Response, Stop> {
    let stations = &desk.console.api.stations;
    let now_us = stations.clock.now_us();
    let policies = stations.policies.load_full();
    let mut leaves = Vec::with_capacity(view.leaves.len());
    let mut first = None;
    for row in &view.leaves {
        let proof = prove(&stations.journal, row).await;
        leaves.push(Proved {
            line: Line::of(row, &policies),
            valid: proof.valid,
        });
        first.get_or_insert(proof);
    }
    let head = view.leaves.first().ok_or(Refusal::NotFound)?;
    shell::page(&Page {
        frame: Frame::of(peer, "exchanges"),
        exchange: view.exchange.to_string(),
        query_index: asked.index(),
        head: Line::of(head, &policies),
        facts: facts(&view.leaf.event, &policies),
        counts: counts(&view.leaf.event),
        fields: fields(&view.leaf.event, &policies),
        standing: view.inbox.as_ref().map(|inbox| Choice {
            zh: words::outcome(&inbox.state).to_owned(),
            code: inbox.reason.clone().unwrap_or_default(),
        }),
        relayed: relayed(view),
        leaves,
        proof: first.unwrap_or_default(),
        token_list: desk.forms.token(peer, super::exchanges::ROUTE, now_us),
        token_receipt: desk.forms.token(peer, RECEIPT, now_us),
        token_leaf: desk.forms.token(peer, LEAF, now_us),
        request,
    })
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

fn facts(event: &Event, policies: &PolicySet) -> Vec<Fact> {
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
            plain("动作", &query.q),
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
        Event::Certificate(act) => vec![
            named("单位", partner(policies, &act.p)),
            plain("动作", words::outcome(&act.act)),
            coded("证书序列号", act.serial.clone()),
            plain("签发时间", &Moment::parse(&act.at).local),
        ],
        Event::Config(config) => {
            let mut facts = vec![coded("配置 SHA-256", super::proof::hex(&config.cfg.0))];
            facts.extend(
                config
                    .prev
                    .map(|prev| coded("此前配置 SHA-256", super::proof::hex(&prev.0))),
            );
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
        Event::Relayed(_) | Event::Recalled(_) | Event::Start(_) | Event::Stop(_) | Event::Erased(_) => Vec::new(),
    }
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

fn count(term: &'static str, number: u64) -> Count {
    Count {
        term,
        number: grouped(number),
    }
}

fn counts(event: &Event) -> Vec<Count> {
    match event {
        Event::Push(push) => vec![
            count("收到", push.r#in),
            count("接受", push.ok),
            count("不合格", push.rej),
            count("授权范围外", push.fil),
            count("重复", push.rep),
            count("字节", push.bytes),
        ],
        Event::Pull(pull) => vec![
            count("记录", pull.rows),
            count("授权范围外", pull.fil),
            count("字节", pull.bytes),
        ],
        Event::Compare(compare) => vec![
            count("比对", compare.rows),
            count("查无此人(户)", compare.abs),
            count("字节", compare.bytes),
        ],
        Event::Refusal(refusal) => [
            ("次数", refusal.cnt),
            ("比对", refusal.ask),
            ("查无此人(户)", refusal.abs),
        ]
        .into_iter()
        .filter_map(|(term, number)| Some(count(term, number?)))
        .collect(),
        Event::OfficerResult(result) => vec![count("交换", result.cnt)],
        Event::Shred(shred) => vec![count("密钥", shred.cnt)],
        Event::Recalled(done) => vec![count("撤回记录", done.del), count("恢复记录", done.opn)],
        Event::Relayed(_)
        | Event::SetAside(_)
        | Event::Aborted(_)
        | Event::Ticket(_)
        | Event::TicketAnswer(_)
        | Event::Recall(_)
        | Event::ReceiptAck(_)
        | Event::OfficerUnseal(_)
        | Event::OfficerQuery(_)
        | Event::Start(_)
        | Event::Stop(_)
        | Event::Certificate(_)
        | Event::Config(_)
        | Event::Key(_)
        | Event::LogClose(_)
        | Event::LogOpen(_)
        | Event::LogGap(_)
        | Event::Policy(_)
        | Event::Operator(_)
        | Event::WitnessGap(_)
        | Event::Clock(_)
        | Event::Erased(_) => Vec::new(),
    }
}

/// None: no plan, or one that is no longer in force.
fn fields(event: &Event, policies: &PolicySet) -> Option<Fields> {
    let hash = match event {
        Event::Push(push) => push.plan.0,
        Event::Pull(pull) => pull.plan.0,
        Event::Compare(compare) => compare.plan.0,
        _ => return None,
    };
    let plan = policies.plans().find(|plan| plan.hash() == hash)?;
    Some(Fields {
        grant: plan.grant_id().to_owned(),
        kept: plan.output().iter().map(kept).collect(),
        withheld: withheld(plan),
    })
}

fn kept(column: &shuguan_policies::plan::OutputColumn) -> Kept {
    let operator = &column.kind.operator;
    let written = operator.describe();
    Kept {
        name: column.name,
        zh: column.zh,
        operator: words::operator(operator.name()).to_owned(),
        changed: operator.name() != "keep",
        written: if written == operator.name() {
            String::new()
        } else {
            written
        },
    }
}

fn withheld(plan: &Plan) -> Vec<Choice> {
    plan.target()
        .fields()
        .iter()
        .filter(|field| plan.output().iter().all(|column| column.name != field.name))
        .map(|field| Choice {
            code: field.name.to_owned(),
            zh: field.zh.to_owned(),
        })
        .collect()
}

fn relayed(view: &ExchangeView) -> Option<Relayed> {
    let (_, leaf) = view.relayed.as_ref()?;
    let Event::Relayed(RelayedEvent {
        ins,
        upd,
        same,
        fail,
        batch,
        ms,
        ..
    }) = &leaf.event
    else {
        return None;
    };
    Some(Relayed {
        moment: Moment::of(leaf.when()),
        counts: vec![
            count("新增", *ins),
            count("更新", *upd),
            count("无变化", *same),
            count("失败", *fail),
            count("分段", *batch),
            count("毫秒", *ms),
        ],
    })
}
