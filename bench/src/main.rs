//! Measures the real program beside the ceilings that this machine sets, in the same run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool speaks by printing")]

// Words: no input, no output.
mod histogram;
mod wire;
mod chain;
mod dice;
mod figures;
mod report;

// Ground: what every measurement stands on.
mod machine;
mod load;
mod server;
mod api;
mod postgres {
    //! PostgreSQL in a cluster of our own, populated.
    pub(crate) mod cluster;
    pub(crate) mod population;
    pub(crate) mod site;
}
mod lab;

mod ceilings {
    //! What the machine could do at best, with nothing of the service in the way.
    pub(crate) mod argon2;
    pub(crate) mod disk;
    pub(crate) mod hyper;
    pub(crate) mod pgbench;
    pub(crate) mod sqlite;
}

mod scenarios {
    //! The measurements, one file for each.
    pub(crate) mod fsync;
    pub(crate) mod limits;
    pub(crate) mod me;
    pub(crate) mod refresh;
    pub(crate) mod sign_in;
    pub(crate) mod start;
    pub(crate) mod storm;
    pub(crate) mod sweep;

    pub(crate) mod postgres {
        //! The same on PostgreSQL, and what only it has.
        pub(crate) mod growth;
        pub(crate) mod me;
        pub(crate) mod nodes;
        pub(crate) mod refresh;
        pub(crate) mod sign_in;
        pub(crate) mod split;
        pub(crate) mod sweep;
    }
}

// The whole.
mod options;
mod run;

use std::process::ExitCode;

/// What a measurement gives, or why it could not be taken.
pub(crate) type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> ExitCode {
    let done = match options::parse(std::env::args_os()) {
        Ok(options::Asked::Measure(plan)) => run::measure(&plan),
        Ok(options::Asked::BareHyper { answer }) => ceilings::hyper::serve(&answer),
        Err(refusal) => refusal.exit(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("countersign-bench: {error}");
            ExitCode::FAILURE
        }
    }
}
