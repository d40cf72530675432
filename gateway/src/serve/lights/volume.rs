//! The light of the volume: takes the journal and the time; gives which volume of the log is written, and whether its year is over. Refuses nothing: a year that is
//! over is a notice and no fault, and the volume goes on until an operator orders the next one.

use std::sync::Arc;
use std::time::Duration;

use crate::edge::health::{Light, Readiness};
use crate::exchange::Stations;
use crate::journal::{Journal, Volume, is_over, proposal};
use crate::pki::period;

/// Tells it once a second, without end.
pub(super) async fn watch(stations: Arc<Stations>, readiness: Readiness) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut volumes = Vec::new();
    loop {
        tick.tick().await;
        let now_us = stations.clock.now_us();
        if let Some((light, said)) = describe(&stations.journal, &mut volumes, now_us).await {
            readiness.report("volume", light, said);
        }
    }
}

/// What is said of the volume; none while the journal cannot be read. `known` is what was read last, so that it is read once a volume.
async fn describe(journal: &Journal, known: &mut Vec<Volume>, now_us: i64) -> Option<(Light, String)> {
    if known.last().is_none_or(|newest| newest.origin != *journal.origin()) {
        *known = journal.volumes().await.ok()?;
    }
    sentence(known, now_us)
}

fn sentence(volumes: &[Volume], now_us: i64) -> Option<(Light, String)> {
    let newest = volumes.last()?;
    let (origin, next) = (&newest.origin, proposal(volumes, now_us)?);
    if is_over(newest, now_us) {
        let told = format!(
            "`{origin}` is that of {}, and it is {}: shuguan log turn --open {next} --yes",
            newest.year(),
            period::year(now_us)
        );
        return Some((Light::Yellow, told));
    }
    Some((Light::Green, format!("`{origin}` is written")))
}

#[cfg(test)]
mod tests {
    use super::{Light, Volume, sentence};

    /// 2026-11-28, and a year later.
    const NOW_US: [i64; 2] = [1_795_824_000_000_000, 1_827_360_000_000_000];

    #[test]
    fn a_year_that_is_over_is_told_with_the_command_that_opens_the_next_volume() {
        let volume = |origin: &str| Volume {
            origin: origin.into(),
            log: "gw1.lyg.example/log".into(),
            from: 7,
            since_us: NOW_US[0],
            size: None,
            is_whole: true,
        };
        let newest = [volume("gw1.lyg.example/log/2026")];
        let written = "`gw1.lyg.example/log/2026` is written".to_owned();
        assert_eq!(sentence(&newest, NOW_US[0]), Some((Light::Green, written)));
        // The name of a volume that was lost is not proposed again.
        let lost = [volume("gw1.lyg.example/log/2027"), volume("gw1.lyg.example/log/2")];
        for (volumes, next) in [(&newest[..], "2027"), (&lost[..], "2028")] {
            let told = sentence(volumes, NOW_US[1]);
            let (light, told) = told.unwrap_or((Light::Red, String::new()));
            assert_eq!(light, Light::Yellow);
            let command = format!("shuguan log turn --open gw1.lyg.example/log/{next} --yes");
            assert!(told.ends_with(&command), "{told}");
        }
        assert_eq!(sentence(&[], NOW_US[0]), None);
    }
}
