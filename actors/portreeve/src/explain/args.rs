//! The command line of `portreeve explain`.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{ArgAction, Args};
use portreeve_protocol::{DenyCode, Wall, duration};
use portreeve_replay::explain::{ImageFilter, Selection, WorkloadFilter};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::error::CommandError;

/// What follows the options in the help.
pub(crate) const HELP: &str = "\
Reviews are named by their uid, or looked for; all that is asked for must hold. One review is told
in full, several are listed, the newest last; `--all` tells each of them in full. A journal whose
oldest segments were removed is explained from its first checkpoint on.

TIME is a date as of RFC 3339 such as 2026-11-25T06:00:00Z, a day of UTC such as 2026-11-25, or a
time ago such as 15m, 2h30m or 7d.

The exit status is 0 if a review was found, 1 if the journal holds none, 2 otherwise. Of a journal
with a line that cannot be believed, what stands before that line is told, and the status is 2.

Examples:
  portreeve explain f84dc9d7-3e80-415b-8069-96c8b455281c --journal /var/lib/portreeve
  portreeve explain --image nginx:1.27 --journal /var/lib/portreeve
  portreeve explain --image @sha256:4bf9…e21c --journal /var/lib/portreeve
  portreeve explain --workload Deployment/shop/web --since 2h --denied --journal ./data
  portreeve explain --code tag-not-signed --since 2026-11-25T06:00:00Z --all --journal ./data
  portreeve explain --since 15m --limit 1000 --json --journal ./data | jq '.reviews[].code'";

/// Reviews kept at most, however many are asked for: memory must not grow with the journal.
const MOST: u64 = 1_000;

/// What `portreeve explain` is asked.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// The review's uid, as the API server's audit log names it
    #[arg(value_name = "UID")]
    pub(crate) uid: Option<String>,
    /// The journal, or the data directory that holds it
    #[arg(long, value_name = "DIR")]
    pub(crate) journal: PathBuf,
    /// Reviews of this image in any spelling; without a tag of all tags; a digest may stand alone
    #[arg(long, value_name = "REF")]
    pub(crate) image: Option<String>,
    /// Reviews of this object, as NAMESPACE/NAME or KIND/NAMESPACE/NAME
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub(crate) workload: Option<String>,
    /// The kind of the object named by `--workload`
    #[arg(long, value_name = "KIND", requires = "workload")]
    pub(crate) kind: Option<String>,
    /// Reviews received at this time or later
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Reviews received before this time
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Reviews denied with this code, or that would have been but for the mode of a rule
    #[arg(long, value_name = "CODE")]
    pub(crate) code: Option<String>,
    /// Reviews that were denied
    #[arg(long, action = ArgAction::SetTrue, conflicts_with = "allowed")]
    pub(crate) denied: bool,
    /// Reviews that were allowed
    #[arg(long, action = ArgAction::SetTrue)]
    pub(crate) allowed: bool,
    /// Tell each review in full, not only a single one
    #[arg(long)]
    pub(crate) all: bool,
    /// The most reviews to tell or list; the newest are kept
    #[arg(long, value_name = "N", default_value_t = 20,
          value_parser = clap::value_parser!(u64).range(1..=MOST))]
    pub(crate) limit: u64,
    /// Print one JSON object and nothing else
    #[arg(long)]
    pub(crate) json: bool,
}

impl ExplainArgs {
    /// The reviews that are meant, with times ago counted back from `now`.
    pub(super) fn selection(&self, now: Wall) -> Result<Selection, CommandError> {
        let mut workload: Option<WorkloadFilter> =
            read("--workload", self.workload.as_ref(), |text| text.parse())?;
        if let (Some(workload), Some(kind)) = (&mut workload, &self.kind) {
            let other = workload.kind.as_ref().filter(|it| !it.eq_ignore_ascii_case(kind));
            if let Some(other) = other {
                let why = format!("--workload names the kind {other}; name it once");
                return Err(CommandError::Usage { flag: "--kind", text: kind.clone(), why });
            }
            workload.kind = Some(kind.clone());
        }
        let image: Option<ImageFilter> = read("--image", self.image.as_ref(), |text| text.parse())?;
        Ok(Selection {
            allowed: if self.denied { Some(false) } else { self.allowed.then_some(true) },
            code: read("--code", self.code.as_ref(), code)?,
            image,
            since: read("--since", self.since.as_ref(), |text| instant(text, now))?,
            uid: self.uid.clone(),
            until: read("--until", self.until.as_ref(), |text| instant(text, now))?,
            workload,
        })
    }
}

/// The time as the system's clock has it.
pub(super) fn now() -> Wall {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Wall(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

fn read<T>(
    flag: &'static str,
    text: Option<&String>,
    reader: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, CommandError> {
    text.map(|text| {
        reader(text).map_err(|why| CommandError::Usage { flag, text: text.clone(), why })
    })
    .transpose()
}

fn code(text: &str) -> Result<DenyCode, String> {
    let found = DenyCode::ALL.iter().find(|code| code.code() == text);
    found.copied().ok_or_else(|| {
        let near =
            |code: &&DenyCode| text.split('-').any(|it| !it.is_empty() && code.code().contains(it));
        let mut names: Vec<&str> = DenyCode::ALL.iter().filter(near).map(|it| it.code()).collect();
        if names.is_empty() {
            names = DenyCode::ALL.iter().map(|it| it.code()).collect();
        }
        format!("there is no such code; did you mean one of {}?", names.join(", "))
    })
}

/// A date, or a time before `now`.
fn instant(text: &str, now: Wall) -> Result<Wall, String> {
    if let Some(micros) = ago(text) {
        return Ok(Wall(now.0.saturating_sub(i64::try_from(micros).unwrap_or(i64::MAX))));
    }
    let day = || OffsetDateTime::parse(&format!("{text}T00:00:00Z"), &Rfc3339);
    let parsed = OffsetDateTime::parse(text, &Rfc3339).or_else(|_| day()).map_err(|_| {
        "write a date such as 2026-11-25T06:00:00Z, a day such as 2026-11-25, or a time ago \
         such as 15m, 2h or 7d"
    })?;
    let micros = i64::try_from(parsed.unix_timestamp_nanos().div_euclid(1_000));
    micros.map(Wall).map_err(|error| error.to_string())
}

/// Microseconds of a duration; days are written in front of the rest.
fn ago(text: &str) -> Option<u64> {
    let Some((days, rest)) = text.split_once('d') else { return duration::parse(text) };
    let days = days.parse::<u64>().ok()?.checked_mul(86_400_000_000)?;
    let rest = if rest.is_empty() { 0 } else { duration::parse(rest)? };
    days.checked_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_a_date_or_a_time_ago() {
        let now = Wall(1_795_415_688_000_000);
        let back = |seconds: i64| Ok(Wall(now.0 - seconds * 1_000_000));
        assert_eq!(instant("15m", now), back(900));
        assert_eq!(instant("2h30m", now), back(9_000));
        assert_eq!(instant("7d", now), back(604_800));
        assert_eq!(instant("1d12h", now), back(129_600));
        assert_eq!(instant("2026-11-23T06:34:48Z", now), Ok(now));
        assert_eq!(instant("2026-11-23T07:34:48.000+01:00", now), Ok(now));
        assert_eq!(instant("2026-11-23", now), back(23_688));
        for text in ["", "yesterday", "15", "-15m", "d", "2026-11", "2026-11-23T06:34:48"] {
            let refused = instant(text, now);
            assert!(refused.is_err_and(|why| why.contains("15m")), "{text:?}");
        }
    }

    #[test]
    fn an_unknown_code_is_refused_with_those_that_are_near() {
        assert_eq!(code("tag-not-signed"), Ok(DenyCode::TagNotSigned));
        let near = code("unsigned-tag");
        assert!(near.is_err_and(|why| why.contains("tag-not-signed") && !why.contains("drain")));
        assert!(code("xyzzy").is_err_and(|why| why.contains("no-policy")));
    }
}
