//! Values that go into a statement, and the row that comes out: four kinds, the same on every database.

use crate::error::{Error, Internal, Result};
use crate::id::{SignInId, UserId};
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

/// A row of an answer. Columns are counted from 0, in the order of the statement's text.
pub(crate) struct Row<'r>(pub(super) &'r rusqlite::Row<'r>);

impl Row<'_> {
    fn get<T: rusqlite::types::FromSql>(&self, column: usize) -> Result<T> {
        let mismatch = |fault| Error::Fault(Internal::new(format!("column {column} of an answer: {fault}")));
        self.0.get(column).map_err(mismatch)
    }

    pub(crate) fn int(&self, column: usize) -> Result<i64> {
        self.get(column)
    }

    pub(crate) fn text(&self, column: usize) -> Result<String> {
        self.get(column)
    }

    pub(crate) fn optional_text(&self, column: usize) -> Result<Option<String>> {
        self.get(column)
    }

    pub(crate) fn blob<const N: usize>(&self, column: usize) -> Result<[u8; N]> {
        self.get(column)
    }

    pub(crate) fn optional_blob<const N: usize>(&self, column: usize) -> Result<Option<[u8; N]>> {
        self.get(column)
    }

    pub(crate) fn time(&self, column: usize) -> Result<Timestamp> {
        self.int(column).map(Timestamp::from_millis)
    }

    pub(crate) fn optional_time(&self, column: usize) -> Result<Option<Timestamp>> {
        self.get::<Option<i64>>(column).map(|millis| millis.map(Timestamp::from_millis))
    }

    pub(crate) fn user_id(&self, column: usize) -> Result<UserId> {
        self.int(column).map(UserId::from_i64)
    }

    pub(crate) fn sign_in_id(&self, column: usize) -> Result<SignInId> {
        self.int(column).map(SignInId::from_i64)
    }
}
