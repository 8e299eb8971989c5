//! `portreeve bundle`: makes, signs, publishes and looks at trust bundles.

pub(crate) mod args;
mod edit;
mod read;

use std::path::{Path, PathBuf};

use portreeve_bundle::{
    BundleError, BundleKey, Missing, Published, RootPlan, SignedRoot, Terms, Workshop, make_key,
    make_root, publish, rotate_root, sign_root,
};
use portreeve_host::clock::Clock;
use portreeve_protocol::anchors::TrustAnchors;
use portreeve_protocol::{Wall, duration};

use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::{Style, Terminal};
use args::{BundleCommand, RootFlags};

/// Does what is asked for.
pub(crate) fn run(command: &BundleCommand, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|source| CommandError::System { what: "start threads", source })?;
    runtime.block_on(Box::pin(does(command, terminal)))
}

async fn does(command: &BundleCommand, terminal: &Terminal) -> Result<Outcome, CommandError> {
    match command {
        BundleCommand::Keygen { file } => {
            let key = make_key(file)?;
            terminal.styled(Style::Good, &format!("{} holds key {}", file.display(), key.id()));
            terminal.line("its public half, for whoever makes the root without it:");
            key.public_pem().lines().for_each(|line| terminal.line(line));
            Ok(Outcome::Good)
        }
        BundleCommand::Init { dir, root, first_use } => {
            let mut draft = TrustAnchors::empty();
            draft.defaults.first_use = *first_use;
            let workshop = Workshop::at(dir);
            let made = make_root(&workshop, &plan(root)?, &draft).await?;
            terminal.line(&format!("{} says what the bundle is to say", draft_of(&workshop)));
            Ok(root_made(&workshop, &made, terminal))
        }
        BundleCommand::Add(args) => edit::add(args, terminal),
        BundleCommand::Rm { dir, gun } => edit::remove(dir, gun, terminal),
        BundleCommand::Rotate { dir, root, key } => {
            let workshop = Workshop::at(dir);
            let made = rotate_root(&workshop, &plan(root)?, &keys(key)?).await?;
            Ok(root_made(&workshop, &made, terminal))
        }
        BundleCommand::Sign { dir, key } => {
            let workshop = Workshop::at(dir);
            let made = sign_root(&workshop, &keys(key)?).await?;
            Ok(root_made(&workshop, &made, terminal))
        }
        BundleCommand::Publish { dir, key, targets_expire, online_expire } => {
            let terms = Terms {
                now: Clock::system().now().wall,
                online: until("--online-expire", online_expire)?,
                targets: until("--targets-expire", targets_expire)?,
            };
            let published = publish(&Workshop::at(dir), &keys(key)?, terms).await?;
            told(dir, &published, terminal);
            Ok(Outcome::Good)
        }
        BundleCommand::Verify(args) => read::verify(args, terminal).await,
        BundleCommand::Show(args) => read::show(args, terminal).await,
    }
}

fn draft_of(workshop: &Workshop) -> String {
    workshop.draft_path().display().to_string()
}

fn keys(paths: &[PathBuf]) -> Result<Vec<BundleKey>, BundleError> {
    paths.iter().map(|path| BundleKey::read(path)).collect()
}

fn plan(flags: &RootFlags) -> Result<RootPlan, CommandError> {
    Ok(RootPlan {
        expires: until("--root-expire", &flags.root_expire)?,
        online_keys: keys(&flags.online_key)?,
        root_keys: keys(&flags.root_key)?,
        root_threshold: flags.root_threshold,
        targets_keys: keys(&flags.targets_key)?,
        targets_threshold: flags.targets_threshold,
    })
}

/// The end of a span that begins now: `30d`, or a Go duration.
fn until(flag: &'static str, text: &str) -> Result<Wall, CommandError> {
    const DAY: u64 = 86_400 * 1_000_000;
    let days = text.strip_suffix('d').and_then(|days| days.parse::<u64>().ok());
    let span = days.map_or_else(|| duration::parse(text), |days| days.checked_mul(DAY));
    let now = Clock::system().now().wall;
    let longest = 100 * 365 * DAY;
    let end = span.filter(|span| (1..=longest).contains(span)).map(u64::cast_signed);
    let end = end.and_then(|span| now.0.checked_add(span)).map(Wall);
    end.ok_or_else(|| CommandError::Usage {
        flag,
        text: text.to_owned(),
        why: "it is not a span such as 14d or 36h".to_owned(),
    })
}

/// Tells how far a root has come.
fn root_made(workshop: &Workshop, made: &SignedRoot, terminal: &Terminal) -> Outcome {
    let SignedRoot { complete, missing, signed_by, threshold: _, version } = made;
    let place = workshop.place();
    if *complete {
        let text =
            format!("root version {version} is signed: {}", place.join("root.json").display());
        terminal.styled(Style::Good, &text);
        return Outcome::Good;
    }
    let needs: Vec<String> = missing
        .iter()
        .map(|Missing { keys, number, root }| {
            let whose = if root == version {
                " of its own".to_owned()
            } else {
                format!(" of root version {root}")
            };
            format!("{number} of the keys {}{whose}", short(keys))
        })
        .collect();
    let by = if signed_by.is_empty() { "nobody".to_owned() } else { short(signed_by) };
    let text = format!(
        "root version {version} waits for signatures: it still needs {}; so far {by} signed. Add \
         them with: portreeve bundle sign {} --key FILE.pem",
        needs.join(", and "),
        place.display()
    );
    terminal.paragraph(0, &text);
    terminal.paragraph(0, &workshop.abandoning());
    Outcome::Negative
}

/// The beginnings of key ids.
fn short(ids: &[String]) -> String {
    let short: Vec<&str> = ids.iter().filter_map(|id| id.get(..16)).collect();
    short.join(", ")
}

fn told(dir: &Path, published: &Published, terminal: &Terminal) {
    let Published { anew, first_end: (role, end), versions } = published;
    let what = if *anew { "published" } else { "renewed, with nothing new to say" };
    let text = format!("trust bundle version {} is {what}", versions.targets);
    terminal.styled(Style::Good, &text);
    let timestamp = versions.timestamp;
    let first = match *role {
        "root" => " by `portreeve bundle rotate`: the root ends then",
        "targets" => " with the keys of the targets role, which end then",
        _ => "",
    };
    terminal.line(&format!("  timestamp version {timestamp}, to be renewed before {end}{first}"));
    terminal.line(&format!(
        "  serve {0}/metadata and {0}/targets; clusters start from {0}/root.json",
        dir.display()
    ));
}
