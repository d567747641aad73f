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

fn main() -> ExitCode {
    ops::keep_files_private();
    let arguments = cli::read(std::env::args_os());
    exit::report(commands::run(&arguments))
}
