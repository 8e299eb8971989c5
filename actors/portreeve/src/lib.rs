//! The `portreeve` command: the command line, and one module per subcommand.

mod bundle;
mod ca_flag;
pub mod check;
mod cli;
mod crds;
mod demo;
mod error;
mod explain;
mod gencerts;
mod policy;
mod replay;
mod seal;
mod serve;
mod terminal;
mod trust;

use std::ffi::OsString;
use std::process::ExitCode;

pub use error::CommandError;

/// A review allocates a few hundred times on one thread and is freed on another, which glibc's
/// allocator answers with locks and consolidation.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs what the command line of this process asks for.
#[must_use]
pub fn run() -> ExitCode {
    run_words(std::env::args_os())
}

/// Runs what the words of a command line ask for, the name of the program first.
#[must_use]
pub fn run_words(words: impl IntoIterator<Item = OsString>) -> ExitCode {
    provide_cryptography();
    cli::run(words)
}

/// Makes aws-lc-rs the provider of all TLS of this process.
pub(crate) fn provide_cryptography() {
    // An error means that a provider is installed already, and there is only one that it could be.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
}
