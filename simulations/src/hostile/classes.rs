//! The classes: one entry each, of name, id, nature, mark, codes, maker and meaning.

use portreeve_protocol::DenyCode;
use portreeve_protocol::DenyCode::{
    BadEntry, Certificate, Checksum, Equivocation, Expired, InvalidMetadata, KeyId, Malformed,
    MissingDocument, NotSigned, Oversize, RootChanged, RootRotation, RootUntrusted, Signature,
    SignerMissing, SignersDisagree, UnsupportedForm,
};
use serde_json::{Value, json};

use super::codes::{GONE, NONE, ODD, OLD, OUTDATED, ROOT, STRANGE, UNBELIEVED, UNRELEASED};
use super::harmless::{escaped, pretty};
use super::impostors::{Disguise, PLAIN};
use super::{
    certificates, delegations, entries, harmless, headers, impostors, keys, naming, roots,
    signatures, spelling, stale, thresholds,
};
use crate::truth::canary::DOCUMENT as CANARY;

/// A time zone in which that year ends late.
const LATE: &str = "9999-12-31T23:59:59-07:00";

classes! {
    // Signatures.
    FlippedSignatureRoot "flipped-signature-root" Refused Passing ROOT, signatures::flipped("root"),
        "One letter of the signature of root is another.";
    FlippedSignatureTimestamp "flipped-signature-timestamp" Refused Passing &[Signature],
        signatures::flipped("timestamp"), "One letter of the signature of timestamp is another.";
    FlippedSignatureSnapshot "flipped-signature-snapshot" Refused Passing &[Signature],
        signatures::flipped("snapshot"), "One letter of the signature of snapshot is another.";
    FlippedSignatureTargets "flipped-signature-targets" Refused Passing &[Signature],
        signatures::flipped("targets"), "One letter of the signature of targets is another.";
    FlippedSignatureReleases "flipped-signature-releases" Refused Versions UNBELIEVED,
        signatures::flipped("targets/releases"),
        "One letter of the signature of targets/releases is another.";
    StrangerSignedRoot "stranger-signed-root" Refused Passing ROOT, signatures::by_stranger("root"),
        "Somebody signed root whose key is not listed.";
    StrangerSignedTimestamp "stranger-signed-timestamp" Refused Passing &[Signature],
        signatures::by_stranger("timestamp"), "Somebody signed timestamp whose key is not listed.";
    StrangerSignedSnapshot "stranger-signed-snapshot" Refused Passing &[Signature],
        signatures::by_stranger("snapshot"), "Somebody signed snapshot whose key is not listed.";
    StrangerSignedTargets "stranger-signed-targets" Refused Passing &[Signature],
        signatures::by_stranger("targets"), "Somebody signed targets whose key is not listed.";
    StrangerSignedReleases "stranger-signed-releases" Refused Versions UNBELIEVED,
        signatures::by_stranger("targets/releases"),
        "Somebody signed targets/releases whose key is not listed.";
    StrangerClaimsTargetsKey "stranger-claims-targets-key" Refused Passing &[Signature],
        signatures::claimed_id("targets"),
        "Somebody signed targets under the id of the genuine key.";
    StrangerClaimsReleasesKey "stranger-claims-releases-key" Refused Versions UNBELIEVED,
        signatures::claimed_id("targets/releases"),
        "Somebody signed targets/releases under the id of the genuine key.";
    UnsignedTimestamp "unsigned-timestamp" Refused Passing &[Signature],
        signatures::none("timestamp"), "The list of signatures of timestamp is empty.";
    UnsignedTargets "unsigned-targets" Refused Passing &[Signature], signatures::none("targets"),
        "The list of signatures of targets is empty.";
    UnsignedReleases "unsigned-releases" Refused Passing &[Signature],
        signatures::none("targets/releases"),
        "The list of signatures of targets/releases is empty.";
    UnsignedRoot "unsigned-root" Refused Passing ROOT, signatures::none("root"),
        "The list of signatures of root is empty.";
    SignaturesAbsent "signatures-absent" Refused Passing &[Signature],
        signatures::absent("targets"),
        "The document targets has no member for signatures.";
    SignatureNotBase64 "signature-not-base64" Refused Passing &[InvalidMetadata],
        signatures::not_base64("snapshot"), "A signature of snapshot is not base64.";
    SignatureShort "signature-short" Refused Passing &[Signature], signatures::short("snapshot"),
        "The signature of snapshot lacks its last bytes.";
    MethodUnknown "method-unknown" Refused Passing &[Signature],
        signatures::method("targets", "none"),
        "The signature of targets names a method nobody knows.";
    MethodOfOtherKind "method-of-other-kind" Refused Passing &[Signature],
        signatures::method("targets", "rsapss"),
        "The signature of targets names the method of another kind of key.";
    KeyIdOfOtherRole "key-id-of-other-role" Refused Passing &[Signature],
        signatures::id_of("targets", "snapshot"),
        "The genuine signature of targets stands under the id of the snapshot's key.";
    TargetsSignedBySnapshotKey "targets-signed-by-snapshot-key" Refused Passing &[Signature],
        signatures::by_role("targets", "snapshot"), "The snapshot's key signed targets.";
    SnapshotSignedByTimestampKey "snapshot-signed-by-timestamp-key" Refused Passing &[Signature],
        signatures::by_role("snapshot", "timestamp"), "The timestamp's key signed snapshot.";
    TimestampSignedByRootKey "timestamp-signed-by-root-key" Refused Passing &[Signature],
        signatures::by_role("timestamp", "root"), "The root's key signed timestamp.";
    RootSignedByTargetsKey "root-signed-by-targets-key" Refused Passing ROOT,
        signatures::by_role("root", "targets"), "The key of targets signed root.";
    DelegationsSignedByTargetsKey "delegations-signed-by-targets-key" Refused Versions UNBELIEVED,
        signatures::by_other_signer(), "The key of targets signed every delegation.";
    SignatureOfLastTimestamp "signature-of-last-timestamp" Refused Passing &[Signature],
        signatures::of_the_last("timestamp"),
        "The timestamp carries the signature of the one before.";
    SignatureOfLastTargets "signature-of-last-targets" Refused Passing &[Signature],
        signatures::of_the_last("targets"),
        "The document targets carries the signature of the one before.";
    SignatureOfText "signature-of-text" Refused Passing &[Signature],
        signatures::of_the_text("targets"),
        "What is signed of targets is its text, not its canonical form.";
    SignaturesTooMany "signatures-too-many" Refused Passing &[InvalidMetadata],
        signatures::many("targets"), "The document targets has more signatures than one may have.";

    // Thresholds.
    TargetsOneOfTwo "targets-one-of-two" Refused Passing &[Signature], thresholds::one_of_two(1),
        "The root asks for two keys of targets, and one signed.";
    TargetsOneTwice "targets-one-twice" Refused Passing &[Signature], thresholds::one_of_two(2),
        "The root asks for two keys of targets, and one signed twice.";
    TargetsOneUnderTwoIds "targets-one-under-two-ids" Refused Passing &[Signature],
        thresholds::two_ids(),
        "The root asks for two keys of targets, and lists one under two ids.";
    RootOneOfTwo "root-one-of-two" Refused Passing &[RootUntrusted], thresholds::root_one_of_two(),
        "The root asks for two root keys, and one signed.";
    ThresholdZeroTargets "threshold-zero-targets" Refused Passing &[InvalidMetadata],
        thresholds::in_root("targets", json!(0)), "The root asks for no signature of targets.";
    ThresholdNegativeRoot "threshold-negative-root" Refused Passing &[InvalidMetadata],
        thresholds::in_root("root", json!(-1)),
        "The root asks for a negative number of signatures of root.";
    ThresholdTextTimestamp "threshold-text-timestamp" Refused Passing &[InvalidMetadata],
        thresholds::in_root("timestamp", json!("1")),
        "The number of signatures of timestamp is a text.";
    ThresholdZeroReleases "threshold-zero-releases" Refused Passing &[InvalidMetadata],
        thresholds::of_releases(json!(0)), "No signature of targets/releases is asked for.";
    ReleasesOneOfTwo "releases-one-of-two" Refused Versions UNBELIEVED,
        thresholds::of_releases(json!(9)),
        "More signatures of targets/releases are asked for than there are.";

    // Keys.
    KeyUnderOtherIdInRoot "key-under-other-id-in-root" Refused Passing &[KeyId],
        keys::other_id_in_root(),
        "The root lists a stranger's key under the id of the key of targets.";
    KeyUnderOtherIdInTargets "key-under-other-id-in-targets" Refused Passing &[KeyId],
        keys::other_id_in_targets(),
        "A delegation's key is listed under an id that is not its own.";
    KeyIdWithoutKey "key-id-without-key" Refused Passing &[InvalidMetadata], keys::id_without_key(),
        "The root names a key of targets that it does not list.";
    KeysMissingReleases "keys-missing-releases" Refused Versions UNBELIEVED,
        keys::none_for_releases(), "The delegation targets/releases has no keys.";
    KeyReplacedReleases "key-replaced-releases" Refused Versions UNBELIEVED, keys::replaced(),
        "The key of targets/releases was replaced, and the old one signed.";
    KeyPrivatePublished "key-private-published" Refused Passing &[InvalidMetadata], keys::private(),
        "The root publishes private halves of keys.";
    KeyTypeUnknown "key-type-unknown" Refused Passing &[Signature], keys::of_type("post-quantum"),
        "The key of targets is of a type nobody knows.";
    KeyTypeOther "key-type-other" Refused Passing &[Signature], keys::of_type("ecdsa"),
        "The key of targets is listed as of another type than it is.";
    KeyShort "key-short" Refused Passing &[Signature], keys::short(),
        "The key of targets lacks a byte.";
    KeyNotBase64 "key-not-base64" Refused Passing &[InvalidMetadata], keys::not_base64(),
        "The root lists a key that is not base64.";

    // Certificates.
    CertificateExpired "certificate-expired" Refused Passing &[RootUntrusted],
        certificates::expired(), "The certificate of the root key has expired.";
    CertificateEarly "certificate-early" Refused Passing &[RootUntrusted], certificates::early(),
        "The certificate of the root key begins in three days.";
    CertificateOfAuthority "certificate-of-authority" Refused Passing &[RootUntrusted],
        certificates::authority(), "The certificate of the root key is that of an authority.";
    CertificateOfOther "certificate-of-other" Refused Passing &[RootUntrusted],
        certificates::named("registry.example/other"),
        "The certificate of the root key is for another collection.";
    CertificateOfLongerName "certificate-of-longer-name" Refused Passing &[RootUntrusted],
        certificates::longer_name(),
        "The certificate of the root key is for a name that begins with the collection's.";
    CertificateOfAll "certificate-of-all" Refused Passing &[RootUntrusted],
        certificates::named("*"),
        "The certificate of the root key is for every collection of everybody.";
    CertificateOfOtherWildcard "certificate-of-other-wildcard" Refused Passing &[RootUntrusted],
        certificates::named("other.example/*"),
        "The certificate of the root key is for all collections of another registry.";
    CertificateMissing "certificate-missing" Refused Passing &[RootUntrusted], certificates::bare(),
        "The root key comes without a certificate.";
    CertificateGarbage "certificate-garbage" Refused Passing &[RootUntrusted],
        certificates::garbage(), "The certificate of the root key cannot be read.";
    CertificateTwoLeafs "certificate-two-leafs" Refused Passing &[RootUntrusted],
        certificates::two_leafs(),
        "The root key comes in two certificates, neither of them an authority's.";
    CertificateInvertedReleases "certificate-inverted-releases" Refused Passing &[Certificate],
        certificates::inverted_of_releases(),
        "The certificate of targets/releases ends before it begins.";
    CertificateGarbageReleases "certificate-garbage-releases" Refused Versions UNBELIEVED,
        certificates::garbage_of_releases(), "The certificate of targets/releases cannot be read.";

    // Type, version and expiry.
    ExpiredRoot "expired-root" Refused Passing &[Expired], headers::expired("root"),
        "The document root expired a second ago.";
    ExpiredTimestamp "expired-timestamp" Refused Passing &[Expired], headers::expired("timestamp"),
        "The document timestamp expired a second ago.";
    ExpiredSnapshot "expired-snapshot" Refused Passing &[Expired], headers::expired("snapshot"),
        "The document snapshot expired a second ago.";
    ExpiredTargets "expired-targets" Refused Passing &[Expired], headers::expired("targets"),
        "The document targets expired a second ago.";
    ExpiredReleases "expired-releases" Refused Versions OUTDATED,
        headers::expired("targets/releases"), "The document targets/releases expired a second ago.";
    ExpiredAbroad "expired-abroad" Refused Passing &[Expired], headers::expired_abroad("timestamp"),
        "The timestamp expired, though by its own clock it is not yet time.";
    ExpiresByDay "expires-by-day" Refused Passing &[InvalidMetadata],
        headers::expires_by_day("timestamp"), "The expiry of timestamp is a day, not an instant.";
    ExpiresNever "expires-never" Refused Passing &[InvalidMetadata],
        headers::with("targets", "expires", Value::Null), "The document targets has no expiry.";
    ExpiresAsNumber "expires-as-number" Refused Passing &[InvalidMetadata],
        headers::with("snapshot", "expires", json!(4_102_444_800_i64)),
        "The expiry of snapshot is a number.";
    VersionZero "version-zero" Refused Passing &[InvalidMetadata],
        headers::with("targets", "version", json!(0)), "The version of targets is 0.";
    VersionNegative "version-negative" Refused Passing &[InvalidMetadata],
        headers::with("snapshot", "version", json!(-7)), "The version of snapshot is negative.";
    VersionAsText "version-as-text" Refused Passing &[InvalidMetadata],
        headers::with("timestamp", "version", json!("7")), "The version of timestamp is a text.";
    VersionMissing "version-missing" Refused Passing &[InvalidMetadata],
        headers::with("timestamp", "version", Value::Null), "The timestamp has no version.";
    VersionFraction "version-fraction" Refused Passing &[UnsupportedForm],
        headers::version_written("targets", "7.0"),
        "The version of targets is written as a fraction.";
    VersionBeyondExact "version-beyond-exact" Refused Passing &[UnsupportedForm],
        headers::version_written("timestamp", "9007199254740993"),
        "The version of timestamp is more than a double holds exactly.";
    TypeLowerCase "type-lower-case" Refused Passing &[InvalidMetadata],
        headers::with("targets", "_type", json!("targets")),
        "The type of targets is written with a small letter.";
    TypeOfOtherRole "type-of-other-role" Refused Passing &[InvalidMetadata],
        headers::with("timestamp", "_type", json!("Snapshot")),
        "The timestamp says that it is a snapshot.";
    TypeMissing "type-missing" Refused Passing &[InvalidMetadata],
        headers::with("root", "_type", Value::Null), "The root does not say what it is.";

    // What parents say of their children, and what is served for these.
    Sha256OtherSnapshot "sha256-other-snapshot" Refused Passing &[MissingDocument],
        naming::digest("snapshot", "sha256"), "The parent of snapshot names another SHA-256.";
    Sha512OtherSnapshot "sha512-other-snapshot" Refused Passing &[Checksum],
        naming::digest("snapshot", "sha512"), "The parent of snapshot names another SHA-512.";
    BodyOtherSnapshot "body-other-snapshot" Refused Passing &[Checksum],
        naming::other_body("snapshot"),
        "Another well-signed document of the same length is served for snapshot.";
    BodyLongerSnapshot "body-longer-snapshot" Refused Passing &[Oversize],
        naming::longer_body("snapshot", 100), "Blanks follow the document snapshot.";
    BodyShorterSnapshot "body-shorter-snapshot" Refused Passing &[Oversize],
        naming::shorter_body("snapshot"), "The document snapshot ends early.";
    MissingSnapshot "missing-snapshot" Refused Passing &[MissingDocument],
        naming::withheld("snapshot"), "The document snapshot is not there.";
    Sha256OtherTargets "sha256-other-targets" Refused Passing &[MissingDocument],
        naming::digest("targets", "sha256"), "The parent of targets names another SHA-256.";
    Sha512OtherTargets "sha512-other-targets" Refused Passing &[Checksum],
        naming::digest("targets", "sha512"), "The parent of targets names another SHA-512.";
    BodyOtherTargets "body-other-targets" Refused Passing &[Checksum],
        naming::other_body("targets"),
        "Another well-signed document of the same length is served for targets.";
    BodyLongerTargets "body-longer-targets" Refused Passing &[Oversize],
        naming::longer_body("targets", 100), "Blanks follow the document targets.";
    BodyShorterTargets "body-shorter-targets" Refused Passing &[Oversize],
        naming::shorter_body("targets"), "The document targets ends early.";
    MissingTargets "missing-targets" Refused Passing &[MissingDocument],
        naming::withheld("targets"),
        "The document targets is not there.";
    Sha256OtherReleases "sha256-other-releases" Refused Passing &[MissingDocument],
        naming::digest("targets/releases", "sha256"),
        "The parent of targets/releases names another SHA-256.";
    Sha512OtherReleases "sha512-other-releases" Refused Passing &[Checksum],
        naming::digest("targets/releases", "sha512"),
        "The parent of targets/releases names another SHA-512.";
    BodyOtherReleases "body-other-releases" Refused Passing &[Checksum],
        naming::other_body("targets/releases"),
        "Another well-signed document of the same length is served for targets/releases.";
    BodyLongerReleases "body-longer-releases" Refused Passing &[Oversize],
        naming::longer_body("targets/releases", 100),
        "Blanks follow the document targets/releases.";
    BodyShorterReleases "body-shorter-releases" Refused Passing &[Oversize],
        naming::shorter_body("targets/releases"), "The document targets/releases ends early.";
    MissingReleases "missing-releases" Refused Passing &[MissingDocument],
        naming::withheld("targets/releases"), "The document targets/releases is not there.";
    Sha256Hex "sha256-hex" Refused Passing &[InvalidMetadata],
        naming::sha256("targets", |_| json!("00".repeat(32))),
        "The SHA-256 of targets is written in hexadecimal digits.";
    Sha256Short "sha256-short" Refused Passing &[InvalidMetadata],
        naming::sha256("snapshot", |text| json!(text.get(..40))),
        "The SHA-256 of snapshot has 30 bytes.";
    Sha256NotBase64 "sha256-not-base64" Refused Passing &[InvalidMetadata],
        naming::sha256("targets", |_| json!("not base64!")),
        "The SHA-256 of targets is not base64.";
    Sha512OnlySnapshot "sha512-only-snapshot" Refused Passing &[InvalidMetadata],
        naming::only_digest("snapshot", "sha512"),
        "The timestamp names the snapshot by SHA-512 only.";
    Sha512OnlyReleases "sha512-only-releases" Refused Passing &[InvalidMetadata],
        naming::only_digest("targets/releases", "sha512"),
        "The snapshot names targets/releases by SHA-512 only.";
    DigestUnknown "digest-unknown" Refused Passing &[InvalidMetadata],
        naming::only_digest("targets", "md5"),
        "The snapshot names targets by a digest nobody takes.";
    LengthZero "length-zero" Refused Passing &[Oversize], naming::length("targets", |_| json!(0)),
        "The length of targets is 0.";
    LengthNegative "length-negative" Refused Passing &[Oversize],
        naming::length("snapshot", |_| json!(-1)),
        "The length of snapshot is negative, which the real client takes for no limit.";
    LengthMissing "length-missing" Refused Passing &[Oversize],
        naming::length("targets/releases", |_| Value::Null),
        "The snapshot does not say how long targets/releases is.";
    LengthTooLarge "length-too-large" Refused Passing &[Oversize],
        naming::length("targets", |length| json!(length + 1)),
        "The length of targets is one more than it is.";
    LengthTooSmall "length-too-small" Refused Passing &[Oversize],
        naming::length("snapshot", |length| json!(length - 1)),
        "The length of snapshot is one less than it is.";
    LengthHuge "length-huge" Refused Passing &[Oversize], naming::huge(),
        "The length of snapshot is more than any may have.";
    SnapshotUnnamed "snapshot-unnamed" Refused Passing &[InvalidMetadata],
        naming::unnamed("snapshot"), "The timestamp names no snapshot.";
    RootUnnamed "root-unnamed" Refused Passing &[InvalidMetadata], naming::unnamed("root"),
        "The snapshot names no root.";
    TargetsUnnamed "targets-unnamed" Refused Passing &[InvalidMetadata], naming::unnamed("targets"),
        "The snapshot names no targets.";
    EndlessTimestamp "endless-timestamp" Refused Passing &[Oversize], naming::endless("timestamp"),
        "The timestamp goes on beyond what one may have.";
    EndlessRoot "endless-root" Refused Passing &[Oversize], naming::endless("root"),
        "The root goes on beyond what one may have.";
    DelegationsTooMany "delegations-too-many" Refused Passing &[Oversize],
        naming::many_delegations(),
        "The snapshot names more delegations than a collection may have.";
    MissingRoot "missing-root" Refused Passing GONE, naming::withheld("root"),
        "The newest root is not there.";
    MissingTimestamp "missing-timestamp" Refused Passing GONE, naming::withheld("timestamp"),
        "There is no timestamp.";
    MissingEverything "missing-everything" Refused Passing GONE, naming::nothing(),
        "Nothing is served.";
    PageForTimestamp "page-for-timestamp" Refused Passing &[Malformed], naming::page("timestamp"),
        "A web page is served for the timestamp.";
    PageForRoot "page-for-root" Refused Passing &[Malformed], naming::page("root"),
        "A web page is served for the root.";

    // Text that is not one document, or means two things.
    TruncatedTimestamp "truncated-timestamp" Refused Passing &[Malformed],
        spelling::truncated("timestamp"), "The timestamp is half of its text.";
    TruncatedTargets "truncated-targets" Refused Passing &[Malformed],
        spelling::truncated("targets"),
        "The document targets is half of its text, and its parent names that.";
    EmptySnapshot "empty-snapshot" Refused Passing &[Oversize],
        spelling::exactly("snapshot", ""), "The snapshot is empty.";
    NullTimestamp "null-timestamp" Refused Passing &[InvalidMetadata],
        spelling::exactly("timestamp", "null"), "The timestamp is null.";
    ListForTargets "list-for-targets" Refused Passing &[InvalidMetadata],
        spelling::exactly("targets", "[]"), "The document targets is a list.";
    TrailingText "trailing-text" Refused Passing &[Malformed],
        spelling::between("timestamp", b"", b"}"), "A brace follows the timestamp.";
    TwoDocuments "two-documents" Refused Passing &[Malformed],
        spelling::between("targets", b"{\"signed\":{},\"signatures\":[]}", b""),
        "Two documents stand one after the other in targets.";
    ByteOrderMark "byte-order-mark" Refused Passing &[Malformed],
        spelling::between("timestamp", b"\xef\xbb\xbf", b""),
        "A byte order mark stands before the timestamp.";
    NotUtf8 "not-utf8" Refused Passing &[Malformed], spelling::between("targets", b"", b"\xff\xfe"),
        "Bytes follow targets that are not UTF-8.";
    Utf16 "utf16" Refused Passing &[Malformed], spelling::utf16("snapshot"),
        "The snapshot is written in UTF-16.";
    Comment "comment" Refused Passing &[Malformed],
        spelling::between("timestamp", b"/* planted-canary-d0c5 */", b""),
        "A comment stands before the timestamp.";
    SingleQuotes "single-quotes" Refused Passing &[Malformed],
        spelling::replaced("targets", "\"signed\"", "'signed'"),
        "A name in targets stands in single quotes.";
    TrailingComma "trailing-comma" Refused Passing &[Malformed],
        spelling::replaced("targets", "]}", "],}"),
        "A comma stands before a closing brace of targets.";
    ControlCharacter "control-character" Refused Passing &[Malformed],
        spelling::replaced("targets", "\"Targets\"", "\"Targets\n\""),
        "A line ends within a text of targets.";
    SignedTwiceGenuineFirst "signed-twice-genuine-first" Refused Passing &[UnsupportedForm],
        spelling::twice("targets", "signed", true),
        "The document targets says two things, the genuine first.";
    SignedTwiceGenuineLast "signed-twice-genuine-last" Refused Passing &[UnsupportedForm],
        spelling::twice("targets", "signed", false),
        "The document targets says two things, the genuine last.";
    SignedTwiceByCase "signed-twice-by-case" Refused Passing &[UnsupportedForm],
        spelling::twice("targets", "Signed", true),
        "The document targets says two things under names that differ by case.";
    SignedTwiceByFolding "signed-twice-by-folding" Refused Passing &[UnsupportedForm],
        spelling::twice("targets", "\u{17f}igned", false),
        "The document targets says two things under names that Go takes for one.";
    MemberTwice "member-twice" Refused Passing &[UnsupportedForm],
        spelling::replaced("targets", "\"targets\":{", "\"targets\":{},\"targets\":{"),
        "A member of what is signed stands in targets twice.";
    MemberAlias "member-alias" Refused Passing &[UnsupportedForm],
        spelling::alias("targets", "Targets", "targets"),
        "A member of what is signed stands in targets under a second name.";
    ExpiresAlias "expires-alias" Refused Passing &[UnsupportedForm],
        spelling::alias("timestamp", "EXPIRES", "expires"),
        "The timestamp has its expiry under a second name.";
    NestedDeeply "nested-deeply" Refused Passing &[UnsupportedForm], spelling::nested("targets"),
        "Lists nest in targets more deeply than any need.";
    FractionInCustom "fraction-in-custom" Refused Passing &[UnsupportedForm],
        spelling::replaced("targets", "{\"_type\"", "{\"a\":1.5,\"_type\""),
        "A fraction is among what is signed of targets.";
    HalfSurrogate "half-surrogate" Refused Passing &[UnsupportedForm],
        spelling::replaced("targets", "{\"_type\"", r#"{"a":"\ud800","_type""#),
        "Half of a surrogate pair is among what is signed of targets.";
    SignedMissing "signed-missing" Refused Passing &[InvalidMetadata],
        spelling::unsaid("timestamp"),
        "The timestamp has signatures and nothing that is signed.";
    SignedAsText "signed-as-text" Refused Passing &[Signature],
        spelling::quoted("targets"), "What is signed of targets is a text.";
    SignedAsList "signed-as-list" Refused Passing &[InvalidMetadata],
        spelling::signed("targets", |signed| *signed = json!([signed.clone()])),
        "What is signed of targets is a list.";
    TargetsAsList "targets-as-list" Refused Passing &[InvalidMetadata],
        spelling::signed("targets", |signed| signed["targets"] = json!([])),
        "The entries of targets are a list.";
    MemberAdded "member-added" Refused Passing &[Signature],
        spelling::replaced("targets", "{\"_type\"", "{\"a\":1,\"_type\""),
        "A member was added to what is signed of targets.";

    // Entries.
    EntryNull "entry-null" Refused Versions &[BadEntry],
        entries::changed(|entry| *entry = Value::Null), "Entries are null.";
    EntryAsText "entry-as-text" Refused Passing &[InvalidMetadata],
        entries::changed(|entry| *entry = json!("sha256")), "Entries are texts.";
    EntrySha512Only "entry-sha512-only" Refused Versions &[BadEntry],
        entries::only_digest("sha512"),
        "Entries have a SHA-512 only.";
    EntryDigestUnknown "entry-digest-unknown" Refused Versions &[BadEntry],
        entries::only_digest("SHA256"), "Entries have a digest under another name only.";
    EntryWithoutDigest "entry-without-digest" Refused Versions &[BadEntry],
        entries::changed(|entry| entry["hashes"] = json!({})), "Entries have no digest.";
    EntrySha256Short "entry-sha256-short" Refused Versions &[BadEntry],
        entries::digest(|text| json!(text.get(..40))), "The digests of entries have 30 bytes.";
    EntrySha256Hex "entry-sha256-hex" Refused Versions &[BadEntry],
        entries::digest(|_| json!("00".repeat(32))), "The digests of entries are hexadecimal.";
    EntrySha256NotBase64 "entry-sha256-not-base64" Refused Passing &[InvalidMetadata],
        entries::digest(|text| json!(format!("sha256:{text}"))),
        "The digests of entries are not base64.";
    EntryLengthZero "entry-length-zero" Refused Versions &[BadEntry],
        entries::changed(|entry| entry["length"] = json!(0)),
        "The images of entries have no bytes.";
    EntryLengthNegative "entry-length-negative" Refused Versions &[BadEntry],
        entries::changed(|entry| entry["length"] = json!(-1)),
        "The images of entries have less than no bytes.";
    EntryLengthMissing "entry-length-missing" Refused Versions &[BadEntry],
        entries::changed(|entry| entry["length"] = Value::Null),
        "Entries do not say how long their images are.";

    // Delegations.
    DelegationNameUpperCase "delegation-name-upper-case" Refused Passing &[InvalidMetadata],
        delegations::changed(|role| role["name"] = json!("targets/Releases")),
        "The name of a delegation is written with a capital.";
    DelegationNameClimbing "delegation-name-climbing" Refused Passing &[InvalidMetadata],
        delegations::changed(|role| role["name"] = json!("targets/../targets/releases")),
        "The name of a delegation climbs.";
    DelegationNameOfBase "delegation-name-of-base" Refused Passing &[InvalidMetadata],
        delegations::changed(|role| role["name"] = json!("targets")),
        "The name of a delegation is that of its parent.";
    DelegationNameOfGrandchild "delegation-name-of-grandchild" Refused Passing &[InvalidMetadata],
        delegations::changed(|role| role["name"] = json!("targets/a/releases")),
        "The name of a delegation is not directly below its parent.";
    DelegationTwice "delegation-twice" Refused Passing &[UnsupportedForm], delegations::twice(),
        "The role targets/releases is delegated to twice.";
    DelegationMissing "delegation-missing" Refused Versions UNRELEASED, delegations::undelegated(),
        "Nobody delegates to targets/releases, which is published.";
    PathsNone "paths-none" Refused Versions UNRELEASED,
        delegations::changed(|role| role["paths"] = json!([])),
        "The role targets/releases may name no tag.";
    PathsAbsent "paths-absent" Refused Versions UNRELEASED,
        delegations::changed(|role| role["paths"] = Value::Null),
        "The delegation to targets/releases has no paths.";
    PathsOther "paths-other" Refused Versions UNRELEASED,
        delegations::changed(|role| role["paths"] = json!(["\u{1}"])),
        "The role targets/releases may name other tags only.";
    PathsAsNumbers "paths-as-numbers" Refused Passing &[InvalidMetadata],
        delegations::changed(|role| role["paths"] = json!([0])),
        "The paths of targets/releases are numbers.";
    ReleasesUnpublished "releases-unpublished" Refused Versions UNRELEASED,
        delegations::unpublished(),
        "The snapshot does not name targets/releases, which alone releases.";
    Unreleased "unreleased" Refused Versions UNRELEASED, delegations::unreleased(),
        "Only roles that release nothing name the tags.";
    TagsRemoved "tags-removed" Refused Versions UNRELEASED, delegations::emptied(&json!({})),
        "No role names any tag.";
    TagsNull "tags-null" Refused Versions UNRELEASED, delegations::emptied(&Value::Null),
        "The entries of all roles are null.";

    // Roots.
    RotationNotBySuccessor "rotation-not-by-successor" Refused Passing &[RootUntrusted],
        roots::not_by_its_own(), "The next root names a root key that did not sign it.";
    RootWithoutTargets "root-without-targets" Refused Passing &[InvalidMetadata],
        roots::without("targets"), "The root says nothing of targets.";
    RootWithoutRoot "root-without-root" Refused Passing &[InvalidMetadata], roots::without("root"),
        "The root says nothing of itself.";
    OtherCollection "other-collection" Refused Passing &[RootUntrusted, RootChanged, Signature],
        roots::of_another_collection(), "Another collection is served in the place of this one.";

    // Genuine, but old, withheld, mixed, or said in two ways.
    Rollback "rollback" Genuine Passing OLD, stale::rollback(),
        "The publication before is served again.";
    RollbackToFirst "rollback-to-first" Genuine Passing OLD, stale::rollback_to_first(),
        "The first publication is served again.";
    RollbackTimestamp "rollback-timestamp" Genuine Passing OLD, stale::old_timestamp(),
        "The timestamp before is served, and all else as it is.";
    RollbackTargets "rollback-targets" Genuine Versions ODD,
        stale::old_resigned("targets"), "A new snapshot names an old document targets.";
    RollbackSnapshot "rollback-snapshot" Genuine Versions OLD, stale::old_resigned("snapshot"),
        "A new timestamp names an old snapshot.";
    RollbackReleases "rollback-releases" Genuine Versions ODD,
        stale::old_resigned("targets/releases"),
        "A new snapshot names an old document targets/releases.";
    Freeze "freeze" Genuine Passing &[Expired], stale::freeze(),
        "What is served now stays, whatever is published.";
    MixOldSnapshot "mix-old-snapshot" Genuine Passing &[Checksum, Oversize],
        stale::old_body("snapshot"), "An old snapshot stands under the name of the newest.";
    MixOldTargets "mix-old-targets" Genuine Passing &[Checksum, Oversize],
        stale::old_body("targets"), "An old document targets stands under the name of the newest.";
    MixOldReleases "mix-old-releases" Genuine Passing &[Checksum, Oversize],
        stale::old_body("targets/releases"),
        "An old document targets/releases stands under the name of the newest.";
    MixFirstRoot "mix-first-root" Genuine Passing &[RootChanged, Signature], roots::first(),
        "The first root stands in the place of the newest.";
    EquivocationTimestamp "equivocation-timestamp" Genuine Versions &[Equivocation],
        stale::equivocation("timestamp"), "There are two timestamps of one version.";
    EquivocationSnapshot "equivocation-snapshot" Genuine Versions &[Equivocation],
        stale::equivocation("snapshot"), "There are two snapshots of one version.";
    EquivocationTargets "equivocation-targets" Genuine Versions &[Equivocation],
        stale::equivocation("targets"), "There are two documents targets of one version.";
    EquivocationReleases "equivocation-releases" Genuine Versions &[Equivocation],
        stale::equivocation("targets/releases"),
        "There are two documents targets/releases of one version.";
    EquivocationRoot "equivocation-root" Genuine Root &[RootChanged],
        roots::of_the_same_version(), "There are two roots of one version.";
    RotationStepMissing "rotation-step-missing" Genuine Root &[RootChanged],
        roots::step_missing(), "Of two rotations the first is not there.";
    RotationStepSkipped "rotation-step-skipped" Genuine Root &[RootRotation],
        roots::step_skipped(), "The root after the next one stands in its place.";
    WithheldReleases "withheld-releases" Genuine Versions UNRELEASED, stale::without_releases(),
        "A new snapshot does not name targets/releases.";
    WithheldSigners "withheld-signers" Genuine Versions &[SignerMissing], stale::without_signers(),
        "A new snapshot names no signer's role.";
    SignersDisagree "signers-disagree" Genuine Versions &[SignersDisagree],
        stale::signers_disagree(),
        "Signers name another image than is released.";
    GoneTargets "gone-targets" Genuine Passing &[MissingDocument], stale::gone("targets"),
        "The document targets is lost.";
    GoneRoot "gone-root" Genuine Passing &[NotSigned], stale::gone("root"), "The root is lost.";

    // Impostors.
    Impostor "impostor" Impostor Root STRANGE, impostors::impostor(&PLAIN),
        "The whole collection is somebody else's.";
    ImpostorAhead "impostor-ahead" Impostor Root STRANGE,
        impostors::impostor(&Disguise { versions: 1_000_000, ..PLAIN }),
        "The whole collection is somebody else's, at versions far ahead.";
    ImpostorRotation "impostor-rotation" Impostor Root STRANGE,
        impostors::impostor(&Disguise { rotations: 1, ..PLAIN }),
        "The next root hands over to somebody else, who alone signed it.";
    ImpostorWildcard "impostor-wildcard" Impostor Root STRANGE,
        impostors::impostor(&Disguise { wildcard: true, ..PLAIN }),
        "Somebody else's certificate is for all collections of the namespace.";
    ImpostorListsSigners "impostor-lists-signers" Impostor Root STRANGE,
        impostors::impostor(&Disguise { signers: true, ..PLAIN }),
        "Somebody else's collection lists the genuine signers beside another.";

    // Unusual, and yet the same.
    PrettyTimestamp "pretty-timestamp" Harmless Passing NONE,
        harmless::timestamp(|it| Ok(pretty(&it.document()))),
        "The timestamp has blanks and line ends.";
    EscapedTimestamp "escaped-timestamp" Harmless Passing NONE,
        harmless::timestamp(|it| Ok(escaped(&it.document()))),
        "The timestamp is in another order, and every letter escaped.";
    MemberBesideSigned "member-beside-signed" Harmless Passing NONE, harmless::beside(),
        "Entries stand beside what is signed.";
    SignaturesOdd "signatures-odd" Harmless Passing NONE, harmless::signatures(),
        "A stranger's signature goes before the genuine one, which comes twice, in capitals.";
    PrettyEverything "pretty-everything" Harmless Versions NONE, harmless::everything(pretty),
        "Every document has blanks and line ends.";
    EscapedEverything "escaped-everything" Harmless Versions NONE, harmless::everything(escaped),
        "Every document is in another order, and every letter escaped.";
    MembersUnknown "members-unknown" Harmless Versions NONE,
        harmless::published(|_, signed| signed["remark"] = json!({"b": [CANARY], "a": "<é>"})),
        "Members nobody knows are among what is signed.";
    ExpiresLate "expires-late" Harmless Versions NONE,
        harmless::published(|_, signed| signed["expires"] = json!(LATE)),
        "Everything expires in the year 9999, in another time zone.";
    VersionsAhead "versions-ahead" Harmless Versions NONE,
        harmless::versions_ahead(),
        "Versions are a million ahead.";
    DigestsOdd "digests-odd" Harmless Versions NONE, harmless::digests(),
        "Documents are named without SHA-512, and by a digest nobody knows.";
    TagsNeighbouring "tags-neighbouring" Harmless Versions NONE, harmless::neighbours(),
        "Names that are almost those of tags name the image nobody signed.";
    TargetsDiffer "targets-differ" Harmless Versions NONE, harmless::base_differs(),
        "The document targets names another image than targets/releases.";
    RolesIdle "roles-idle" Harmless Versions NONE, harmless::idle_roles(),
        "Roles that release nothing name the image nobody signed.";
}
