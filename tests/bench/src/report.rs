//! The results: as a table for people, as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::load::Way;
use crate::measure::PROMISED;
use crate::turns::TURN;

/// One server under one kind of load in one round. Times are in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) cpu_micros: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) rate: f64,
    pub(crate) round: u64,
    pub(crate) server: String,
    /// Reviews in a second in each turn.
    pub(crate) turns: Vec<f64>,
    pub(crate) way: Way,
}

/// Reviews of unseen images.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cold {
    pub(crate) connections: usize,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) rate: f64,
}

/// How a journal grew.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Journal {
    pub(crate) bytes: u64,
    pub(crate) rate: f64,
    pub(crate) records: u64,
}

/// How fast that journal was verified.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Replay {
    pub(crate) megabytes: f64,
    pub(crate) peak_kib: u64,
    pub(crate) rate: f64,
}

/// All that was measured.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) cold: Vec<Cold>,
    pub(crate) in_memory: bool,
    pub(crate) journal: Journal,
    /// Server to its peak of resident memory, in KiB.
    pub(crate) peaks: Vec<(String, u64)>,
    pub(crate) replay: Replay,
    pub(crate) rows: Vec<Row>,
}

/// The medians over the rounds of one server under one kind of load.
struct Medians {
    cpu_micros: f64,
    cpu_ratio: f64,
    p50: f64,
    p99: f64,
    rate: f64,
    ratio: f64,
    server: String,
    way: Way,
}

/// How the ratio that is promised spreads.
struct Spread {
    /// Turns in all.
    count: usize,
    lower: f64,
    median: f64,
    /// The median of each round.
    rounds: Vec<f64>,
    upper: f64,
}

impl Row {
    /// Reviews in a second to the floor's, turn by turn.
    fn turn_ratios(&self, floor: &Self) -> Vec<f64> {
        let turns = self.turns.iter().zip(&floor.turns);
        turns.map(|(mine, floors)| mine / floors.max(1e-9)).collect()
    }

    /// The floor's CPU time for a review over this server's.
    fn cpu_ratio(&self, floor: &Self) -> f64 {
        floor.cpu_micros / self.cpu_micros.max(1e-9)
    }
}

impl Results {
    /// The table, with a line end.
    pub(crate) fn table(&self) -> String {
        let mut text = String::new();
        let out = &mut text;
        let _ = writeln!(
            out,
            "{:<9}{:<8}{:>12}{:>10}{:>10}{:>15}{:>8}{:>11}",
            "load",
            "server",
            "reviews/s",
            "p50 ms",
            "p99 ms",
            "cpu µs/review",
            "ratio",
            "cpu ratio"
        );
        for row in self.medians() {
            let (p50, p99) = (row.p50 / 1_000.0, row.p99 / 1_000.0);
            let _ = writeln!(
                out,
                "{:<9}{:<8}{:>12.0}{p50:>10.2}{p99:>10.2}{:>15.1}{:>8.2}{:>11.2}",
                row.way.name(),
                row.server,
                row.rate,
                row.cpu_micros,
                row.ratio,
                row.cpu_ratio
            );
        }
        out.push_str(&self.reading());
        for Cold { connections, p50, p99, rate } in &self.cold {
            let (p50, p99) = (p50 / 1_000.0, p99 / 1_000.0);
            let _ = writeln!(
                out,
                "Cold x{connections}: {rate:.0} reviews/s, p50 {p50:.2} ms, p99 {p99:.2} ms"
            );
        }
        let Journal { bytes, rate, records } = self.journal;
        let _ = writeln!(
            out,
            "Journal: {rate:.0} records/s at h1 x{PROMISED} in group, {} bytes a record",
            bytes / records.max(1)
        );
        let Replay { megabytes, peak_kib, rate } = self.replay;
        let _ = writeln!(
            out,
            "Replay on two cores: {rate:.0} records/s, {megabytes:.0} MB/s ({records} records), \
             peak memory {} MiB",
            peak_kib / 1_024
        );
        let peaks = self.peaks.iter().map(|(server, kib)| format!("{server} {} MiB", kib / 1_024));
        let _ = writeln!(out, "Peak memory: {}", peaks.collect::<Vec<_>>().join(", "));
        if self.in_memory {
            let _ = writeln!(out, "The journals lay in memory (tmpfs), where syncs cost nothing.");
        }
        text
    }

    /// How the ratios come about, and the one that is promised.
    fn reading(&self) -> String {
        let mut text = format!(
            "\nMedians over the rounds. Servers take turns of {} ms; a ratio is the median over\n\
             all turns, reviews in a second to the floor's in the turn next to it. The ratio by\n\
             CPU is the floor's CPU time for a review over the server's, which a busy machine\n\
             disturbs less.\n",
            TURN.as_millis()
        );
        if let Some(Spread { count, lower, median, rounds, upper }) = self.promised() {
            let rounds: Vec<String> = rounds.iter().map(|ratio| format!("{ratio:.2}")).collect();
            let _ = writeln!(
                text,
                "Ratio of group to floor at h1 x{PROMISED}: {median:.2}; half of its {count} turns \
                 from {lower:.2} to {upper:.2}; by round {}",
                rounds.join(", ")
            );
        }
        text
    }

    /// One JSON object, with a line end.
    pub(crate) fn json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            json!({
                "cpuMicros": row.cpu_micros, "load": row.way.name(), "p50Micros": row.p50,
                "p99Micros": row.p99, "reviewsPerSecond": row.rate, "round": row.round,
                "server": row.server, "turns": row.turns,
            })
        });
        let medians = self.medians().into_iter().map(|row| {
            json!({
                "cpuMicros": row.cpu_micros, "cpuRatio": row.cpu_ratio, "load": row.way.name(),
                "p50Micros": row.p50, "p99Micros": row.p99, "ratio": row.ratio,
                "reviewsPerSecond": row.rate,
                "server": row.server,
            })
        });
        let cold = self.cold.iter().map(|it| {
            json!({
                "connections": it.connections, "p50Micros": it.p50, "p99Micros": it.p99,
                "reviewsPerSecond": it.rate,
            })
        });
        let peaks: serde_json::Map<String, Value> =
            self.peaks.iter().map(|(server, kib)| (server.clone(), json!(kib))).collect();
        let value = json!({
            "cold": cold.collect::<Vec<_>>(),
            "journal": {
                "bytes": self.journal.bytes, "records": self.journal.records,
                "recordsPerSecond": self.journal.rate,
            },
            "journalInMemory": self.in_memory,
            "medians": medians.collect::<Vec<_>>(),
            "peakKib": peaks,
            "ratio": self.promised().map(|spread| json!({
                "lowerQuartile": spread.lower, "median": spread.median, "rounds": spread.rounds,
                "turns": spread.count, "upperQuartile": spread.upper,
            })),
            "replay": {
                "megabytesPerSecond": self.replay.megabytes, "peakKib": self.replay.peak_kib,
                "recordsPerSecond": self.replay.rate,
            },
            "rounds": rows.collect::<Vec<_>>(),
        });
        format!("{value}\n")
    }

    /// The ratio that is promised: that of `group` at as many connections as are promised.
    fn promised(&self) -> Option<Spread> {
        let rounds = self.ratios("group", Way::Http1(PROMISED), Row::turn_ratios);
        let all = rounds.concat();
        (!all.is_empty()).then(|| Spread {
            count: all.len(),
            lower: quantile(&all, 0.25),
            median: quantile(&all, 0.5),
            rounds: rounds.iter().map(|turns| quantile(turns, 0.5)).collect(),
            upper: quantile(&all, 0.75),
        })
    }

    /// How `server` compares with the floor under `way`, round by round.
    fn ratios<T>(&self, server: &str, way: Way, compare: fn(&Row, &Row) -> T) -> Vec<T> {
        let of = |row: &&Row, name: &str| row.way == way && row.server == name;
        let mine = self.rows.iter().filter(|row| of(row, server));
        mine.filter_map(|row| {
            let floor =
                self.rows.iter().find(|other| of(other, "floor") && other.round == row.round)?;
            Some(compare(row, floor))
        })
        .collect()
    }

    fn medians(&self) -> Vec<Medians> {
        let mut seen: Vec<(Way, &str)> = Vec::new();
        for row in &self.rows {
            let key = (row.way, row.server.as_str());
            if !seen.contains(&key) {
                seen.push(key);
            }
        }
        seen.into_iter()
            .map(|(way, server)| {
                let of = |value: fn(&Row) -> f64| {
                    let rows = self.rows.iter().filter(|it| it.way == way && it.server == server);
                    quantile(&rows.map(value).collect::<Vec<_>>(), 0.5)
                };
                Medians {
                    cpu_micros: of(|row| row.cpu_micros),
                    cpu_ratio: quantile(&self.ratios(server, way, Row::cpu_ratio), 0.5),
                    p50: of(|row| row.p50),
                    p99: of(|row| row.p99),
                    rate: of(|row| row.rate),
                    ratio: quantile(&self.ratios(server, way, Row::turn_ratios).concat(), 0.5),
                    server: server.to_owned(),
                    way,
                }
            })
            .collect()
    }
}

/// The value that `share` of them do not exceed, between two of them where it falls there.
fn quantile(values: &[f64], share: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let place = sorted.len().saturating_sub(1) as f64 * share;
    let at = |place: f64| sorted.get(place as usize).copied().unwrap_or_default();
    let (lower, upper) = (at(place.floor()), at(place.ceil()));
    lower + (upper - lower) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(round: u64, server: &str, turns: &[f64]) -> Row {
        Row {
            cpu_micros: 1.0,
            p50: 1.0,
            p99: 2.0,
            rate: 1.0,
            round,
            server: server.to_owned(),
            turns: turns.to_vec(),
            way: Way::Http1(PROMISED),
        }
    }

    #[test]
    fn the_ratio_is_taken_within_a_turn() {
        let rows = vec![
            row(1, "floor", &[100.0, 400.0]),
            row(1, "group", &[50.0, 160.0]),
            row(2, "floor", &[200.0]),
            row(2, "group", &[50.0]),
        ];
        let results = Results { rows, ..Results::default() };
        let text = results.table();
        assert!(text.contains("0.40; half of its 3 turns from 0.33 to 0.45"), "{text}");
        assert!(text.contains("by round 0.45, 0.25"), "{text}");
    }

    #[test]
    fn without_the_promised_load_there_is_no_ratio() {
        assert!(Results::default().promised().is_none());
    }

    #[test]
    fn a_quantile_of_few_values_lies_between_them() {
        let close = |values: &[f64], share, wanted: f64| {
            assert!((quantile(values, share) - wanted).abs() < 1e-9, "{values:?} at {share}");
        };
        close(&[4.0, 1.0, 2.0], 0.5, 2.0);
        close(&[4.0, 1.0], 0.5, 2.5);
        close(&[1.0, 2.0, 3.0, 4.0, 5.0], 0.25, 2.0);
        close(&[], 0.5, 0.0);
    }
}
