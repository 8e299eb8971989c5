//! The `portreeve` command; the library beside it holds what it offers.

use std::process::ExitCode;

fn main() -> ExitCode {
    portreeve_command::run()
}
