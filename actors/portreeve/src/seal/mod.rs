//! `portreeve seal`: keys of seals, the seals of workloads, the end of an entry.

pub(crate) mod args;
mod cluster;
mod rewrite;

use std::collections::BTreeMap;
use std::path::Path;

use portreeve_host::control::{Reply, Request, ask};
use portreeve_host::objects::Files;
use portreeve_host::owners::{SealState, SealSummary};
use portreeve_host::seals::{KeyFile, Sealer, make_current, make_key, make_standby_key};
use portreeve_protocol::Sha256;
use portreeve_protocol::messages::admission::RevokeSeal;
use portreeve_protocol::seal::ANNOTATION;
use serde_json::json;

use crate::check::gun;
use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};
use crate::trust::said;
use args::{SealCommand, Workloads};
use cluster::{Place, Renewals};

/// Does what is asked for.
pub(crate) fn run(command: &SealCommand, terminal: &Terminal) -> Result<Outcome, CommandError> {
    match command {
        SealCommand::Keygen { file, standby } => {
            let id = if *standby { make_standby_key(file)? } else { make_key(file)? };
            let text = format!("{} holds the new key {id} and what it held before", file.display());
            terminal.styled(Style::Good, &text);
            Ok(Outcome::Good)
        }
        SealCommand::Switch { file, key } => {
            let id = make_current(file, key)?;
            terminal.styled(Style::Good, &format!("{id} is the current key of {}", file.display()));
            Ok(Outcome::Good)
        }
        SealCommand::Status { of, json } => status(&summaries(of)?, *json, terminal),
        SealCommand::Renew { of, write, json } => renew(of, *write, *json, terminal),
        SealCommand::Revoke { entry, reason, data_dir, kubeconfig, operator_namespace, .. } => {
            let revoke = ended(entry, reason)?;
            let text =
                format!("{}@{} counts in no seal any more", revoke.gun, revoke.digest.to_oci());
            match data_dir {
                Some(data_dir) => tell(data_dir, revoke)?,
                None => cluster::revoke(kubeconfig.as_deref(), operator_namespace, &revoke)?,
            }
            terminal.styled(Style::Good, &text);
            Ok(Outcome::Good)
        }
    }
}

fn summaries(of: &Workloads) -> Result<Vec<SealSummary>, CommandError> {
    let unclear = |why: &str| CommandError::Unclear { why: why.to_owned() };
    if let Some(data_dir) = &of.data_dir {
        return match ask(data_dir, &Request::SealStatus)? {
            Reply::Seals { workloads } => Ok(workloads),
            Reply::Failed { why } => Err(CommandError::Unclear { why }),
            Reply::Done | Reply::Reset { .. } | Reply::Trust { .. } => {
                Err(unclear("the node answered something else than was asked"))
            }
        };
    }
    if let Some(place) = Place::of(of)? {
        return place.summaries();
    }
    let (Some(objects), Some(key)) = (&of.objects, &of.seal_key) else {
        return Err(unclear(
            "say whose workloads: --data-dir DIR, or --objects DIR, --kubeconfig FILE or \
             --in-cluster with the keys",
        ));
    };
    let sealer = Sealer::from(KeyFile::at(key).read()?);
    let fault = |why: String| CommandError::Usage {
        flag: "--objects",
        text: objects.display().to_string(),
        why,
    };
    let found = Files::read(objects).and_then(|files| files.objects());
    let found = found.map_err(|error| fault(error.to_string()))?;
    Ok(SealSummary::of_all(&found.workloads, &sealer))
}

fn status(all: &[SealSummary], json: bool, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let mut counts: BTreeMap<(SealState, Option<&str>), usize> = BTreeMap::new();
    for one in all {
        *counts.entry((one.state, one.key.as_deref())).or_default() += 1;
    }
    let bad = all.iter().any(|one| matches!(one.state, SealState::Invalid | SealState::Old));
    let outcome = if bad { Outcome::Negative } else { Outcome::Good };
    if json {
        let counts: Vec<_> = counts
            .iter()
            .map(|((state, key), count)| json!({"state": state, "key": key, "workloads": count}))
            .collect();
        terminal.line(&json!({"counts": counts, "workloads": all}).to_string());
        return Ok(outcome);
    }
    if all.is_empty() {
        terminal.line("there are no workloads");
    }
    for ((state, key), count) in &counts {
        let key = key.map(|key| format!(" of key {key}")).unwrap_or_default();
        let text = format!("{count:>5}  {}{key}", name(*state));
        terminal.styled(style(*state), &text);
    }
    for one in all.iter().filter(|one| one.state == SealState::Invalid) {
        let SealSummary { kind, namespace, name, why, .. } = one;
        let why = why.as_deref().unwrap_or_default();
        terminal.line(&format!("{kind} {namespace}/{name}: {why}"));
    }
    Ok(outcome)
}

const fn name(state: SealState) -> &'static str {
    match state {
        SealState::Current => "current seal",
        SealState::Invalid => "seal that does not count",
        SealState::None => "no seal",
        SealState::Old => "old seal",
    }
}

const fn style(state: SealState) -> Style {
    match state {
        SealState::Current | SealState::None => Style::Good,
        SealState::Invalid | SealState::Old => Style::Bad,
    }
}

fn renew(
    of: &Workloads,
    write: bool,
    json: bool,
    terminal: &Terminal,
) -> Result<Outcome, CommandError> {
    if write && let Some(place) = Place::of(of)? {
        return written(&place.renew()?, json, terminal);
    }
    let all = summaries(of)?;
    let renewed: Vec<&SealSummary> = all.iter().filter(|one| one.renewed.is_some()).collect();
    let files = match &of.objects {
        Some(objects) if write => rewrite::seals(objects, of.seal_key.as_deref())?,
        Some(_) | None => 0,
    };
    if json {
        terminal.line(&json!({"files": files, "renewed": renewed}).to_string());
    } else if write {
        let text = format!("{} renewed in {files} files", counted(renewed.len()));
        terminal.styled(Style::Good, &text);
    } else {
        for one in &renewed {
            let SealSummary { kind, namespace, name, renewed: Some(text), .. } = one else {
                continue;
            };
            let kind = kind.to_ascii_lowercase();
            terminal.line(&format!(
                "kubectl annotate --overwrite -n {namespace} {kind}/{name} {ANNOTATION}={text}"
            ));
        }
    }
    Ok(Outcome::Good)
}

/// What became of new seals on the workloads of a cluster.
fn written(renewals: &Renewals, json: bool, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let Renewals { failed, renewed } = renewals;
    let outcome = if failed.is_empty() { Outcome::Good } else { Outcome::Negative };
    if json {
        let failed: Vec<_> = failed
            .iter()
            .map(|(of, why)| {
                json!({"kind": of.kind, "name": of.name, "namespace": of.namespace, "why": why})
            })
            .collect();
        terminal.line(&json!({"failed": failed, "renewed": renewed}).to_string());
        return Ok(outcome);
    }
    for (SealSummary { kind, namespace, name, .. }, why) in failed {
        terminal.styled(Style::Bad, &format!("{kind} {namespace}/{name}: {why}"));
    }
    let text = format!("{} renewed in the cluster", counted(renewed.len()));
    terminal.styled(Style::Good, &text);
    Ok(outcome)
}

fn counted(number: usize) -> String {
    format!("{number} seal{}", if number == 1 { "" } else { "s" })
}

/// The entry that is to be ended.
fn ended(entry: &str, reason: &str) -> Result<RevokeSeal, CommandError> {
    let wrong = |why: &str| CommandError::Usage {
        flag: "GUN@DIGEST",
        text: entry.to_owned(),
        why: why.to_owned(),
    };
    let named = entry.rsplit_once("@sha256:").filter(|(name, _)| !name.is_empty());
    let (name, digest) = named.ok_or_else(|| wrong("write it as repository@sha256:digits"))?;
    let digest: Sha256 = digest.parse().map_err(|_| wrong("a digest has 64 digits"))?;
    said(reason)?;
    Ok(RevokeSeal { digest, gun: gun(name), reason: reason.to_owned() })
}

/// Has one replica end the entry.
fn tell(data_dir: &Path, revoke: RevokeSeal) -> Result<(), CommandError> {
    let RevokeSeal { digest, gun, reason } = revoke;
    match ask(data_dir, &Request::SealRevoke { digest, gun, reason })? {
        Reply::Done => Ok(()),
        Reply::Failed { why } => Err(CommandError::Unclear { why }),
        Reply::Reset { .. } | Reply::Seals { .. } | Reply::Trust { .. } => {
            let why = "the node answered something else than was asked".to_owned();
            Err(CommandError::Unclear { why })
        }
    }
}
