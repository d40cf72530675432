//! The light of the volume: takes the journal and the time; gives which volume of the log is written, and whether its year is over. Refuses nothing: a year that is
//! over is a notice and no fault, and the volume goes on until an operator orders the next one.

use std::sync::Arc;
use std::time::Duration;

use crate::edge::health::{Light, Readiness};
use crate::exchange::Stations;
use crate::journal::{Journal, Volume};
use crate::pki::period;

/// Tells it once a second, without end.
pub(super) async fn watch(stations: Arc<Stations>, readiness: Readiness) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut volume = None;
    loop {
        tick.tick().await;
        let now_us = stations.clock.now_us();
        if let Some((light, said)) = describe(&stations.journal, &mut volume, now_us).await {
            readiness.report("volume", light, said);
        }
    }
}

/// What is said of the volume; none while the journal cannot be read. `known` is what was read last, so that it is read once a volume.
async fn describe(journal: &Journal, known: &mut Option<Volume>, now_us: i64) -> Option<(Light, String)> {
    if known.as_ref().is_none_or(|known| known.origin != *journal.origin()) {
        *known = journal.volumes().await.ok()?.pop();
    }
    known.as_ref().map(|known| sentence(known, &period::year(now_us)))
}

fn sentence(volume: &Volume, year: &str) -> (Light, String) {
    let origin = &volume.origin;
    if volume.year().as_str() < year {
        let next = volume.next_name(year);
        let told = format!(
            "`{origin}` is that of {}, and it is {year}: shuguan log turn --open {next} --yes",
            volume.year()
        );
        return (Light::Yellow, told);
    }
    (Light::Green, format!("`{origin}` is written"))
}

#[cfg(test)]
mod tests {
    use super::{Light, Volume, sentence};

    #[test]
    fn a_year_that_is_over_is_told_with_the_command_that_opens_the_next_volume() {
        let volume = Volume {
            origin: "gw1.lyg.example/log/2026".into(),
            log: "gw1.lyg.example/log".into(),
            from: 7,
            since_us: 0,
            size: None,
            is_whole: true,
        };
        let written = "`gw1.lyg.example/log/2026` is written".to_owned();
        assert_eq!(sentence(&volume, "2026"), (Light::Green, written));
        let (light, told) = sentence(&volume, "2027");
        assert_eq!(light, Light::Yellow);
        assert!(
            told.ends_with("shuguan log turn --open gw1.lyg.example/log/2027 --yes"),
            "{told}"
        );
    }
}
