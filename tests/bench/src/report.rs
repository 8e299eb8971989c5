//! The results: as a table for people, as JSON for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::load::Way;
use crate::measure::PROMISED;

/// One server under one kind of load in one round. Times are in microseconds.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) cpu_micros: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) rate: f64,
    pub(crate) round: u64,
    pub(crate) server: String,
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
        let _ = writeln!(
            out,
            "\nMedians over the rounds. Ratios are to the floor of the same round: reviews in a \
             second,\nand the floor's CPU time for one over the server's, which a busy machine \
             disturbs less."
        );
        let ratios = self.ratios("group", Way::Http1(PROMISED), |row| row.rate);
        let each: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
        if !each.is_empty() {
            let _ = writeln!(out, "Ratio of group to floor at h1 x{PROMISED} in each round: {}", {
                each.join(", ")
            });
        }
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

    /// One JSON object, with a line end.
    pub(crate) fn json(&self) -> String {
        let rows = self.rows.iter().map(|row| {
            json!({
                "cpuMicros": row.cpu_micros, "load": row.way.name(), "p50Micros": row.p50,
                "p99Micros": row.p99, "reviewsPerSecond": row.rate, "round": row.round,
                "server": row.server,
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
            "ratios": self.ratios("group", Way::Http1(PROMISED), |row| row.rate),
            "replay": {
                "megabytesPerSecond": self.replay.megabytes, "peakKib": self.replay.peak_kib,
                "recordsPerSecond": self.replay.rate,
            },
            "rounds": rows.collect::<Vec<_>>(),
        });
        format!("{value}\n")
    }

    /// The ratio of `server` to the floor under `way` in some value, round by round.
    fn ratios(&self, server: &str, way: Way, value: fn(&Row) -> f64) -> Vec<f64> {
        let of = |row: &&Row, name: &str| row.way == way && row.server == name;
        let mine = self.rows.iter().filter(|row| of(row, server));
        mine.filter_map(|row| {
            let floor =
                self.rows.iter().find(|other| of(other, "floor") && other.round == row.round)?;
            Some(value(row) / value(floor).max(1e-9))
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
                    median(rows.map(value).collect())
                };
                Medians {
                    cpu_micros: of(|row| row.cpu_micros),
                    cpu_ratio: median(self.ratios(server, way, |row| 1.0 / row.cpu_micros)),
                    p50: of(|row| row.p50),
                    p99: of(|row| row.p99),
                    rate: of(|row| row.rate),
                    ratio: median(self.ratios(server, way, |row| row.rate)),
                    server: server.to_owned(),
                    way,
                }
            })
            .collect()
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let at = values.len() / 2;
    match (values.len() % 2, values.get(at)) {
        (_, None) => 0.0,
        (1, Some(middle)) => *middle,
        (_, Some(upper)) => f64::midpoint(values[at - 1], *upper),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(round: u64, server: &str, rate: f64) -> Row {
        let way = Way::Http1(PROMISED);
        Row { cpu_micros: 1.0, p50: 1.0, p99: 2.0, rate, round, server: server.to_owned(), way }
    }

    #[test]
    fn the_ratio_is_taken_within_a_round() {
        let rows = vec![
            row(1, "floor", 100.0),
            row(1, "group", 50.0),
            row(2, "floor", 200.0),
            row(2, "group", 50.0),
        ];
        let results = Results { rows, ..Results::default() };
        assert_eq!(results.ratios("group", Way::Http1(PROMISED), |row| row.rate), [0.5, 0.25]);
        assert!(results.table().contains("0.50, 0.25"), "{}", results.table());
    }

    #[test]
    fn a_median_of_an_even_number_lies_between() {
        assert!((median(vec![4.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(vec![4.0, 1.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(Vec::new()).abs() < f64::EPSILON);
    }
}
