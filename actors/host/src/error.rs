//! Why the host could not do something.

use std::path::PathBuf;

use portreeve_protocol::NodeId;

/// One enum for the crate; each variant says what was tried and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file or directory could not be used.
    #[error("{what} {}: {source}", path.display())]
    File {
        /// What was tried, such as `cannot read`.
        what: &'static str,
        /// Which file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another process uses the journal.
    #[error(
        "the journal {} is in use by another process: stop it, or choose another --data-dir",
        path.display()
    )]
    JournalInUse {
        /// The journal's directory.
        path: PathBuf,
    },
    /// Another process uses the directory of trust.
    #[error(
        "the trust state {} is in use by another process: wait for it, or use another --state",
        path.display()
    )]
    StateInUse {
        /// The directory.
        path: PathBuf,
    },
    /// What is kept of earlier trust cannot be used.
    #[error(
        "the trust state {} is spoilt: {why}; find out what happened to it before you remove it",
        path.display()
    )]
    StateSpoilt {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The socket of a running node cannot be used.
    #[error("the operator's socket {}: {why}; is `portreeve serve` running there?", path.display())]
    Control {
        /// The socket.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A notary fetcher did not answer its operator.
    #[error("the fetcher of {server} does not answer; look at the node's log and try again")]
    Silent {
        /// The trust server.
        server: String,
    },
    /// No fetcher can be made for one more trust server.
    #[error("too many trust servers are in use; restart the node, or name fewer in policies")]
    TooManyServers,
    /// The journal was written by a node of another name.
    #[error(
        "the journal {} is that of node {}: start that node on it, or give node {} a data \
         directory of its own",
        path.display(), found.as_str(), wanted.as_str()
    )]
    OtherNode {
        /// Whose journal it is.
        found: NodeId,
        /// The journal's directory.
        path: PathBuf,
        /// The node that was to be started.
        wanted: NodeId,
    },
    /// What earlier incarnations left in the journal cannot be taken over.
    #[error("the journal of earlier runs cannot be taken over: {0}")]
    Recovery(#[from] portreeve_replay::ReplayError),
    /// A thread of the node could not be started, or ended before its time.
    #[error("the {thread} thread could not be run: {why}; look at the limits of this process")]
    Thread {
        /// Which thread.
        thread: &'static str,
        /// What the operating system said.
        why: String,
    },
    /// The configuration file cannot be obeyed.
    #[error("the configuration {}: {why}", path.display())]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, naming the key where one is.
        why: String,
    },
    /// A setting, of the file or of a flag, cannot be obeyed.
    #[error("the setting `{key}`: {why}")]
    Setting {
        /// The key, as the file would spell it.
        key: &'static str,
        /// What is wrong with it and what is expected.
        why: String,
    },
    /// The file of keys that seals are made with cannot be used.
    #[error(
        "the keys of seals in {}: {why}; `portreeve seal keygen FILE` makes such a file",
        path.display()
    )]
    SealKeys {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate, private key or CA file cannot be used.
    #[error("{what} {}: {why}", path.display())]
    Tls {
        /// What the file was to hold, such as `the certificate chain in`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A certificate or its Secret cannot be made use of, or not be made.
    #[error("the certificate: {why}")]
    Certificates {
        /// What is wrong, and what to do.
        why: String,
    },
    /// The cluster's API server cannot be made use of.
    #[error("the cluster: {why}")]
    Cluster {
        /// What is wrong, and what to do.
        why: String,
    },
    /// A socket cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another process using it?")]
    Listen {
        /// The address asked for.
        address: std::net::SocketAddr,
        /// What the operating system said.
        source: std::io::Error,
    },
}
