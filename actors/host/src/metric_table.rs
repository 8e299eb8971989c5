//! What every metric is: `docs/metrics.md` is written from this, and the registry is held to it.

/// What one metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// Its labels, in order, with commas between.
    pub labels: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// Its name, without the prefix `portreeve_`, the unit, and the `_total` of a counter.
    pub name: &'static str,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub shape: &'static str,
    /// Its unit, or nothing for a number of things.
    pub unit: &'static str,
}

impl Described {
    /// The name of its lines, without the endings of a histogram's.
    #[must_use]
    pub fn full_name(&self) -> String {
        let ending = match self.shape {
            "counter" => "_total",
            "info" => "_info",
            _ => "",
        };
        let unit = if self.unit.is_empty() { "" } else { "_" };
        format!("portreeve_{}{unit}{}{ending}", self.name, self.unit)
    }
}

macro_rules! table {
    ($($name:literal $shape:ident [$labels:literal] $unit:literal $meaning:literal;)*) => {
        /// Every metric, in the order of names.
        pub const TABLE: &[Described] = &[$(Described {
            labels: $labels,
            meaning: $meaning,
            name: $name,
            shape: stringify!($shape),
            unit: $unit,
        }),*];
    };
}

table! {
    "api_questions" counter ["result, what"] ""
        "Questions to the API server about an `owner`, `secret`, `service-account`, `event` or \
        `revocations`, by `ok` or what was wrong";
    "build" info ["version, rules"] ""
        "The program: its version, and the version of its rules";
    "bundle_expired" gauge [""] ""
        "1 while the trust bundle in force has expired";
    "bundle_looks" counter ["result"] ""
        "Looks at the trust bundle, by `loaded` or the code of the failure (docs/bundle-format.md)";
    "bundle_not_after" gauge [""] "seconds"
        "When the first role of the trust bundle ends, in seconds since 1970";
    "bundle_version" gauge [""] ""
        "The version of the trust bundle in force; 0 without one";
    "certificate_loaded" gauge [""] ""
        "0 while the TLS files cannot be used and older ones are in force";
    "certificate_not_after" gauge [""] "seconds"
        "When the server's certificate ends, in seconds since 1970";
    "certificate_reloads" counter ["result"] ""
        "Changes of the TLS files, `loaded` or `failed`";
    "events" counter ["result"] ""
        "Kubernetes Events: `written`, `counted` in an earlier one, `dropped` because too many \
        waited, or `failed`";
    "facts" counter ["fact"] ""
        "What machines found worth knowing; docs/logging.md names all facts";
    "fetch" histogram ["server"] "seconds"
        "Time to a trust server's answer";
    "fetches" counter ["result, server"] ""
        "Documents asked of trust servers, by `document`, `absent` or code of the failure";
    "handshakes_failed" counter ["why"] ""
        "TLS handshakes that came to nothing: `aborted`, `certificate`, `crowded` or `timeout`";
    "hops_lost" counter ["actor"] ""
        "Messages between actors that were lost";
    "hops_refused" counter ["actor"] ""
        "Requests between actors that were refused";
    "journal" counter [""] "bytes"
        "Bytes written to the journal";
    "journal_degraded" gauge [""] ""
        "1 while records cannot be written";
    "journal_denied" counter [""] ""
        "Allows that became denials while records could not be written; counted when they can be \
        again";
    "journal_free" gauge [""] "bytes"
        "Room left on the journal's volume";
    "journal_gaps" counter [""] ""
        "Times that the journal was written again after it could not be";
    "journal_records" counter [""] ""
        "Records written";
    "journal_stalled" gauge [""] ""
        "1 while the journal's thread is stuck";
    "journal_stored" gauge [""] "bytes"
        "What the journal takes of its volume: segments, blobs, and what was cut off";
    "journal_sync" histogram [""] "seconds"
        "Time of a sync to disk";
    "journal_syncs" counter [""] ""
        "Syncs to disk";
    "metadata_not_after" gauge ["server"] "seconds"
        "When the first of the trust data in use ends, in seconds since 1970";
    "owner_lookup" histogram ["result"] "seconds"
        "Time of a look at a workload's controller, by `found`, `absent` or `unavailable`";
    "panics" counter ["actor"] ""
        "Panics of machines";
    "poisoned" gauge ["actor"] ""
        "Actors out of service";
    "requests_refused" counter ["status"] ""
        "Reviews answered with an HTTP error: of another method or type, or without a legible uid";
    "review" histogram [""] "seconds"
        "Time from the parsed review to the answer released by the journal";
    "reviews" counter ["allowed, code, mode"] ""
        "Reviews answered. `mode` is `enforce`, but for an allow that a rule only warned of \
        (`warn`) or recorded (`audit`): `code` is then that of the denial it would have been";
    "reviews_in_flight" gauge [""] ""
        "Reviews being decided";
    "reviews_judged" counter ["cache"] ""
        "Reviews judged by machines: `hit` if no trust server had to be asked, else `miss`";
    "stale_answers" counter [""] ""
        "Reviews allowed by an older state, within `maxStaleness`, while a trust server was out \
        of reach";
    "step" histogram ["step"] "seconds"
        "Time of one step: `receive`, `parse`, `decide` (with its questions to trust \
        servers), `verify`, `answer`; `review` less `decide` is the wait for the journal";
    "watch_changes" counter ["source"] ""
        "Changes of objects seen in a cluster, by source: a kind of policies, or `secrets`";
    "watch_failures" counter ["source"] ""
        "Times that a source could not be listed or watched";
    "watch_last_event" gauge ["source"] "seconds"
        "When a source last said something, in seconds since 1970";
    "watch_lists" counter ["source"] ""
        "Whole lists read; more than one each means that a watch broke";
    "watched" gauge ["source"] ""
        "1 while a source is watched; of `secrets`, the one heard of last counts";
}
