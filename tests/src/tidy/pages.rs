//! `docs/metrics.md` and `docs/logging.md`, as far as they are written from tables.

use std::fmt::Write as _;

use portreeve_host::metrics::TABLE;
use portreeve_host::node::facts::LINES;

/// The page of metrics.
#[must_use]
pub fn metrics() -> String {
    let mut page = String::from(
        "# Metrics\n\n\
         Written from the table in `actors/host/src/metric_table.rs`;\n`PORTREEVE_BLESS=1 \
         cargo test -p portreeve-tests --test tidy` writes it anew. \
         `/metrics` serves them as OpenMetrics 1.0. \
         No label names what a client chose: no GUN, namespace or image.\n\
         A trust server is named by host and port, at most 64 of them, and `other` beyond. A label \
         `code` is one of `docs/reasons.md`.\n\n\
         | name | type | labels | unit | meaning |\n|---|---|---|---|---|\n",
    );
    for row in TABLE {
        let labels: Vec<_> = row.labels.split(", ").filter(|label| !label.is_empty()).collect();
        let labels: Vec<_> = labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, labels) = (row.full_name(), labels.join(", "));
        // Writing to a string cannot fail.
        let _ = writeln!(
            page,
            "| `{name}` | {} | {labels} | {} | {} |",
            row.shape, row.unit, row.meaning
        );
    }
    page
}

/// The page of log lines.
#[must_use]
pub fn logging() -> String {
    let mut page = String::from(PROMISE);
    page.push_str("| fact | level | keys |\n|---|---|---|\n");
    for line in LINES {
        let keys: Vec<_> = line.keys.iter().map(|key| format!("`{key}`")).collect();
        let level = line.level.as_str().to_lowercase();
        // Writing to a string cannot fail.
        let _ = writeln!(page, "| `{}` | {level} | {} |", line.fact, keys.join(", "));
    }
    page
}

/// What stands before the table of facts.
const PROMISE: &str = "\
# Log lines

Lines go to standard error, as JSON or text (`--log`), from the level of `--log-level` on. When
they come faster than they can be written, further ones are dropped, and a later line says how many.

| level | what it promises |
|---|---|
| critical | The node cannot go on, or decides without a machine that it needs. Restart it. |
| error | Something promised was not kept and a person has to act: the journal cannot be \
    written, a machine panicked, new TLS files are of no use. |
| warning | Nothing is broken yet, but a person should look: trust data refused, a root \
    trusted at first use, a policy that cannot be understood, a certificate that ends within 14 \
    days. |
| info | The life of the node, every recorded denial, and a client certificate that was refused. |
| debug | Every allow, every refresh of a collection, every connection that came to nothing. |
| trace | Single deliveries. |

## What never appears

No line holds a credential, a token, a private key, an environment value, an argument or an
annotation of a workload, the data of a Secret, the body of a review or what a remote server sent.
A test plants secrets in these places and searches every byte that a whole server writes
(`actors/host/tests/client/canaries.rs`).

## Facts

Most lines are facts that a machine noted. Each has `event`, the id under which the journal holds
what happened, and `fact`, the name under which `portreeve_facts_total` counts it, and these keys
besides. The table is written from `actors/host/src/node/facts.rs`;
`PORTREEVE_BLESS=1 cargo test -p portreeve-tests --test tidy` writes it anew.

";
