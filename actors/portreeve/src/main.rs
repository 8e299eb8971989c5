//! The `portreeve` command; see [`cli`] for what it offers.

mod cli;
mod demo;
mod error;
mod explain;
mod replay;
mod serve;
mod terminal;

use std::process::ExitCode;

fn main() -> ExitCode {
    // An error means that a provider is installed already, and there is only one that it could be.
    drop(rustls::crypto::aws_lc_rs::default_provider().install_default());
    cli::run()
}
