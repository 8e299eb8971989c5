//! What the next publication is to say.

use std::path::Path;

use portreeve_bundle::Workshop;
use portreeve_protocol::anchors::{Anchor, AnchorSigner, TrustServer};

use super::args::AddArgs;
use crate::check::{pair, read_text};
use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};

/// Puts an anchor in the place of the one for its GUN, if there is one.
pub(super) fn add(args: &AddArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let workshop = Workshop::at(&args.dir);
    let mut draft = workshop.draft()?;
    let anchor = anchor(args)?;
    if let (Some(url), Some(path)) = (&args.trust_server, &args.trust_server_ca) {
        let (ca, url) = (Some(read_text(path)?), url.clone());
        draft.trust_servers.retain(|server| server.url != url);
        draft.trust_servers.push(TrustServer { ca, url });
    }
    let before = draft.anchors.len();
    draft.anchors.retain(|old| old.gun != anchor.gun);
    let word = if draft.anchors.len() == before { "is added" } else { "is replaced" };
    draft.anchors.push(anchor);
    workshop.set_draft(&draft)?;
    done(&workshop, &format!("the anchor of {} {word}", args.gun), terminal);
    Ok(Outcome::Good)
}

/// Takes an anchor out, and the trust servers that nothing names any more.
pub(super) fn remove(dir: &Path, gun: &str, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let workshop = Workshop::at(dir);
    let mut draft = workshop.draft()?;
    let before = draft.anchors.len();
    draft.anchors.retain(|anchor| anchor.gun != gun);
    if draft.anchors.len() == before {
        terminal.styled(Style::Bad, &format!("there is no anchor of {gun}"));
        return Ok(Outcome::Negative);
    }
    let named = |url: &String| draft.anchors.iter().any(|it| it.trust_server.as_ref() == Some(url));
    let servers: Vec<TrustServer> =
        draft.trust_servers.iter().filter(|server| named(&server.url)).cloned().collect();
    draft.trust_servers = servers;
    workshop.set_draft(&draft)?;
    done(&workshop, &format!("the anchor of {gun} is taken out"), terminal);
    Ok(Outcome::Good)
}

fn done(workshop: &Workshop, what: &str, terminal: &Terminal) {
    terminal.styled(Style::Good, what);
    terminal.line(&format!(
        "  it counts once it is published: portreeve bundle publish {} --key FILE.pem",
        workshop.place().display()
    ));
}

fn anchor(args: &AddArgs) -> Result<Anchor, CommandError> {
    let usage = |flag, text: &str, why: &str| CommandError::Usage {
        flag,
        text: text.to_owned(),
        why: why.to_owned(),
    };
    let mut anchor = Anchor {
        first_use: args.first_use,
        freshness: args.freshness.clone(),
        gun: args.gun.clone(),
        max_staleness: args.max_staleness.clone(),
        policy_may_loosen: args.policy_may_loosen,
        required: args.required,
        root_ca: args.root_ca.as_deref().map(read_text).transpose()?,
        trust_server: args.trust_server.clone(),
        ..Anchor::default()
    };
    for text in &args.root_key_id {
        let id = text.to_ascii_lowercase().parse();
        let id =
            id.map_err(|_| usage("--root-key-id", text, "a key id is 64 hexadecimal digits"))?;
        anchor.root_key_ids.insert(id);
    }
    for text in &args.signer {
        // The name of a signer holds no `=`, a path may.
        let sides =
            text.split_once('=').filter(|(name, path)| !name.is_empty() && !path.is_empty());
        let (name, path) = sides
            .ok_or_else(|| usage("--signer", text, "it is not of the form NAME=PUBKEY.pem"))?;
        if name == "targets" || name.starts_with("targets/") {
            let why = "the role of signer NAME is targets/NAME: leave `targets/` out";
            return Err(usage("--signer", text, why));
        }
        let public_key = read_text(Path::new(path))?;
        anchor.signers.push(AnchorSigner { name: name.to_owned(), public_key });
    }
    for text in &args.floor {
        let (role, version) = pair("--floor", text, "ROLE=VERSION")?;
        let version = version.parse();
        let version = version.map_err(|_| usage("--floor", text, "a version is a number"))?;
        if anchor.floors.insert(role.to_owned(), version).is_some() {
            return Err(usage("--floor", text, "the role has a floor already"));
        }
    }
    Ok(anchor)
}
