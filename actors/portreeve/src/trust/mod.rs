//! `portreeve trust`: shows what is trusted, and forgets it on an operator's word.

pub(crate) mod args;

use portreeve_host::clock::Clock;
use portreeve_host::control::{Reply, Request, ask};
use portreeve_host::notary_client::ServerUrl;
use portreeve_host::state::{TrustState, TrustSummary};
use serde_json::json;

use crate::check::gun;
use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};
use args::{Place, TrustCommand};

/// Does what is asked for.
pub(crate) fn run(command: &TrustCommand, terminal: &Terminal) -> Result<Outcome, CommandError> {
    match command {
        TrustCommand::List { at, json } => {
            let trust = trusted(at)?;
            if !json {
                list(&trust, terminal);
                return Ok(Outcome::Good);
            }
            terminal.line(&json!({ "collections": trust }).to_string());
            Ok(Outcome::Good)
        }
        TrustCommand::Clock { reason, data_dir } => {
            said(reason)?;
            match ask(data_dir, &Request::ClockAcknowledge { reason: reason.clone() })? {
                Reply::Done => {
                    terminal.styled(Style::Good, "the node judges by its clock again");
                    Ok(Outcome::Good)
                }
                Reply::Failed { why } => Err(CommandError::Unclear { why }),
                Reply::Reset { .. } | Reply::Seals { .. } | Reply::Trust { .. } => Err(unclear()),
            }
        }
        TrustCommand::Show { gun: name, at, json } => {
            let name = gun(name);
            let mut trust = trusted(at)?;
            trust.retain(|it| it.gun == name);
            if *json {
                terminal.line(&json!({ "collections": trust }).to_string());
            } else if trust.is_empty() {
                terminal.styled(Style::Bad, &format!("nothing is known of {name}"));
            } else {
                trust.iter().for_each(|it| show(it, terminal));
            }
            Ok(if trust.is_empty() { Outcome::Negative } else { Outcome::Good })
        }
        TrustCommand::Reset { gun: name, server, reason, at, json } => {
            let name = gun(name);
            let known = reset(at, &name, server, reason)?;
            if *json {
                let told = json!({"gun": name, "reset": known, "server": server});
                terminal.line(&told.to_string());
            } else if known {
                let text = format!("forgot {name} at {server}; its next root is a first one");
                terminal.styled(Style::Good, &text);
            } else {
                terminal.styled(Style::Bad, &format!("nothing is known of {name} at {server}"));
            }
            Ok(if known { Outcome::Good } else { Outcome::Negative })
        }
    }
}

fn trusted(at: &Place) -> Result<Vec<TrustSummary>, CommandError> {
    if let Some(directory) = &at.state {
        let state = TrustState::open(directory)?;
        return Ok(state.trust().iter().map(TrustSummary::from).collect());
    }
    match asked(at, &Request::TrustList)? {
        Reply::Trust { collections } => Ok(collections),
        Reply::Failed { why } => Err(CommandError::Unclear { why }),
        Reply::Done | Reply::Reset { .. } | Reply::Seals { .. } => Err(unclear()),
    }
}

/// A reason must say something.
pub(crate) fn said(reason: &str) -> Result<(), CommandError> {
    if reason.trim().is_empty() {
        let why = "say why, for whoever reads the record later".to_owned();
        return Err(CommandError::Usage { flag: "--reason", text: reason.to_owned(), why });
    }
    Ok(())
}

fn reset(at: &Place, gun: &str, server: &str, reason: &str) -> Result<bool, CommandError> {
    said(reason)?;
    if let Some(directory) = &at.state {
        let known = ServerUrl::parse(server).map(|url| url.to_string());
        let server = known.unwrap_or_else(|_| server.to_owned());
        let now = Clock::system().now().wall;
        return Ok(TrustState::open(directory)?.forget(gun, &server, reason, now)?);
    }
    let (gun, reason, server) = (gun.to_owned(), reason.to_owned(), server.to_owned());
    match asked(at, &Request::TrustReset { gun, reason, server })? {
        Reply::Reset { known } => Ok(known),
        Reply::Failed { why } => Err(CommandError::Unclear { why }),
        Reply::Done | Reply::Seals { .. } | Reply::Trust { .. } => Err(unclear()),
    }
}

fn asked(at: &Place, request: &Request) -> Result<Reply, CommandError> {
    match &at.data_dir {
        Some(directory) => Ok(ask(directory, request)?),
        None => Err(unclear()),
    }
}

fn unclear() -> CommandError {
    CommandError::Unclear { why: "the node answered something else than was asked".to_owned() }
}

fn list(trust: &[TrustSummary], terminal: &Terminal) {
    if trust.is_empty() {
        return terminal.line("nothing is trusted yet");
    }
    let width = |of: fn(&TrustSummary) -> &str| trust.iter().map(|it| of(it).len()).max();
    let guns = width(|it| &it.gun).unwrap_or_default();
    let servers = width(|it| &it.server).unwrap_or_default();
    let heading = format!("{:<guns$}  {:<servers$}  {:>4}  HOW", "REPOSITORY", "SERVER", "ROOT");
    terminal.styled(Style::Heading, &heading);
    for it in trust {
        let root = it.roles.get("root").map_or(0, |root| root.version);
        let (gun, server) = (&it.gun, &it.server);
        terminal.line(&format!("{gun:<guns$}  {server:<servers$}  {root:>4}  {}", how(it)));
    }
}

const fn how(it: &TrustSummary) -> &'static str {
    if it.first_use { "first use" } else { "pinned" }
}

fn show(it: &TrustSummary, terminal: &Terminal) {
    terminal.styled(Style::Heading, &format!("{} at {}", it.gun, it.server));
    terminal.line(&format!("  root.json {} ({})", it.root, how(it)));
    for (name, role) in &it.roles {
        let keys: Vec<String> = role.keyids.iter().map(ToString::to_string).collect();
        terminal.line(&format!("  {name} from version {}", role.version));
        terminal.paragraph(4, &format!("keys: {}", keys.join(" ")));
    }
}
