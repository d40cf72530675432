//! The overview: state lights, the relay, and how many leaves of which kind the last 24 hours brought.
//!
//! Takes the checks and counts by hour, kind and partner; names no exchange, so it needs no leaf (C5). Every role of the console sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;
use shuguan_policies::PolicySet;

use super::exchanges::{Choice, answer, partner};
use super::words::{Moment, grouped};
use super::{Desk, Frame, shell};
use crate::api::gate::Context;
use crate::edge::Peer;
use crate::exchange::{Fault, Stop};
use crate::hex::hex;
use crate::journal::Tally;
use crate::relay::{RelaySnapshot, RelayState};

const HOUR_US: i64 = 3_600_000_000;
/// Hours of the chart.
const HOURS: i64 = 24;
/// Asia/Shanghai.
const ZONE_HOURS: i64 = 8;
/// Kinds that the chart shows; what officers did is for auditors, under the list.
const SHOWN: [&str; 4] = ["push", "pull", "compare", "refusal"];
/// Height of the chart's columns, and width of one hour, in its own units.
const CHART_HEIGHT: u64 = 120;
const CHART_STEP: u64 = 30;
/// Width of the longest bar of the table.
const BAR_WIDTH: u64 = 160;

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    ready: bool,
    lights: Vec<Lamp>,
    relay: Relay,
    size: Option<String>,
    origin: String,
    chart: Chart,
    partners: Vec<PartnerLine>,
    policies: Policies,
    now: Moment,
}

/// The bundle in force.
struct Policies {
    serial: u64,
    hash: String,
    signers: Vec<Signatory>,
    grants: String,
    /// Whole days until the first agreement expires; none without agreements.
    days: Option<i64>,
}

struct Signatory {
    officer: Choice,
    role: &'static str,
}

/// One check.
struct Lamp {
    name: &'static str,
    code: String,
    /// `green`, `yellow`, `red`.
    colour: &'static str,
    word: &'static str,
    text: String,
    detail: String,
    since: Moment,
}

struct Relay {
    state: &'static str,
    backlog: String,
    bytes: String,
    lag: String,
    rate: String,
    pace: u64,
    rows: String,
    exchanges: String,
    set_aside: u64,
    error: Option<&'static str>,
}

/// Columns by hour, and the same as a table.
struct Chart {
    segments: Vec<Segment>,
    labels: Vec<Label>,
    hours: Vec<HourLine>,
    max: u64,
    width: u64,
    total: u64,
}

struct Segment {
    kind: &'static str,
    x: u64,
    y: u64,
    height: u64,
}

struct Label {
    x: u64,
    text: String,
}

struct HourLine {
    label: String,
    counts: [u64; SHOWN.len()],
}

struct PartnerLine {
    partner: Choice,
    counts: [u64; SHOWN.len()],
    bars: Vec<Segment>,
}

/// A check as `/readyz` tells it.
#[derive(Deserialize)]
struct Check {
    state: String,
    detail: String,
    since: String,
}

/// The page.
pub(super) async fn page(
    State(desk): State<Arc<Desk>>,
    Extension(context): Extension<Context>,
    Extension(peer): Extension<Arc<Peer>>,
) -> Response {
    let page = overview(&desk, &peer).await;
    answer(&context, &peer, page).await
}

async fn overview(desk: &Desk, peer: &Peer) -> Result<Response, Stop> {
    let stations = &desk.console.api.stations;
    let now_us = stations.clock.now_us();
    let first_hour = now_us.div_euclid(HOUR_US) - HOURS + 1;
    let tally = stations.journal.tally(first_hour * HOUR_US).await;
    let tally = tally.map_err(Fault::from_error("count leaves"))?;
    let (ready, checks) = desk.console.readiness.snapshot();
    let policies = stations.policies.load();
    let newest = stations.journal.checkpoint();
    let size = stations.journal.trust().open(&newest).ok();
    let size = size.map(|checkpoint| grouped(checkpoint.size));
    let mut partners = by_partner(&tally);
    for line in &mut partners {
        line.partner = partner(&policies, &line.partner.code);
    }
    shell::page(&Page {
        frame: Frame::of(peer, "overview"),
        ready,
        lights: lights(&checks),
        relay: relay(&desk.console.relay.snapshot(now_us)),
        size,
        origin: stations.journal.origin().as_ref().to_owned(),
        chart: chart(&tally, first_hour),
        partners,
        policies: in_force(desk, &policies, now_us),
        now: Moment::of(now_us),
    })
}

fn in_force(desk: &Desk, policies: &PolicySet, now_us: i64) -> Policies {
    let in_force = desk.console.keeper.in_force();
    let now_s = now_us.div_euclid(1_000_000);
    Policies {
        serial: in_force.serial,
        hash: hex(&in_force.bundle),
        signers: in_force
            .signers
            .iter()
            .map(|signer| Signatory {
                officer: partner(policies, &signer.id),
                role: signer.role.zh(),
            })
            .collect(),
        grants: grouped(u64::try_from(policies.plans().count()).unwrap_or(0)),
        days: in_force.first_end_s.map(|end| (end - now_s).div_euclid(86_400)),
    }
}

fn lights(document: &serde_json::Value) -> Vec<Lamp> {
    let checks: BTreeMap<String, Check> = document
        .get("checks")
        .and_then(|checks| serde_json::from_value(checks.clone()).ok())
        .unwrap_or_default();
    checks
        .into_iter()
        .map(|(code, check)| {
            let (colour, word) = match check.state.as_str() {
                "green" => ("green", "正常"),
                "yellow" => ("yellow", "注意"),
                _ => ("red", "故障"),
            };
            Lamp {
                name: check_name(&code),
                text: check_text(&code, colour).to_owned(),
                since: Moment::parse(&check.since),
                detail: check.detail,
                colour,
                word,
                code,
            }
        })
        .collect()
}

fn check_name(code: &str) -> &'static str {
    match code {
        "journal" => "交换台账",
        "registry" => "登记库",
        "registry-kept" => "登记库与台账",
        "set-aside" => "搁置的批次",
        "crl" => "吊销列表",
        "inbox" => "待入库队列",
        "reload" => "配置重载",
        "policies" => "策略包",
        "draining" => "停机",
        "clock" => "时钟",
        "disk" => "磁盘",
        "keys" => "密钥",
        "volume" => "日志年卷",
        "witness" => "见证",
        _ => "检查",
    }
}

fn check_text(code: &str, colour: &str) -> &'static str {
    match (code, colour) {
        ("journal", "green") => "可以提交",
        ("journal", "yellow") => "可以提交，但载荷目录空间不足，大批次一律答复 503",
        ("journal", _) => "不能提交，推送一律答复 503",
        ("registry", "green") => "入库中继工作正常",
        ("registry", _) => "入库中继已暂停，或上次失败正在重试",
        ("registry-kept", "green") => "最近入库的批次都在登记库中",
        ("registry-kept", _) => "登记库缺少已入库的批次，请运行 shuguan db fsck",
        ("set-aside", "green") => "没有批次被搁置",
        ("set-aside", _) => "有批次被搁置，请运营人员处理：shuguan relay list",
        ("crl", "green") => "在有效期内",
        ("crl", "yellow") => "七日内到期，请运行 shuguan crl issue",
        ("crl", _) => "缺失或已过期，所有证书均被拒绝，请运行 shuguan crl issue",
        ("inbox", "green") => "未达上限",
        ("inbox", _) => "已满，推送一律答复 503",
        ("policies", "green") => "已由两个角色的人员签名",
        ("policies", _) => "协议即将或已经到期，或最近提交的策略包被拒绝",
        ("reload", "green") => "证书与吊销列表已生效",
        ("reload", _) => "上次重载被拒绝，沿用原有配置",
        ("clock", "green") => "与经过的时间一致",
        ("clock", _) => "本机时钟发生跳变，或日志时间超前；请核对时钟：shuguan log clock",
        ("volume", "green") => "当前年卷正在使用",
        ("volume", _) => "本卷所属年份已过，仍可继续使用；请由运营人员换卷：shuguan log turn",
        ("witness", "green") => "日志已获见证",
        ("witness", "yellow") => "日志逾一分钟未获见证；业务照常，见证人恢复后自动补上",
        ("witness", _) => "见证人所见与本日志不一致，或长时间未获见证而暂停接收",
        ("draining", _) => "网关正在停止",
        _ => "",
    }
}

fn relay(snapshot: &RelaySnapshot) -> Relay {
    Relay {
        state: match snapshot.state {
            RelayState::Idle => "空闲",
            RelayState::Relaying => "入库中",
            RelayState::Waiting => "等待重试",
            RelayState::Paused => "已暂停",
            RelayState::Stopped => "已停止",
        },
        backlog: grouped(snapshot.backlog_exchanges),
        bytes: grouped(snapshot.backlog_bytes.div_ceil(1_024)),
        lag: grouped(snapshot.lag_s),
        rate: grouped(snapshot.rows_per_s),
        pace: snapshot.pace_percent,
        rows: grouped(snapshot.rows_total),
        exchanges: grouped(snapshot.exchanges_total),
        set_aside: snapshot.set_aside_total,
        error: snapshot.last_error,
    }
}

fn position(kind: &str) -> Option<usize> {
    SHOWN.iter().position(|shown| *shown == kind)
}

fn add(counts: &mut [u64; SHOWN.len()], tally: &Tally) {
    if let Some(count) = position(&tally.kind).and_then(|at| counts.get_mut(at)) {
        *count += tally.count;
    }
}

fn chart(tally: &[Tally], first_hour: i64) -> Chart {
    let mut hours: BTreeMap<i64, [u64; SHOWN.len()]> = (first_hour..first_hour + HOURS)
        .map(|hour| (hour, [0; SHOWN.len()]))
        .collect();
    for entry in tally {
        if let Some(counts) = hours.get_mut(&entry.hour) {
            add(counts, entry);
        }
    }
    let max = hours.values().map(|counts| counts.iter().sum()).max().unwrap_or(0);
    let (mut segments, mut labels, mut lines, mut x) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (hour, counts) in hours {
        let mut y = CHART_HEIGHT;
        for (kind, height) in heights(&counts, max, CHART_HEIGHT) {
            y = y.saturating_sub(height);
            segments.push(Segment { kind, x, y, height });
        }
        let of_day = (hour + ZONE_HOURS).rem_euclid(24);
        if of_day % 3 == 0 {
            let text = format!("{of_day:02}");
            labels.push(Label {
                x: x + CHART_STEP / 2,
                text,
            });
        }
        lines.push(HourLine {
            label: format!("{of_day:02}:00"),
            counts,
        });
        x += CHART_STEP;
    }
    Chart {
        segments,
        labels,
        total: lines.iter().flat_map(|line| line.counts).sum(),
        hours: lines,
        max,
        width: x,
    }
}

/// Each kind's share of `room`; what is there at all is at least two units high.
fn heights(counts: &[u64; SHOWN.len()], max: u64, room: u64) -> Vec<(&'static str, u64)> {
    SHOWN
        .into_iter()
        .zip(counts)
        .filter(|(_, count)| **count > 0)
        .map(|(kind, count)| (kind, (count.saturating_mul(room) / max.max(1)).max(2)))
        .collect()
}

fn by_partner(tally: &[Tally]) -> Vec<PartnerLine> {
    let mut partners: BTreeMap<&str, [u64; SHOWN.len()]> = BTreeMap::new();
    for entry in tally.iter().filter(|entry| position(&entry.kind).is_some()) {
        add(
            partners.entry(entry.partner.as_deref().unwrap_or("-")).or_default(),
            entry,
        );
    }
    let sum = |counts: &[u64; SHOWN.len()]| counts.iter().sum::<u64>();
    let max = partners.values().map(sum).max().unwrap_or(0);
    let mut lines: Vec<PartnerLine> = partners
        .into_iter()
        .map(|(id, counts)| {
            let mut x = 0;
            let bars = heights(&counts, max, BAR_WIDTH).into_iter().map(|(kind, width)| {
                let bar = Segment {
                    kind,
                    x,
                    y: 0,
                    height: width,
                };
                x += width;
                bar
            });
            PartnerLine {
                bars: bars.collect(),
                partner: Choice {
                    code: id.to_owned(),
                    zh: id.to_owned(),
                },
                counts,
            }
        })
        .collect();
    lines.sort_by_key(|line| std::cmp::Reverse(sum(&line.counts)));
    lines
}

#[cfg(test)]
mod tests {
    use super::{CHART_HEIGHT, HOURS, by_partner, chart};
    use crate::journal::Tally;

    fn tally(hour: i64, kind: &str, partner: Option<&str>, count: u64) -> Tally {
        Tally {
            hour,
            kind: kind.into(),
            partner: partner.map(str::to_owned),
            count,
        }
    }

    #[test]
    fn the_chart_fits_its_height_and_its_table_says_the_same() {
        let leaves = [
            tally(100, "push", Some("health-city"), 30),
            tally(100, "refusal", None, 10),
            tally(101, "push", Some("tax-city"), 1),
            tally(101, "officer-query", Some("auditor-zhao"), 500),
            tally(7, "push", Some("tax-city"), 9),
        ];
        let chart = chart(&leaves, 100);
        assert_eq!((chart.max, chart.total), (40, 41));
        assert_eq!(chart.hours.len(), usize::try_from(HOURS).unwrap_or(0));
        assert!(
            chart
                .segments
                .iter()
                .all(|segment| segment.y + segment.height <= CHART_HEIGHT)
        );
        let partners = by_partner(&leaves);
        assert_eq!(
            partners
                .iter()
                .map(|line| line.partner.code.as_str())
                .collect::<Vec<_>>(),
            ["health-city", "-", "tax-city"]
        );
    }
}
