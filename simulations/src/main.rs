//! The command: `cargo run --release -p portreeve-simulations -- swarm --runs 1000`.

mod command;

fn main() -> std::process::ExitCode {
    command::main()
}
