//! What a trust bundle may say, and which anchor counts for a GUN.
#![allow(clippy::unwrap_used)]

use portreeve_protocol::anchors::{Anchor, AnchorDefaults, TrustAnchors};
use portreeve_protocol::bundle_reason::BundleCode;
use serde_json::{Value, json};

fn parse(text: &Value) -> Result<TrustAnchors, String> {
    TrustAnchors::parse(text.to_string().as_bytes())
}

fn guns(guns: &[&str]) -> Result<TrustAnchors, String> {
    let anchors: Vec<_> = guns.iter().map(|gun| json!({"gun": gun})).collect();
    parse(&json!({"format": 1, "anchors": anchors}))
}

fn one(anchor: Value) -> Result<TrustAnchors, String> {
    let mut anchor = anchor;
    anchor["gun"] = json!("registry.example/app");
    parse(&json!({"format": 1, "anchors": [anchor]}))
}

#[test]
fn the_exact_gun_wins_over_the_longest_prefix() {
    let anchors = guns(&["r.example/*", "r.example/team/*", "r.example/team/app"]).unwrap();
    let gun = |name: &str| anchors.anchor(name).map(|anchor| anchor.gun.clone());
    assert_eq!(gun("r.example/team/app").as_deref(), Some("r.example/team/app"));
    assert_eq!(gun("r.example/team/other").as_deref(), Some("r.example/team/*"));
    assert_eq!(gun("r.example/team/deep/er").as_deref(), Some("r.example/team/*"));
    assert_eq!(gun("r.example/x").as_deref(), Some("r.example/*"));
    assert_eq!(gun("other.example/x"), None);
}

#[test]
fn a_prefix_covers_whole_path_segments_only() {
    let anchors = guns(&["r.example/team/*"]).unwrap();
    assert_eq!(anchors.anchor("r.example/team-evil/app"), None);
    assert_eq!(anchors.anchor("r.example/team"), None);
}

#[test]
fn a_gun_that_would_never_be_met_is_refused_with_the_spelling_that_is() {
    for (wrong, right) in [
        ("docker.io/nginx", "docker.io/library/nginx"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx"),
        ("registry.example:443/app", "registry.example/app"),
        ("registry.example:443/*", "registry.example/*"),
    ] {
        let why = guns(&[wrong]).unwrap_err();
        assert!(why.contains(&format!("`{right}`")), "{wrong}: {why}");
    }
    for gun in ["docker.io/library/*", "docker.io/*", "localhost:5000/*", "r.example/a/b"] {
        guns(&[gun]).unwrap();
    }
    for gun in ["", "*", "r.example/te*m/app", "r.example/team*", "r.example//a", "a b/c", "A/*/b"]
    {
        assert!(guns(&[gun]).is_err(), "{gun:?}");
    }
}

#[test]
fn whatever_is_named_twice_is_refused() {
    assert!(guns(&["r.example/a", "r.example/a"]).unwrap_err().contains("named twice"));
    let head = r#"{"format":1,"anchors":[{"gun":"r.example/a","#;
    for twice in [r#""gun":"r.example/a"}]}"#, r#""floors":{"root":1,"root":2}}]}"#] {
        assert!(TrustAnchors::parse(format!("{head}{twice}").as_bytes()).is_err(), "{twice}");
    }
    let twice = json!([{"url": "https://n.example"}, {"url": "https://n.example"}]);
    assert!(parse(&json!({"format": 1, "anchors": [], "trustServers": twice})).is_err());
    let key = json!({"name": "alice", "publicKey": "x"});
    assert!(one(json!({"signers": [key, key]})).is_err());
}

#[test]
fn what_is_not_understood_is_refused_and_named() {
    for (anchor, says) in [
        (json!({"rootKeyIDs": []}), "rootKeyIDs"),
        (json!({"rootKeyIds": ["AB"]}), "SHA-256"),
        (json!({"freshness": "soon"}), "soon"),
        (json!({"freshness": "721h"}), "thirty days"),
        (json!({"maxStaleness": 3}), "string"),
        (json!({"trustServer": "http://n.example"}), "https"),
        (json!({"trustServer": "https://n.example/"}), "slash"),
        (json!({"trustServer": "https://N.example"}), "lower case"),
        (json!({"trustServer": "https://u@n.example"}), "user"),
        (json!({"rootCA": "nothing"}), "certificate"),
        (json!({"floors": {"mirror": 1}}), "mirror"),
        (json!({"floors": {"root": -1}}), "u64"),
        (json!({"firstUse": true, "rootKeyIds": ["0".repeat(64)]}), "firstUse"),
    ] {
        let why = one(anchor.clone()).unwrap_err();
        assert!(why.contains(says), "{anchor}: {why}");
    }
    for text in ["", "{}", "[]", r#"{"format":1}"#, r#"{"anchors":[]}"#] {
        assert!(TrustAnchors::parse(text.as_bytes()).is_err(), "{text}");
    }
    assert!(parse(&json!({"format": 2, "anchors": []})).unwrap_err().contains("format 2"));
    assert!(TrustAnchors::parse(br#"{"format":1,"anchors":[]}x"#).is_err());
}

#[test]
fn bounds_are_kept() {
    let ids: Vec<_> = (0..65).map(|number| format!("{number:064x}")).collect();
    assert!(one(json!({"rootKeyIds": ids})).unwrap_err().contains("64 may be"));
    let long = format!("-----BEGIN CERTIFICATE-----{}", "x".repeat(65_537));
    assert!(one(json!({"rootCA": long})).unwrap_err().contains("longer"));
    let many: Vec<_> =
        (0..16_385).map(|number| json!({"gun": format!("r.example/{number}")})).collect();
    assert!(parse(&json!({"format": 1, "anchors": many})).unwrap_err().contains("16384 may be"));
    let blanks = " ".repeat(16 << 20);
    assert!(
        TrustAnchors::parse(format!("{{{blanks}}}").as_bytes()).unwrap_err().contains("longer")
    );
}

#[test]
fn what_an_anchor_leaves_out_the_defaults_say() {
    let mut anchors = TrustAnchors::empty();
    anchors.defaults =
        AnchorDefaults { first_use: true, freshness: Some("1m".to_owned()), max_staleness: None };
    anchors.anchors = vec![
        Anchor {
            first_use: Some(false),
            freshness: Some("5s".to_owned()),
            gun: "r.example/strict".to_owned(),
            ..Anchor::default()
        },
        Anchor { gun: "r.example/plain".to_owned(), ..Anchor::default() },
    ];
    let anchors = TrustAnchors::parse(anchors.text().unwrap().as_bytes()).unwrap();
    let found = |gun: &str| (anchors.root(gun).first_use, anchors.freshness(gun));
    assert_eq!(found("r.example/strict"), (false, Some(5_000_000)));
    assert_eq!(found("r.example/plain"), (true, Some(60_000_000)));
    assert_eq!(found("r.example/other"), (true, Some(60_000_000)));
    assert_eq!(anchors.max_staleness("r.example/strict"), None);
}

const PAGE: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bundle-format.md"));

#[test]
fn the_page_of_the_format_has_every_code_with_its_meaning_and_advice() {
    for code in BundleCode::ALL {
        let row = format!("| `{}` | {} | {} |", code.code(), code.meaning(), code.advice());
        assert!(PAGE.lines().any(|line| line == row), "docs/bundle-format.md lacks: {row}");
    }
}

#[test]
fn the_page_of_the_format_names_every_member() {
    let anchor = json!({
        "gun": "r.example/a", "rootKeyIds": ["0".repeat(64)], "firstUse": false,
        "signers": [{"name": "a", "publicKey": "x"}], "trustServer": "https://n.example",
        "floors": {"root": 1}, "freshness": "1s", "maxStaleness": "1s", "required": true,
        "policyMayLoosen": true,
    });
    let ca = json!({"gun": "r.example/b", "rootCA": "-----BEGIN CERTIFICATE-----"});
    let servers = json!([{"url": "https://n.example", "ca": "-----BEGIN CERTIFICATE-----"}]);
    let whole = json!({"format": 1, "anchors": [anchor, ca], "trustServers": servers,
        "defaults": {"firstUse": true, "freshness": "1s", "maxStaleness": "1s"}});
    // What is written has every member that is read, and nothing is lost on the way.
    let written: Value = serde_json::to_value(parse(&whole).unwrap()).unwrap();
    assert_eq!(written, whole);
    fn names(value: &Value, into: &mut Vec<String>) {
        for (name, inner) in value.as_object().into_iter().flatten() {
            into.push(name.clone());
            names(inner, into);
        }
        value.as_array().into_iter().flatten().for_each(|inner| names(inner, into));
    }
    let mut all = Vec::new();
    names(&whole, &mut all);
    for name in all.iter().filter(|name| *name != "root") {
        let quoted = PAGE.contains(&format!("`{name}`")) || PAGE.contains(&format!("\"{name}\""));
        assert!(quoted, "docs/bundle-format.md does not name `{name}`");
    }
}
