//! One run from the plan to the report.

use std::path::{Path, PathBuf};

use crate::lab::Lab;
use crate::machine::Machine;
use crate::options::{POSTGRES, Plan};
use crate::report::{Report, Row};
use crate::scenarios::postgres;
use crate::scenarios::{fsync, limits, me, refresh, sign_in, start, storm, sweep};
use crate::{Outcome, server};

/// Measures what the plan names, and prints the report.
///
/// # Errors
/// When something can't be measured, or an answer was not what it had to be. An aim that is missed is a result, not an error.
pub(crate) fn measure(plan: &Plan) -> Outcome<()> {
    let program = server::program(plan.server.as_deref())?;
    let parent = match &plan.dir {
        Some(dir) => dir.canonicalize()?,
        None => beside_this_program()?,
    };
    if plan.works.iter().any(|work| work.starts_with(POSTGRES)) {
        // Said now, not after all that needs none.
        countersign_testbed::available()?;
    }
    let machine = Machine::of(&parent).to_string();
    let lab = Lab::open(program, &parent, plan.lasts, plan.rounds)?;
    let mut rows = Vec::new();
    for work in &plan.works {
        rows.extend(one(work, &lab)?);
    }
    let report = Report { machine, method: method(plan), rows };
    if plan.json {
        println!("{:#}", report.json());
    } else {
        println!("{}", report.markdown());
    }
    if plan.write {
        std::fs::write(results_file(), format!("# Results\n\n{}", report.markdown()))?;
    }
    Ok(())
}

fn one(work: &str, lab: &Lab) -> Outcome<Vec<Row>> {
    let rows = match work {
        "fsync" => fsync::measure(lab),
        "me" => me::measure(lab),
        "refresh" => refresh::measure(lab),
        "sign-in" => sign_in::measure(lab),
        "storm" => storm::measure(lab),
        "start" => start::measure(lab),
        "limits" => limits::measure(lab),
        "sweep" => sweep::measure(lab),
        "postgres-refresh" => postgres::refresh::measure(lab),
        "postgres-me" => postgres::me::measure(lab),
        "postgres-nodes" => postgres::nodes::measure(lab),
        "postgres-growth" => postgres::growth::measure(lab),
        "postgres-sign-in" => postgres::sign_in::measure(lab),
        "postgres-sweep" => postgres::sweep::measure(lab),
        unknown => Err(format!("no such measurement: {unknown}").into()),
    };
    rows.map_err(|error| format!("{work}: {error}").into())
}

fn method(plan: &Plan) -> String {
    let (rounds, seconds) = (plan.rounds, plan.lasts.as_secs());
    format!(
        "{rounds} interleaved rounds, {seconds} s for each side; generator, ceilings and server share the cores"
    )
}

/// The disk that holds the build is a real one; a system's folder for temporary files may be memory.
fn beside_this_program() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    Ok(program.parent().ok_or("this program lies nowhere")?.to_owned())
}

fn results_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("RESULTS.md")
}
