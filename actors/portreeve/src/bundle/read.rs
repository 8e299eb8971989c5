//! A bundle as a cluster would see it.

use std::path::PathBuf;

use portreeve_bundle::{Loaded, RoleReport};
use portreeve_host::bundle::{BundleConfig, BundlePlace, Looker};
use portreeve_host::clock::Clock;
use portreeve_host::notary_client::{FetcherOptions, HttpFetcher, Proxies};
use portreeve_protocol::anchors::{Anchor, TrustAnchors};
use portreeve_protocol::messages::admission::BundleFailed;
use serde_json::{Value, json};

use super::args::ReadArgs;
use crate::ca_flag;
use crate::check::instant;
use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};

/// Says whether the bundle would be taken.
pub(super) async fn verify(args: &ReadArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let found = load(args).await?;
    if args.json {
        terminal.line(&object(&found, false).to_string());
        return Ok(outcome(&found));
    }
    match &found {
        Ok(loaded) => good(loaded, terminal),
        Err(failed) => bad(failed, terminal),
    }
    Ok(outcome(&found))
}

/// Shows what the bundle says.
pub(super) async fn show(args: &ReadArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let found = load(args).await?;
    if args.json {
        terminal.line(&object(&found, true).to_string());
        return Ok(outcome(&found));
    }
    match &found {
        Ok(loaded) => {
            good(loaded, terminal);
            terminal.line("");
            anchors(&loaded.anchors, terminal);
        }
        Err(failed) => bad(failed, terminal),
    }
    Ok(outcome(&found))
}

const fn outcome(found: &Result<Loaded, BundleFailed>) -> Outcome {
    if found.is_ok() { Outcome::Good } else { Outcome::Negative }
}

async fn load(args: &ReadArgs) -> Result<Result<Loaded, BundleFailed>, CommandError> {
    let place = BundlePlace::parse(&args.place).map_err(|why| CommandError::Usage {
        flag: "the place",
        text: args.place.clone(),
        why: why.to_owned(),
    })?;
    let own = || match &place {
        BundlePlace::Directory(path) => Some(path.join("root.json")),
        BundlePlace::Web(_) => None,
    };
    let root: PathBuf = args.root.clone().or_else(own).ok_or_else(|| CommandError::Unclear {
        why: "name the root to start from by --root: what a server says of itself proves nothing"
            .to_owned(),
    })?;
    let at = args.at.as_deref().map(instant).transpose()?;
    let config = BundleConfig::read(place, &root, args.ca.clone(), 1)?;
    let looker = Looker {
        before: None,
        clock: at.map_or_else(Clock::system, Clock::showing),
        config,
        fetcher: HttpFetcher::new(FetcherOptions::default())?,
        proxies: Proxies::from_environment()?,
        store: None,
        trust_ca: Vec::new(),
    };
    let loaded = Box::pin(looker.load()).await;
    Ok(loaded.map_err(|failed| BundleFailed { detail: ca_flag::own(&failed.detail), ..failed }))
}

fn good(loaded: &Loaded, terminal: &Terminal) {
    let versions = &loaded.message.versions;
    let digest = loaded.message.anchors.digest().to_oci();
    terminal.styled(Style::Good, &format!("trust bundle version {} is good", versions.targets));
    terminal.line(&format!("  trust.json {digest}"));
    let (heads, width) = (["ROLE", "VERSION", "EXPIRES", "KEYS"], "timestamp".len());
    let [role, version, expires, keys] = heads;
    terminal
        .styled(Style::Quiet, &format!("  {role:<width$}  {version:>7}  {expires:<24}  {keys}"));
    for RoleReport { expires, keys, name, threshold, version } in &loaded.roles {
        let expires = expires.to_string();
        terminal
            .line(&format!("  {name:<width$}  {version:>7}  {expires:<24}  {threshold} of {keys}"));
    }
}

fn bad(failed: &BundleFailed, terminal: &Terminal) {
    let BundleFailed { code, detail } = failed;
    terminal.styled(Style::Bad, &format!("the trust bundle is not taken: {}", code.code()));
    terminal.paragraph(2, &format!("{detail}. {}", code.advice()));
}

fn anchors(all: &TrustAnchors, terminal: &Terminal) {
    let defaults = &all.defaults;
    let first = if defaults.first_use { "allowed" } else { "forbidden" };
    let mut text = format!("where no anchor says otherwise: first use {first}");
    for (name, span) in [("freshness", &defaults.freshness), ("staleness", &defaults.max_staleness)]
    {
        if let Some(span) = span {
            text.push_str(&format!(", {name} at most {span}"));
        }
    }
    terminal.line(&text);
    for server in all.trust_servers.iter().filter(|server| server.ca.is_some()) {
        terminal.line(&format!("{} has a CA of its own", server.url));
    }
    for anchor in &all.anchors {
        terminal.styled(Style::Heading, &anchor.gun);
        for (name, value) in said(anchor) {
            terminal.pieces([
                (Some(Style::Quiet), format!("  {name:<13}").as_str()),
                (None, value.as_str()),
            ]);
        }
    }
}

/// What an anchor says, one line each.
fn said(anchor: &Anchor) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    lines.extend(anchor.root_key_ids.iter().map(|id| ("root key", id.to_hex())));
    lines.extend(anchor.root_ca.iter().map(|_| ("root CA", "a certificate".to_owned())));
    if let Some(first_use) = anchor.first_use {
        lines.push(("first use", if first_use { "allowed" } else { "forbidden" }.to_owned()));
    }
    lines.extend(anchor.signers.iter().map(|signer| ("signer", signer.name.clone())));
    lines.extend(anchor.trust_server.iter().map(|server| ("trust server", server.clone())));
    let floor = |(role, version): (&String, &u64)| ("floor", format!("{role} {version}"));
    lines.extend(anchor.floors.iter().map(floor));
    lines.extend(anchor.freshness.iter().map(|span| ("freshness", span.clone())));
    lines.extend(anchor.max_staleness.iter().map(|span| ("staleness", span.clone())));
    if anchor.required {
        lines.push(("required", "whatever a policy says".to_owned()));
    }
    if anchor.policy_may_loosen {
        lines.push(("loosens", "a ClusterImagePolicy may".to_owned()));
    }
    lines
}

/// The object of `--json`.
fn object(found: &Result<Loaded, BundleFailed>, whole: bool) -> Value {
    let loaded = match found {
        Ok(loaded) => loaded,
        Err(BundleFailed { code, detail }) => {
            return json!({"good": false, "code": code.code(), "detail": detail,
                "advice": code.advice()});
        }
    };
    let roles = loaded.roles.iter().map(|role| {
        let RoleReport { expires, keys, name, threshold, version } = role;
        json!({"role": name, "version": version, "expires": expires.to_string(), "keys": keys,
            "threshold": threshold})
    });
    let mut object = json!({
        "good": true,
        "version": loaded.message.versions.targets,
        "digest": loaded.message.anchors.digest().to_oci(),
        "expires": loaded.message.expires.to_string(),
        "roles": roles.collect::<Vec<_>>(),
    });
    if whole {
        object["trust"] = serde_json::to_value(&loaded.anchors).unwrap_or_default();
    }
    object
}
