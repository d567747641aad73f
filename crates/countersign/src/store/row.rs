//! Values that go into a statement, and the row that comes out: four kinds, the same on every database.

use bytes::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use crate::error::{Error, Internal, Result};
use crate::id::{AuditId, IdentityId, MailId, SignInId, UserId};
use crate::time::Timestamp;

/// A parameter of a statement.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'v> {
    Null,
    Int(i64),
    Text(&'v str),
    Blob(&'v [u8]),
}

impl From<i64> for Value<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(instant: Timestamp) -> Self {
        Self::Int(instant.as_millis())
    }
}

impl From<UserId> for Value<'_> {
    fn from(id: UserId) -> Self {
        Self::Int(id.as_i64())
    }
}

impl From<SignInId> for Value<'_> {
    fn from(id: SignInId) -> Self {
        Self::Int(id.as_i64())
    }
}

impl From<MailId> for Value<'_> {
    fn from(id: MailId) -> Self {
        Self::Int(id.as_i64())
    }
}

impl From<IdentityId> for Value<'_> {
    fn from(id: IdentityId) -> Self {
        Self::Int(id.as_i64())
    }
}

impl From<AuditId> for Value<'_> {
    fn from(id: AuditId) -> Self {
        Self::Int(id.as_i64())
    }
}

impl<'v> From<&'v str> for Value<'v> {
    fn from(text: &'v str) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v String> for Value<'v> {
    fn from(text: &'v String) -> Self {
        Self::Text(text)
    }
}

impl<'v> From<&'v [u8]> for Value<'v> {
    fn from(bytes: &'v [u8]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'v, const N: usize> From<&'v [u8; N]> for Value<'v> {
    fn from(bytes: &'v [u8; N]) -> Self {
        Self::Blob(bytes)
    }
}

impl<'v, T: Into<Value<'v>>> From<Option<T>> for Value<'v> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        kind: &Type,
        out: &mut BytesMut,
    ) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(number) if *kind == Type::INT4 => i32::try_from(*number)?.to_sql(kind, out),
            Self::Int(number) => number.to_sql_checked(kind, out),
            Self::Text(text) => text.to_sql_checked(kind, out),
            Self::Blob(bytes) => bytes.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// A row of an answer. Columns are counted from 0, in the order of the statement's text.
pub(crate) struct Row<'r>(pub(super) Source<'r>);

/// Whose row it is.
pub(super) enum Source<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    pub(crate) fn optional_int(&self, column: usize) -> Result<Option<i64>> {
        match self.0 {
            Source::Sqlite(row) => row.get(column).map_err(|fault| mismatch(column, &fault)),
            Source::Postgres(row) => postgres::int(row, column),
        }
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64> {
        self.optional_int(column)?.ok_or_else(|| null(column))
    }

    pub(crate) fn text(&self, column: usize) -> Result<String> {
        self.optional_text(column)?.ok_or_else(|| null(column))
    }

    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<String>> {
        match self.0 {
            Source::Sqlite(row) => row.get(column).map_err(|fault| mismatch(column, &fault)),
            Source::Postgres(row) => row.try_get(column).map_err(|fault| mismatch(column, &fault)),
        }
    }

    pub(crate) fn blob<const N: usize>(&self, column: usize) -> Result<[u8; N]> {
        self.optional_blob(column)?.ok_or_else(|| null(column))
    }

    pub(crate) fn optional_blob<const N: usize>(&self, column: usize) -> Result<Option<[u8; N]>> {
        match self.0 {
            Source::Sqlite(row) => row.get(column).map_err(|fault| mismatch(column, &fault)),
            Source::Postgres(row) => postgres::blob(row, column),
        }
    }

    pub(crate) fn time(&self, column: usize) -> Result<Timestamp> {
        self.int(column).map(Timestamp::from_millis)
    }

    pub(crate) fn optional_time(&self, column: usize) -> Result<Option<Timestamp>> {
        self.optional_int(column).map(|millis| millis.map(Timestamp::from_millis))
    }

    pub(crate) fn user_id(&self, column: usize) -> Result<UserId> {
        self.int(column).map(UserId::from_i64)
    }

    pub(crate) fn sign_in_id(&self, column: usize) -> Result<SignInId> {
        self.int(column).map(SignInId::from_i64)
    }
}

fn mismatch(column: usize, fault: &dyn std::fmt::Display) -> Error {
    Error::Fault(Internal::new(format!("column {column} of an answer: {fault}")))
}

fn null(column: usize) -> Error {
    mismatch(column, &"is null")
}

mod postgres {
    //! PostgreSQL tells narrow integers from wide ones, and bytes from fixed arrays of them.

    use tokio_postgres::Row;
    use tokio_postgres::types::Type;

    use super::mismatch;
    use crate::error::Result;

    pub(super) fn int(row: &Row, column: usize) -> Result<Option<i64>> {
        let is_narrow = row.columns().get(column).is_some_and(|about| *about.type_() == Type::INT4);
        let found = if is_narrow {
            row.try_get::<_, Option<i32>>(column).map(|number| number.map(i64::from))
        } else {
            row.try_get(column)
        };
        found.map_err(|fault| mismatch(column, &fault))
    }

    pub(super) fn blob<const N: usize>(row: &Row, column: usize) -> Result<Option<[u8; N]>> {
        let bytes: Option<&[u8]> = row.try_get(column).map_err(|fault| mismatch(column, &fault))?;
        bytes.map(|bytes| bytes.try_into().map_err(|fault| mismatch(column, &fault))).transpose()
    }
}
