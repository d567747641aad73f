//! The program `countersign`: it serves, and it lets an operator look and act. What it does lives in the
//! library.

mod cli;
mod commands;
mod exit;
mod ops;
mod output;
mod serve;
mod settings;
mod telemetry;

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A request is begun on one thread and often answered on another, which then frees what the first has allocated. The C
/// library's allocator does that under a lock, and takes a long way for what is larger than a kilobyte, as most maps of
/// headers are (docs/decisions).
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    ops::keep_files_private();
    let arguments = cli::read(std::env::args_os());
    exit::report(commands::run(&arguments))
}
