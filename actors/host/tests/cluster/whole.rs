//! A whole server whose objects come from a cluster.

use std::path::Path;

use portreeve_host::clock::Clock;
use portreeve_host::cluster::{Cluster, ClusterOptions};
use portreeve_host::config::{Config, ObjectSource, Overrides};
use portreeve_host::serve::serve;
use portreeve_lab::LoopbackTls;

use crate::server::{ApiServer, CLUSTER, in_time};
use crate::{name, policy};

fn config(files: &Path, kubeconfig: &str) -> Config {
    let tls = LoopbackTls::new().unwrap();
    let write = |name: &str, content: &str| {
        std::fs::write(files.join(name), content).unwrap();
        files.join(name)
    };
    let overrides = Overrides {
        data_dir: Some(files.join("data")),
        drain_delay: Some("0s".to_owned()),
        kubeconfig: Some(write("kubeconfig", kubeconfig)),
        listen: Some("127.0.0.1:0".to_owned()),
        tls_cert: Some(write("tls.crt", &tls.certificate_pem())),
        tls_key: Some(write("tls.key", &tls.key_pem())),
        ..Overrides::default()
    };
    Config::load(None, overrides).unwrap()
}

fn silent() -> slog::Logger {
    slog::Logger::root(slog::Discard, slog::o!())
}

#[tokio::test]
async fn a_server_starts_while_the_api_server_is_down_and_is_ready_when_policies_were_listed() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    server.down(true);
    let files = tempfile::tempdir().unwrap();
    let config = config(files.path(), &server.kubeconfig());
    let running = Box::pin(serve(config, Clock::system(), silent())).await.unwrap();
    assert!(!running.health().ready());
    server.down(false);
    in_time("readiness", running.ready()).await;
    in_time("the end", running.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_cluster_that_cannot_be_reached_by_its_configuration_is_refused_with_what_to_do() {
    let files = tempfile::tempdir().unwrap();
    let why = async |content: &str| {
        let path = files.path().join("kubeconfig");
        std::fs::write(&path, content).unwrap();
        let options = ClusterOptions { kubeconfig: Some(path) };
        Cluster::connect(&options).await.err().map(|error| error.to_string()).unwrap()
    };
    let text = why("{}").await;
    assert!(text.contains("kubeconfig") && text.contains("current context"), "{text}");
    let text = why("[").await;
    assert!(text.contains("kubeconfig"), "{text}");
    let missing = ClusterOptions { kubeconfig: Some(files.path().join("none")) };
    let text = Cluster::connect(&missing).await.err().unwrap().to_string();
    assert!(text.contains("none"), "{text}");
    let text = Cluster::connect(&ClusterOptions::default()).await.err().unwrap().to_string();
    assert!(text.contains("--kubeconfig FILE") && text.contains("--objects DIR"), "{text}");
}

#[tokio::test]
async fn policies_are_read_once_and_nothing_is_written() {
    let server = ApiServer::start().await;
    server.apply(CLUSTER, policy(None, "all", "*"));
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("kubeconfig");
    std::fs::write(&path, server.kubeconfig()).unwrap();
    let options = ClusterOptions { kubeconfig: Some(path) };
    let cluster = Cluster::connect(&options).await.unwrap();
    let objects = in_time("the policies", cluster.read("portreeve")).await.unwrap();
    assert_eq!(objects.iter().map(name).collect::<Vec<_>>(), ["ClusterImagePolicy all"]);
    server.down(true);
    let error = in_time("an error", cluster.read("portreeve")).await.unwrap_err().to_string();
    assert!(error.contains("policies."), "{error}");
    assert!(server.asked("PATCH").is_empty());
}

#[test]
fn objects_come_from_a_directory_or_a_cluster_and_never_from_both() {
    let flags = |objects: Option<&str>, kubeconfig: Option<&str>| Overrides {
        kubeconfig: kubeconfig.map(Into::into),
        objects: objects.map(Into::into),
        tls_cert: Some("c".into()),
        tls_key: Some("k".into()),
        ..Overrides::default()
    };
    let source = |flags: Overrides| Config::load(None, flags).map(|config| config.objects);
    let cluster = |file: Option<&str>| {
        ObjectSource::Cluster(ClusterOptions { kubeconfig: file.map(Into::into) })
    };
    assert_eq!(source(flags(None, None)).unwrap(), cluster(None));
    assert_eq!(source(flags(None, Some("f"))).unwrap(), cluster(Some("f")));
    let directory = ObjectSource::Directory("d".into());
    assert_eq!(source(flags(Some("d"), None)).unwrap(), directory);
    let error = source(flags(Some("d"), Some("f"))).unwrap_err().to_string();
    assert!(error.contains("--objects DIR") && error.contains("choose one"), "{error}");
}
