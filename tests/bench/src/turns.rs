//! One kind of load on all servers, in turns so short that whatever else the machine does in the
//! meantime disturbs neighbouring turns alike.

use std::sync::Arc;
use std::time::Duration;

use crate::child::Server;
use crate::error::BenchError;
use crate::load::{Client, Held, Stretch, Way};
use crate::report::Row;
use crate::review::Template;
use crate::stage::Stage;

/// How long one server is measured before it is the next one's turn.
pub(crate) const TURN: Duration = Duration::from_millis(250);

/// The servers under one kind of load, and what came of it so far.
pub(crate) struct Turns<'a> {
    client: &'a Client,
    sides: Vec<Side<'a>>,
    stage: &'a Stage,
    way: Way,
}

/// One server of them.
struct Side<'a> {
    cpu_micros: u64,
    held: Held,
    server: &'a Server,
    stretches: Vec<Stretch>,
}

impl<'a> Turns<'a> {
    /// Makes all connections, so that no handshake falls into a turn.
    pub(crate) async fn begin(
        stage: &'a Stage,
        client: &'a Client,
        servers: &'a [Server],
        way: Way,
        template: &Template,
    ) -> Result<Self, BenchError> {
        let mut sides = Vec::with_capacity(servers.len());
        for server in servers {
            let held = client.hold(server.address, way, template).await?;
            sides.push(Side { cpu_micros: 0, held, server, stretches: Vec::new() });
        }
        Ok(Self { client, sides, stage, way })
    }

    /// Measures each server for `time`, and lets each be first in turn.
    pub(crate) async fn take(
        &mut self,
        template: &Arc<Template>,
        time: Duration,
    ) -> Result<(), BenchError> {
        let count = time.as_millis().div_ceil(TURN.as_millis());
        for _ in 0..count {
            for side in &mut self.sides {
                self.stage.settle()?;
                side.turn(self.client, template).await?;
            }
            self.sides.rotate_left(1);
        }
        Ok(())
    }

    /// What came of it, a row for each server, in the order of their names.
    pub(crate) fn rows(self, round: u64) -> Vec<Row> {
        let way = self.way;
        let mut rows: Vec<Row> = self.sides.into_iter().map(|side| side.row(round, way)).collect();
        rows.sort_unstable_by(|one, other| one.server.cmp(&other.server));
        rows
    }
}

impl Side<'_> {
    async fn turn(&mut self, client: &Client, template: &Arc<Template>) -> Result<(), BenchError> {
        let before = self.server.usage()?.cpu_micros;
        self.stretches.push(client.press(&mut self.held, template, TURN).await?);
        self.cpu_micros += self.server.usage()?.cpu_micros.saturating_sub(before);
        Ok(())
    }

    fn row(self, round: u64, way: Way) -> Row {
        let turns = self.stretches.iter().map(Stretch::rate).collect();
        let all = Stretch::joined(self.stretches);
        Row {
            cpu_micros: self.cpu_micros as f64 / all.latencies.len().max(1) as f64,
            p50: all.quantile(0.50),
            p99: all.quantile(0.99),
            rate: all.rate(),
            round,
            server: self.server.name.clone(),
            turns,
            way,
        }
    }
}
