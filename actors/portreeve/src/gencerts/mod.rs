//! `portreeve gencerts`: the webhook's certificate and the key of seals, in a cluster or on disk.

pub(crate) mod args;

use std::time::Duration;

use portreeve_host::certificates::{Extra, Files, Places, Step, Wanted, provide, write};
use portreeve_host::clock::Clock;
use portreeve_host::cluster::{Cluster, ClusterOptions};
use portreeve_host::config::duration;
use rustls::pki_types::ServerName;

use crate::cli::Outcome;
use crate::error::CommandError;
use crate::terminal::Terminal;
use args::GencertsArgs;

/// Does what is asked for, and says what was done.
pub(crate) fn run(args: &GencertsArgs, terminal: &Terminal) -> Result<Outcome, CommandError> {
    let places = places(args)?;
    let wanted = wanted(args)?;
    let extra = match (args.renew, args.forget_old) {
        (true, _) => Extra::Renew,
        (false, true) => Extra::ForgetOld,
        (false, false) => Extra::Nothing,
    };
    let now = Clock::system().now().wall.0 / 1_000_000;
    let steps = match &args.out {
        Some(directory) => {
            let files = Files { directory: directory.clone() };
            write(&files, &places, &wanted, extra, args.dry_run, now)?
        }
        None => in_cluster(args, &places, &wanted, extra, now)?,
    };
    let prefix = if args.dry_run { "dry run: " } else { "" };
    for step in &steps {
        terminal.line(&format!("{prefix}{step}"));
    }
    Ok(Outcome::Good)
}

fn in_cluster(
    args: &GencertsArgs,
    places: &Places,
    wanted: &Wanted,
    extra: Extra,
    now: i64,
) -> Result<Vec<Step>, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CommandError::System { what: "start a runtime", source })?;
    let options = ClusterOptions { kubeconfig: args.kubeconfig.clone() };
    let steps = runtime.block_on(async {
        let cluster = Cluster::connect(&options).await?;
        provide(cluster.client(), places, wanted, extra, args.dry_run, now).await
    });
    Ok(steps?)
}

fn places(args: &GencertsArgs) -> Result<Places, CommandError> {
    let texts = [
        ("--namespace", Some(&args.namespace)),
        ("--service", args.service.as_ref()),
        ("--secret", args.secret.as_ref()),
        ("--webhooks", args.webhooks.as_ref()),
        ("--seal-secret", args.seal_secret.as_ref()),
    ];
    for (flag, text) in texts {
        if let Some(text) = text.filter(|text| !is_name(text)) {
            let why = "it is no name of an object in Kubernetes".to_owned();
            return Err(CommandError::Usage { flag, text: text.clone(), why });
        }
    }
    Ok(Places {
        namespace: args.namespace.clone(),
        seal_secret: args.seal_secret.clone(),
        secret: args.secret.clone(),
        webhooks: args.webhooks.clone(),
    })
}

/// Whether an object may be called that (RFC 1123, as Kubernetes has it).
fn is_name(text: &str) -> bool {
    let edge = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let label = |label: &str| {
        label.chars().all(|letter| edge(letter) || letter == '-')
            && label.starts_with(edge)
            && label.ends_with(edge)
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// Whether a client may look for this name in a certificate: a DNS name, with `*` for its first
/// label if need be, or an address.
fn is_subject(text: &str) -> bool {
    ServerName::try_from(text.strip_prefix("*.").unwrap_or(text)).is_ok()
}

fn wanted(args: &GencertsArgs) -> Result<Wanted, CommandError> {
    let span = |flag, text: &String| {
        let why = || "it is no duration such as 8760h".to_owned();
        let micros = duration::parse(text);
        micros.map(Duration::from_micros).ok_or_else(|| CommandError::Usage {
            flag,
            text: text.clone(),
            why: why(),
        })
    };
    let service = args.service.as_deref().unwrap_or_default();
    let mut names = Wanted::names_of_service(service, &args.namespace);
    for name in &args.name {
        if !is_subject(name) {
            let why = "it is no DNS name or address, without scheme and port".to_owned();
            return Err(CommandError::Usage { flag: "--name", text: name.clone(), why });
        }
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let renew_before = span("--renew-before", &args.renew_before)?;
    let wanted = Wanted { names, renew_before, validity: span("--validity", &args.validity)? };
    let why = wanted.check().err();
    let text = args.validity.clone();
    why.map_or(Ok(wanted), |why| Err(CommandError::Usage { flag: "--validity", text, why }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_objects_are_labels_with_dots_between() {
        for name in ["portreeve", "a-1.b", "0"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "a..b", ".a", "a.", "-a", "a-.b", "A", "a_b", "a/b", &"a".repeat(254)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_certificate_is_for_names_and_addresses_without_scheme_and_port() {
        for name in ["webhook.example", "*.shop.example", "127.0.0.1", "::1", "localhost"] {
            assert!(is_subject(name), "{name}");
        }
        for name in ["", "https://webhook.example", "webhook.example:443", "a..b", "*", "a b"] {
            assert!(!is_subject(name), "{name}");
        }
    }
}
