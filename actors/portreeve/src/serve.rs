//! `portreeve serve`: runs a node until it is told to stop.

use portreeve_host::clock::Clock;
use portreeve_host::config::{Config, Overrides};
use portreeve_host::log::Logging;
use portreeve_host::serve::serve;
use slog::info;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Outcome, ServeArgs};
use crate::error::CommandError;

/// Serves until SIGTERM or SIGINT; then answers what waits and ends.
pub(crate) fn run(args: ServeArgs) -> Result<Outcome, CommandError> {
    let file = args.config.clone();
    let config = Config::load(file.as_deref(), overrides(args))?;
    let logging = Logging::start(config.log, config.log_level);
    let log = &logging.logger;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|source| CommandError::System { what: "start threads", source })?;
    runtime.block_on(async {
        let failed = |source| CommandError::System { what: "watch for signals", source };
        // Before the start, so that a signal in the middle of it is not lost.
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let running = Box::pin(serve(config, Clock::system(), log.clone())).await?;
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!(log, "told to stop"; "signal" => name);
        running.shutdown().await?;
        Ok(Outcome::Good)
    })
}

fn overrides(args: ServeArgs) -> Overrides {
    Overrides {
        allow_realm: args.allow_realm,
        allow_trust_server: args.allow_trust_server,
        bundle: args.bundle.bundle,
        bundle_ca: args.bundle.bundle_ca,
        bundle_root: args.bundle.bundle_root,
        client_ca: args.client_ca,
        data_dir: args.data_dir,
        drain_delay: args.drain_delay,
        durability: args.durability,
        journal_max_age: args.journal_max_age,
        journal_max_bytes: args.journal_max_bytes,
        journal_min_free: args.journal_min_free,
        kubeconfig: args.kubeconfig,
        listen: args.listen,
        log: args.log,
        log_level: args.log_level,
        metrics_listen: args.metrics_listen,
        objects: args.objects,
        require_pins: args.require_pins,
        seal_key: args.seal_key,
        tls_cert: args.tls_cert,
        tls_key: args.tls_key,
        trust_ca: args.trust_ca,
    }
}
