//! Every bound in one place. A limit is named here, and whoever enforces it refers to it.

/// Bytes of one AdmissionReview body; the API server itself stops at 3 MiB of object.
pub const REVIEW_BYTES: usize = 8 << 20;
/// Image references judged in one review, old and new counted apart.
pub const REVIEW_IMAGES: usize = 1_000;
/// Bytes of one image reference.
pub const REFERENCE_BYTES: usize = 1_024;
/// Generations of a workload's images that its seal keeps.
pub const SEAL_GENERATIONS: usize = 10;
/// Bytes of the annotation that holds a seal.
pub const SEAL_BYTES: usize = 16 << 10;
/// Entries of seals that operators have ended and that a node keeps in mind.
pub const REVOKED_SEALS: usize = 10_000;
/// A wall clock that goes back by more than this, in microseconds, is not believed.
pub const CLOCK_STEP: u64 = 5 * 60 * 1_000_000;
/// Reviews being decided at once; more are denied `overloaded`.
pub const REVIEWS_IN_FLIGHT: usize = 1_024;
/// Resolutions the admission actor remembers; the one checked longest ago is forgotten first.
pub const RESOLUTIONS: usize = 8_192;
/// The longest a review may wait, whatever its caller says, in microseconds: the most that the API
/// server lets a webhook configuration ask for.
pub const LONGEST_TIMEOUT: u64 = 30_000_000;
/// Messages an actor's mailbox holds before a hop is refused.
pub const MAILBOX: usize = 16_384;
/// Bytes of `root`, `timestamp` and `snapshot` documents.
pub const SMALL_DOCUMENT_BYTES: u64 = 1 << 20;
/// Bytes of a `targets` or delegation document.
pub const TARGETS_BYTES: u64 = 16 << 20;
/// Bytes fetched for one resolution, all documents together.
pub const RESOLVE_BYTES: u64 = 32 << 20;
/// Steps of a root rotation chain walked in one resolution.
pub const ROOT_CHAIN: u64 = 64;
/// Delegations in one collection.
pub const DELEGATIONS: usize = 256;
/// Signatures in one document.
pub const SIGNATURES: usize = 256;
/// Signatures in all targets documents of one collection.
pub const COLLECTION_SIGNATURES: usize = 2_048;
/// Values (members of objects, elements of arrays) in one JSON document.
pub const JSON_VALUES: usize = 1 << 20;
/// Depth of nesting in a JSON document.
pub const JSON_DEPTH: usize = 64;
/// Trust servers one node talks to.
pub const TRUST_SERVERS: usize = 64;
/// GUNs one notary fetcher keeps state of; new ones are then denied `capacity`.
pub const GUNS_PER_SERVER: usize = 10_000;
/// GUNs one notary fetcher keeps for one namespace; new ones are then denied `capacity`.
pub const GUNS_PER_NAMESPACE: usize = 1_000;
/// Credentials that may be tried for one fetch.
pub const CREDENTIALS: usize = 32;
/// Times a flight asks for one document before it gives up.
pub const FETCH_TRIES: u32 = 3;
/// Wait before the second try of a fetch, in microseconds; it doubles with each further one.
pub const RETRY_DELAY: u64 = 200_000;
/// The longest wait before a try that a trust server may ask for, in microseconds.
pub const RETRY_DELAY_LONGEST: u64 = 5_000_000;
/// Bytes of an operator's reason for a trust reset.
pub const REASON_BYTES: usize = 1_024;
/// Roles with a floor per GUN; a collection that brings more is denied `capacity`.
pub const FLOORS_PER_GUN: usize = 1_024;
/// Tags with a kept view per GUN; the least recently verified are forgotten first.
pub const TAGS_PER_GUN: usize = 1_024;
/// The longest freshness or staleness a policy may ask for, in microseconds: 30 days.
pub const LONGEST_SPAN: u64 = 30 * 86_400 * 1_000_000;
/// Bytes of one policy or Secret object.
pub const OBJECT_BYTES: usize = 1 << 20;
/// Policies, and Secrets, read from one source.
pub const OBJECTS: usize = 10_000;
/// Secrets of signers that are watched in a cluster; each costs a connection.
pub const WATCHED_SECRETS: usize = 1_024;
/// Secrets of signers that are watched in one namespace.
pub const WATCHED_SECRETS_PER_NAMESPACE: usize = 64;
/// Rules that may apply to one workload: those of its namespace, or those of the cluster.
pub const RULES: usize = 4_096;
/// Time for one fetch of one document, in microseconds.
pub const FETCH_TIMEOUT: u64 = 5_000_000;
/// Time for one look at the controller of a workload, in microseconds.
pub const OWNER_TIMEOUT: u64 = 2_000_000;
/// Time for one question to the API server, in microseconds; less than [`OWNER_TIMEOUT`], so that
/// whoever asks is told what was slow.
pub const API_TIMEOUT: u64 = 1_800_000;
/// Bytes of one answer of the API server: what etcd keeps, written as JSON, is not more.
pub const API_ANSWER_BYTES: usize = 4 << 20;
/// Bytes of one page of a list of metadata.
pub const API_LIST_BYTES: usize = 64 << 20;
/// Pull secrets and service accounts kept at once.
pub const PULL_OBJECTS: usize = 1_024;
/// For how long a pull secret or service account serves once it was read, in microseconds.
pub const PULL_FRESH: u64 = 10_000_000;
/// For how long it serves that there is none, or none that may be read, in microseconds.
pub const PULL_ABSENT: u64 = 3_000_000;
/// For how long it serves that the API server could not be asked for one, in microseconds.
pub const PULL_TROUBLE: u64 = 1_000_000;
/// Events that wait to be written; more are dropped, and counted.
pub const EVENTS_WAITING: usize = 1_024;
/// Events written lately that later ones are counted in.
pub const EVENT_SERIES: usize = 4_096;
/// Bytes of an Event's message.
pub const EVENT_BYTES: usize = 1_024;
/// Time for one flight of a notary fetcher, all fetches and verifications together, in
/// microseconds: the longest an API server waits for a webhook.
pub const FLIGHT_TIMEOUT: u64 = 30_000_000;
/// Time kept back from the API server's patience for the answer to travel, in microseconds.
pub const DEADLINE_MARGIN: u64 = 1_000_000;
/// Time for a review when the caller names none, in microseconds: the API server's default.
pub const DEFAULT_TIMEOUT: u64 = 10_000_000;
/// Bytes of the message in a denial; the API server shows it to a person.
pub const MESSAGE_BYTES: usize = 4_096;
/// Fetches under way at once in one node; further ones wait within their own time.
pub const FETCHES_IN_FLIGHT: usize = 256;
/// Verification requests handed to the pool and not yet taken; more are refused.
pub const VERIFICATIONS_WAITING: usize = 1_024;
/// Answers that one record says were handed over; more get another one.
pub const ANSWERED_IN_RECORD: usize = 1_024;
/// Records that wait for the journal's thread; while there are more, they are lost and counted.
pub const JOURNAL_QUEUE: usize = 65_536;
/// Time one batch may take the journal's thread before it counts as stuck, in microseconds.
pub const JOURNAL_STALL: u64 = 2_000_000;
/// Panics of one machine in one incarnation after which it is not rebuilt any more.
pub const PANICS: u32 = 3;
/// Bytes of a journal, segments and blobs together, unless the configuration says otherwise.
pub const JOURNAL_BYTES: u64 = 1 << 30;
/// Free bytes of the journal's volume below which old segments go before their time, unless the
/// configuration says otherwise; at most a quarter of the volume. Below an eighth of it nothing is
/// written.
pub const JOURNAL_FREE: u64 = 256 << 20;
/// Bytes of one line of a journal; a checkpoint of the largest node there can be is far shorter.
pub const LINE_BYTES: usize = 256 << 20;
/// Bytes after which a journal segment is followed by the next.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// Connections to the webhook at once; further ones wait in the system's backlog.
pub const CONNECTIONS: usize = 4_096;
/// Connections that one address may have in their TLS handshakes at once.
pub const HANDSHAKES_EACH: usize = 512;
/// Requests at once on one HTTP/2 connection.
pub const STREAMS: u32 = 256;
/// Bytes of the head of an HTTP request or answer.
pub const HEAD_BYTES: usize = 64 << 10;
/// Bytes of all review bodies being received, together.
pub const BODIES_BYTES: usize = 256 << 20;
/// Reviews at once of callers without a client certificate, where one is asked for. They have room
/// of their own, so that strangers take none from the API server.
pub const STRANGERS_IN_FLIGHT: usize = 8;
/// Connections of such callers at once, probes of kubelets included: of one address, and in all.
pub const STRANGERS_CONNECTIONS_EACH: usize = 64;
/// See [`STRANGERS_CONNECTIONS_EACH`].
pub const STRANGERS_CONNECTIONS: usize = 512;
/// Reviews of such callers that are recorded: one a second, and so many at once after a while
/// without any. Further ones are denied as well; the records of others are worth more than those.
pub const STRANGERS_RECORDED: u64 = 64;
/// Bytes of each text that is kept of a review of such a caller.
pub const STRANGERS_TEXT: usize = 256;
/// Bytes of all review bodies being received from such callers, together: two of the largest.
pub const STRANGERS_BYTES: usize = 16 << 20;
/// Bytes of a file with certificates or a private key.
pub const TLS_FILE_BYTES: u64 = 1 << 20;
/// Bytes of a token server's answer.
pub const TOKEN_BYTES: u64 = 64 << 10;
/// Bearer tokens kept.
pub const TOKENS: usize = 10_000;
/// Entries of one Secret with credentials.
pub const KEYRING_ENTRIES: usize = 1_000;
/// Credentials tried for one document.
pub const CREDENTIALS_TRIED: usize = 8;
/// Fetches under way at once from one trust server; further ones wait within their own time, and
/// leave the rest of [`FETCHES_IN_FLIGHT`] to other servers.
pub const FETCHES_PER_SERVER: usize = 32;
/// Bytes of the configuration file.
pub const CONFIG_BYTES: u64 = 1 << 20;
/// Bytes of one file of the directory of objects.
pub const OBJECTS_FILE_BYTES: u64 = 16 << 20;
/// Bytes of the file that says what trust is kept between runs of `portreeve check`.
pub const STATE_BYTES: u64 = 256 << 20;
/// Resets by operators that are kept in mind there.
pub const RESETS: usize = 1_000;
/// Bytes of one request of an operator to a running node.
pub const CONTROL_BYTES: u64 = 64 << 10;
/// Operators' connections at once.
pub const CONTROL_CONNECTIONS: usize = 16;
/// Time for one request of an operator, in microseconds.
pub const CONTROL_TIMEOUT: u64 = 10_000_000;
/// Anchors in one trust bundle.
pub const BUNDLE_ANCHORS: usize = 16_384;
/// Bytes of `trust.json` in a trust bundle.
pub const BUNDLE_TARGET_BYTES: usize = 8 << 20;
/// Bytes of any one metadata file of a trust bundle.
pub const BUNDLE_METADATA_BYTES: u64 = 1 << 20;
/// Bytes of all files of a trust bundle that one load reads, together.
pub const BUNDLE_BYTES: u64 = 32 << 20;
/// Time for one load of a trust bundle, in microseconds.
pub const BUNDLE_TIMEOUT: u64 = 30_000_000;
/// Key ids, signers, or floors of one anchor.
pub const ANCHOR_ENTRIES: usize = 64;
/// Bytes of one certificate file or key in an anchor.
pub const ANCHOR_PEM_BYTES: usize = 64 << 10;
