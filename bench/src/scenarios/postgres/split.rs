//! Whose the processor time is: the program's, PostgreSQL's or the generator's. On one machine they share the cores, so
//! what one of them saves another has.

use crate::Outcome;
use crate::figures::Series;
use crate::load::{Load, Script, Taken};
use crate::machine::Meter;
use crate::report::{Row, Unit};
use crate::scenarios::me::Side;

/// A side with what its requests cost the others on the machine.
#[derive(Debug, Default)]
pub(crate) struct Split {
    /// As the program's client sees it.
    pub(crate) side: Side,
    database: Series,
    generator: Series,
}

impl Split {
    /// Puts a load on a node and notes what it cost whom.
    ///
    /// # Errors
    /// As [`Side::take`].
    pub(crate) fn take<S: Script>(
        &mut self,
        node: u32,
        postgres: u32,
        load: Load,
        scripts: Vec<S>,
    ) -> Outcome<Taken<S>> {
        let (database, generator) = (Meter::of_family(postgres)?, Meter::of_this_process()?);
        let taken = self.side.take(node, load, scripts)?;
        self.database.push(database.micros_for_each(taken.served.count())?);
        self.generator.push(generator.micros_for_each(taken.served.count())?);
        Ok(taken)
    }

    /// The rows below the rate.
    pub(crate) fn details(self, name: &'static str, ceiling: Side) -> impl Iterator<Item = Row> {
        let others = [
            Row::new("- processor time of PostgreSQL", Unit::Micros, self.database),
            Row::new("- processor time of the generator", Unit::Micros, self.generator),
        ];
        self.side.details(name, ceiling).into_iter().chain(others)
    }
}
