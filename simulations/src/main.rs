//! The command: `cargo run --release -p portreeve-simulations -- swarm --runs 1000`.

mod command;

// Runs make and drop millions of small things.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    command::main()
}
