//! What PostgreSQL's errors mean: what to try again, what to wait for, and what is a fault of ours.

use tokio_postgres::error::{DbError, SqlState};

use super::address::cause;
use crate::error::{Error, Internal};

/// What a failure says about the transaction and the connection that met it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Somebody else was in the way (40001, 40P01): the same transaction may succeed now.
    Conflict,
    /// The connection is of no use any more.
    Lost,
    /// The database can't do it now.
    Unavailable,
    /// The statement can't be right.
    Fault,
}

impl Trouble {
    pub(super) fn of(error: &tokio_postgres::Error) -> Self {
        error.as_db_error().map_or(Self::Lost, |refusal| Self::of_refusal(refusal.code()))
    }

    /// By the class of the code (<https://www.postgresql.org/docs/current/errcodes-appendix.html>).
    fn of_refusal(code: &SqlState) -> Self {
        if *code == SqlState::T_R_SERIALIZATION_FAILURE || *code == SqlState::T_R_DEADLOCK_DETECTED {
            return Self::Conflict;
        }
        // A statement or its plan is gone: behind another pooler's back, or after a migration.
        if *code == SqlState::INVALID_SQL_STATEMENT_NAME || *code == SqlState::FEATURE_NOT_SUPPORTED {
            return Self::Lost;
        }
        // The server that was the primary is one no more.
        if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
            return Self::Lost;
        }
        match code.code().get(..2) {
            // Connection exceptions, invalid authorization, the operator shuts down or terminates.
            Some("08" | "28" | "57") if *code != SqlState::QUERY_CANCELED => Self::Lost,
            // Resources, objects not ready (a lock that was not granted), limits, the operator, the system, corruption.
            Some("53" | "54" | "55" | "57" | "58" | "25" | "40" | "XX") => Self::Unavailable,
            _ => Self::Fault,
        }
    }
}

/// The words for the log. A refusal's detail may repeat what was in a row, so it is left out (SEC-108).
pub(super) fn describe(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(refusal) => format!("PostgreSQL: {} ({})", refusal.message(), refusal.code().code()),
        None => format!("PostgreSQL: {}", cause(error)),
    }
}

/// The error that a caller learns.
pub(super) fn trouble(error: &tokio_postgres::Error) -> Error {
    let internal = Internal::new(describe(error));
    match Trouble::of(error) {
        Trouble::Fault => Error::Fault(internal),
        Trouble::Conflict | Trouble::Lost | Trouble::Unavailable => Error::Unavailable(internal),
    }
}

pub(super) fn is_unique_violation(error: &tokio_postgres::Error) -> bool {
    error.as_db_error().map(DbError::code) == Some(&SqlState::UNIQUE_VIOLATION)
}

pub(super) fn late(what: &str) -> Error {
    Error::Unavailable(Internal::new(format!("PostgreSQL: {what} took too long")))
}

#[cfg(test)]
mod tests {
    use super::*;

    // SEC-106
    #[test]
    fn each_class_of_refusals_is_waited_for_tried_again_or_owned() {
        let of = |code: &str| Trouble::of_refusal(&SqlState::from_code(code));
        for code in ["40001", "40P01"] {
            assert_eq!(of(code), Trouble::Conflict, "{code}");
        }
        for code in ["57P01", "57P02", "57P03", "08006", "25006", "28P01", "26000"] {
            assert_eq!(of(code), Trouble::Lost, "{code}");
        }
        for code in ["53100", "53200", "53300", "55P03", "57014", "58030", "XX001", "25P02"] {
            assert_eq!(of(code), Trouble::Unavailable, "{code}");
        }
        for code in ["42601", "42P01", "22P02", "23503", "23514", "42501"] {
            assert_eq!(of(code), Trouble::Fault, "{code}");
        }
    }
}
