//! What a file and flags come to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use portreeve_protocol::settings::TrustServerRule;
use slog::Level;

use super::*;

fn needed() -> Overrides {
    Overrides {
        objects: Some("objects".into()),
        tls_cert: Some("tls.crt".into()),
        tls_key: Some("tls.key".into()),
        ..Overrides::default()
    }
}

fn load(text: &str, flags: Overrides) -> Result<Config, HostError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    Config::load(Some(&path), flags)
}

fn message(result: Result<Config, HostError>) -> String {
    result.expect_err("an error").to_string()
}

#[test]
fn without_file_and_flags_the_defaults_hold() {
    let config = Config::load(None, needed()).unwrap();
    assert_eq!(config.listen.to_string(), "0.0.0.0:8443");
    assert_eq!(config.metrics_listen, None);
    assert_eq!(config.data_dir, Path::new("/var/lib/portreeve"));
    assert_eq!(config.journal_dir, Path::new("/var/lib/portreeve/journal"));
    assert_eq!((config.durability, config.log), (Durability::Group, LogFormat::Json));
    assert_eq!(config.log_level, Level::Info);
    let docker = config.allow_realm.get("notary.docker.io");
    assert!(docker.is_some_and(|hosts| hosts.contains("auth.docker.io")));
    let defaults = Settings::default();
    let sorted = Settings { trust_servers: config.settings.trust_servers.clone(), ..defaults };
    assert_eq!(config.settings, sorted);
}

#[test]
fn every_key_of_the_file_is_obeyed() {
    let config = load(
        "\
allowRealm: ['https://notary.example:4443=auth.example']
allowTrustServer: ['https://Notary.Example:4443/']
approvedOnly: true
clientCa: client.crt
dataDir: /data
drainDelay: 7s
durability: process
freshness: 1m
listen: 127.0.0.1:1
log: term
logLevel: debug
metricsListen: 127.0.0.1:2
node: web-1
objects: /objects
operatorNamespace: security
requirePins: true
tlsCert: a.crt
tlsKey: a.key
trustCa: [ca.crt]
trustServerCAs: {'https://Notary.example:4443': [n.crt], notary.example: [m.crt]}
trustServers: {registry.example: 'https://n.example/'}
",
        Overrides::default(),
    )
    .unwrap();
    assert!(config.allow_realm["notary.example:4443"].contains("auth.example"));
    let settings = &config.settings;
    assert_eq!(Vec::from_iter(&settings.approved_servers), ["https://notary.example:4443"]);
    assert!(settings.approved_only && settings.require_pins);
    assert_eq!(settings.freshness, 60_000_000);
    assert_eq!(settings.operator_namespace, "security");
    assert_eq!(config.drain_delay, 7_000_000);
    assert!(settings.client_required, "a client CA means that clients are known by it");
    assert_eq!(config.client_ca.as_deref(), Some(Path::new("client.crt")));
    assert_eq!(config.journal_dir, Path::new("/data/journal"));
    assert_eq!((config.durability, config.log), (Durability::Process, LogFormat::Term));
    assert_eq!(config.log_level, Level::Debug);
    assert_eq!(config.listen.port(), 1);
    assert_eq!(config.metrics_listen.map(|address| address.port()), Some(2));
    assert_eq!(config.node.as_str(), "web-1");
    assert_eq!(config.objects, ObjectSource::Directory("/objects".into()));
    assert_eq!((config.tls_cert, config.tls_key), ("a.crt".into(), "a.key".into()));
    assert_eq!(config.trust_ca, [Path::new("ca.crt")]);
    let of_host = |host: &str| config.trust_server_cas[host].clone();
    assert_eq!(of_host("notary.example:4443"), [Path::new("n.crt")]);
    assert_eq!(of_host("notary.example"), [Path::new("m.crt")]);
}

#[test]
fn metrics_are_served_on_a_port_of_their_own() {
    let with = |listen: &str, metrics: &str| {
        let (listen, metrics_listen) = (Some(listen.to_owned()), Some(metrics.to_owned()));
        load("", Overrides { listen, metrics_listen, ..needed() })
    };
    for (listen, metrics) in [
        ("127.0.0.1:8443", "127.0.0.1:8443"),
        ("0.0.0.0:8443", "127.0.0.1:8443"),
        ("[::1]:8443", "[::]:8443"),
    ] {
        let refused = with(listen, metrics).unwrap_err().to_string();
        assert!(
            refused.contains("`metricsListen`") && refused.contains("another port"),
            "{refused}"
        );
    }
    for (listen, metrics) in [
        ("127.0.0.1:0", "127.0.0.1:0"),
        ("0.0.0.0:8443", "0.0.0.0:9443"),
        ("127.0.0.1:8443", "127.0.0.2:8443"),
    ] {
        assert!(with(listen, metrics).is_ok(), "{listen} {metrics}");
    }
}

#[test]
fn flags_override_the_file_and_add_to_its_lists() {
    let flags = Overrides {
        allow_trust_server: vec!["https://b.example".to_owned()],
        listen: Some("127.0.0.1:7".to_owned()),
        trust_ca: vec!["b.crt".into()],
        ..needed()
    };
    let file = "\
listen: 127.0.0.1:1
tlsCert: file.crt
allowTrustServer: ['https://a.example']
trustCa: [a.crt]
";
    let config = load(file, flags).unwrap();
    assert_eq!(config.listen.port(), 7);
    assert_eq!(config.tls_cert, Path::new("tls.crt"));
    let approved = Vec::from_iter(config.settings.approved_servers);
    assert_eq!(approved, ["https://a.example", "https://b.example"]);
    assert_eq!(config.trust_ca, [Path::new("a.crt"), Path::new("b.crt")]);
}

#[test]
fn an_unknown_or_doubled_key_is_an_error_that_names_it() {
    let unknown = message(load("listne: 127.0.0.1:1\n", needed()));
    assert!(unknown.contains("config.yaml") && unknown.contains("listne"), "{unknown}");
    let doubled = message(load("log: json\nlog: term\n", needed()));
    assert!(doubled.contains("log"), "{doubled}");
}

#[test]
fn an_empty_file_is_as_good_as_none() {
    assert_eq!(load("# nothing\n\n", needed()).unwrap(), Config::load(None, needed()).unwrap());
}

#[test]
fn what_is_needed_and_missing_is_named_with_its_flag() {
    for (flags, flag) in [
        (Overrides { tls_cert: None, ..needed() }, "--tls-cert FILE"),
        (Overrides { tls_key: None, ..needed() }, "--tls-key FILE"),
    ] {
        let text = message(Config::load(None, flags));
        assert!(text.contains(flag), "{text}");
    }
}

#[test]
fn a_value_that_cannot_be_obeyed_is_named_with_what_is_expected() {
    for (line, expected) in [
        ("listen: '8443'", "the setting `listen`: `8443` is not an address with port"),
        ("metricsListen: x", "the setting `metricsListen`: `x` is not an address with port"),
        ("durability: always", "the setting `durability`: `always` is not group or process"),
        ("drainDelay: 5", "the setting `drainDelay`: `5` is not a duration such as 5s"),
        ("drainDelay: 61s", "the setting `drainDelay`: `61s` is not a duration such as 5s, at m"),
        ("journalMaxBytes: 268435455", "the setting `journalMaxBytes`: 268435455 is too little; 2"),
        ("journalMaxAge: 30d", "the setting `journalMaxAge`: `30d` is not a duration such as 720h"),
        ("log: xml", "the setting `log`: `xml` is not json or term"),
        ("logLevel: loud", "the setting `logLevel`: `loud` is not critical, error,"),
        ("freshness: '30'", "the setting `freshness`: `30` is not a duration such as 30s"),
        ("node: A B", "the setting `node`: `A B` is not a node name"),
        ("operatorNamespace: 'a/b'", "the setting `operatorNamespace`: `a/b` is not the name"),
        ("allowRealm: [a]", "the setting `allowRealm`: `a` is not SERVER=HOST"),
        ("allowRealm: ['a=']", "the setting `allowRealm`: `a=` is not SERVER=HOST"),
        ("allowTrustServer: [n.example]", "the setting `allowTrustServer`: `n.example`: "),
        ("trustServerCAs: {'a b': []}", "the setting `trustServerCAs`: `a b` is not a host"),
        ("trustServers: {a: b}", "the setting `trustServers`: `b`: "),
    ] {
        let text = message(load(line, needed()));
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn the_operators_pins_and_patience_come_from_the_file() {
    let id = "ab".repeat(32);
    let file = format!("maxStaleness: 10m\npins: {{'r.example/team/*': ['{id}']}}\n");
    let settings = load(&file, needed()).unwrap().settings;
    assert_eq!(settings.max_staleness, 600_000_000);
    assert_eq!(settings.pins["r.example/team/*"].first().unwrap().to_hex(), id);
    for (line, expected) in [
        ("maxStaleness: soon", "the setting `maxStaleness`: `soon` is not a duration"),
        ("pins: {'r.example/te*m': []}", "the setting `pins`: `r.example/te*m` is neither"),
        ("pins: {r.example/app: []}", "the setting `pins`: a pin names at least one key id"),
        ("pins: {r.example/app: [AB]}", "the setting `pins`: `AB` is not a key id"),
        ("pinCAs: {r.example: /nonexistent.pem}", "cannot read /nonexistent.pem: "),
    ] {
        let text = message(load(line, needed()));
        assert!(text.starts_with(expected), "{text}");
    }
}

#[test]
fn how_much_of_the_journal_is_kept_comes_from_the_file_and_flags_over_it() {
    let nothing = Config::load(None, needed()).unwrap().retention;
    assert_eq!(nothing, Retention { max_age: None, max_bytes: 1 << 30, min_free: 256 << 20 });
    let file = "journalMaxAge: 720h\njournalMaxBytes: 268435456\njournalMinFree: 0\n";
    let day = std::time::Duration::from_secs(86_400);
    let of_file =
        Retention { max_age: Some(30 * day), max_bytes: 4 * limits::SEGMENT_BYTES, min_free: 0 };
    assert_eq!(load(file, needed()).unwrap().retention, of_file);
    let flags = Overrides {
        journal_max_age: Some("24h".to_owned()),
        journal_max_bytes: Some(1 << 40),
        journal_min_free: Some(7),
        ..needed()
    };
    let of_flags = Retention { max_age: Some(day), max_bytes: 1 << 40, min_free: 7 };
    assert_eq!(load(file, flags).unwrap().retention, of_flags);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = message(Config::load(Some(Path::new("/nonexistent.yaml")), needed()));
    assert!(missing.starts_with("cannot read /nonexistent.yaml: "), "{missing}");
    let large = message(load(&" ".repeat(1 << 21), needed()));
    assert!(large.contains("too many for a configuration"), "{large}");
}

#[test]
fn the_trust_server_map_is_extended_replaced_and_cut_by_registry() {
    let file = "\
trustServers:
  quay.io: null
  docker.io: https://mirror.example/
  .corp.example: https://{host}:4443
  .deep.corp.example: https://deep.example
";
    let rules = load(file, needed()).unwrap().settings.trust_servers;
    let rule = |registry: &str, server: &str| TrustServerRule {
        registry: registry.to_owned(),
        server: server.to_owned(),
    };
    let expected = [
        rule("docker.io", "https://mirror.example"),
        rule("icr.io", "https://icr.io:4443"),
        rule(".deep.corp.example", "https://deep.example"),
        rule(".corp.example", "https://{host}:4443"),
        rule(".bluemix.net", "https://{host}:4443"),
        rule(".icr.io", "https://{host}:4443"),
    ];
    assert_eq!(rules, expected);
}
