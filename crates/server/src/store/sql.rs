//! One statement: its text, what is bound to it, and the fields of its rows as our own types.

use custodia_core::digest::{Blake3Digest, Sha256Digest};
use custodia_core::ids::{CaseId, DeviceId, ExhibitId, IntentId};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::query::Query;
use sqlx::{Any, Row as _};

use super::Conn;

/// Why the database did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// It cannot be reached, is full, or broke off.
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Such a row exists.
    #[error("the database holds such a row already")]
    Exists,
    /// A number is past 2^63 and cannot stand in a column.
    #[error("a number is larger than 2^63")]
    NumberTooLarge,
    /// A row does not have the form in which this program writes it.
    #[error("the database holds a row that this program did not write: {0}")]
    Corrupt(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Database(inner) if inner.is_unique_violation() => Self::Exists,
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::ColumnIndexOutOfBounds { .. } | sqlx::Error::Decode(_) => {
                Self::Corrupt("a column of another type")
            }
            other => Self::Unavailable(other),
        }
    }
}

/// A statement with its parameters, in the order of `$1`, `$2`, …
pub(super) struct Sql {
    query: Query<'static, Any, AnyArguments>,
    too_large: bool,
}

/// Begins a statement.
pub(super) fn sql(text: &'static str) -> Sql {
    Sql { query: sqlx::query(text), too_large: false }
}

/// Begins a statement that has `count` groups of `columns` parameters between its two ends: `($1, $2), ($3, $4)` for two groups of two.
pub(super) fn sql_groups(head: &'static str, columns: usize, count: usize, tail: &'static str) -> Sql {
    let mut text = head.to_owned();
    for group in 0..count {
        let places: Vec<String> = (1..=columns).map(|column| format!("${}", group * columns + column)).collect();
        text.push_str(if group == 0 { "(" } else { ", (" });
        text.push_str(&places.join(", "));
        text.push(')');
    }
    text.push_str(tail);
    // Both ends are constants, and between them stand places alone.
    Sql { query: sqlx::query(sqlx::AssertSqlSafe(text)), too_large: false }
}

/// Cuts a list into parts of 32, 8 and 1, so that statements over them have few texts and stay prepared.
pub(super) fn in_parts<T>(items: &[T]) -> impl Iterator<Item = &[T]> {
    let (large, rest) = items.as_chunks::<32>();
    let (small, rest) = rest.as_chunks::<8>();
    large.iter().map(|part| &part[..]).chain(small.iter().map(|part| &part[..])).chain(rest.chunks(1))
}

impl Sql {
    /// Binds bytes.
    pub fn bytes(mut self, bytes: impl AsRef<[u8]>) -> Self {
        self.query = self.query.bind(bytes.as_ref().to_vec());
        self
    }

    /// Binds bytes or NULL.
    pub fn bytes_or_null(mut self, bytes: Option<impl AsRef<[u8]>>) -> Self {
        self.query = self.query.bind(bytes.map(|bytes| bytes.as_ref().to_vec()));
        self
    }

    /// Binds text.
    pub fn text(mut self, text: &str) -> Self {
        self.query = self.query.bind(text.to_owned());
        self
    }

    /// Binds a number; one past 2^63 refuses the statement.
    pub fn number(mut self, number: u64) -> Self {
        let fitting = i64::try_from(number);
        self.too_large |= fitting.is_err();
        self.query = self.query.bind(fitting.unwrap_or_default());
        self
    }

    /// Binds a number or NULL.
    pub fn number_or_null(mut self, number: Option<u64>) -> Self {
        let fitting = number.map(i64::try_from).transpose();
        self.too_large |= fitting.is_err();
        self.query = self.query.bind(fitting.unwrap_or_default());
        self
    }

    /// Binds a boolean as 0 or 1.
    pub fn flag(self, flag: bool) -> Self {
        self.number(u64::from(flag))
    }

    fn ready(self) -> Result<Query<'static, Any, AnyArguments>, StoreError> {
        if self.too_large { Err(StoreError::NumberTooLarge) } else { Ok(self.query) }
    }

    /// Runs it; answers the number of rows that it changed.
    pub async fn run(self, conn: &mut Conn) -> Result<u64, StoreError> {
        Ok(self.ready()?.execute(conn).await?.rows_affected())
    }

    /// Its first row.
    pub async fn row(self, conn: &mut Conn) -> Result<Option<Fields>, StoreError> {
        Ok(self.ready()?.fetch_optional(conn).await?.map(|row| Fields { row, next: 0 }))
    }

    /// All its rows.
    pub async fn rows(self, conn: &mut Conn) -> Result<Vec<Fields>, StoreError> {
        Ok(self.ready()?.fetch_all(conn).await?.into_iter().map(|row| Fields { row, next: 0 }).collect())
    }

    /// Whether it has a row.
    pub async fn exists(self, conn: &mut Conn) -> Result<bool, StoreError> {
        Ok(self.row(conn).await?.is_some())
    }
}

/// A row, read field by field in the order of the statement.
pub(super) struct Fields {
    row: AnyRow,
    next: usize,
}

impl Fields {
    fn field<'r, T: sqlx::Decode<'r, Any> + sqlx::Type<Any>>(&'r mut self) -> Result<T, StoreError> {
        let at = self.next;
        self.next += 1;
        Ok(self.row.try_get(at)?)
    }

    pub fn number(&mut self) -> Result<u64, StoreError> {
        u64::try_from(self.field::<i64>()?).map_err(|_| StoreError::Corrupt("a negative number"))
    }

    pub fn number_or_null(&mut self) -> Result<Option<u64>, StoreError> {
        self.field::<Option<i64>>()?.map(u64::try_from).transpose().map_err(|_| StoreError::Corrupt("a negative number"))
    }

    pub fn small(&mut self) -> Result<u32, StoreError> {
        u32::try_from(self.number()?).map_err(|_| StoreError::Corrupt("a number past 2^32"))
    }

    pub fn flag(&mut self) -> Result<bool, StoreError> {
        Ok(self.number()? != 0)
    }

    pub fn text(&mut self) -> Result<String, StoreError> {
        self.field()
    }

    pub fn bytes(&mut self) -> Result<Vec<u8>, StoreError> {
        self.field()
    }

    pub fn bytes_or_null(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        self.field()
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        self.bytes()?.try_into().map_err(|_| StoreError::Corrupt("bytes of another length"))
    }

    pub fn array_or_null<const N: usize>(&mut self) -> Result<Option<[u8; N]>, StoreError> {
        self.bytes_or_null()?.map(TryInto::try_into).transpose().map_err(|_| StoreError::Corrupt("bytes of another length"))
    }

    pub fn sha256(&mut self) -> Result<Sha256Digest, StoreError> {
        self.array().map(Sha256Digest::from_bytes)
    }

    pub fn blake3(&mut self) -> Result<Blake3Digest, StoreError> {
        self.array().map(Blake3Digest::from_bytes)
    }

    pub fn intent(&mut self) -> Result<IntentId, StoreError> {
        self.array().map(IntentId::from_bytes)
    }

    pub fn case(&mut self) -> Result<CaseId, StoreError> {
        self.array().map(CaseId::from_bytes)
    }

    pub fn device(&mut self) -> Result<DeviceId, StoreError> {
        self.array().map(DeviceId::from_bytes)
    }

    pub fn exhibit(&mut self) -> Result<ExhibitId, StoreError> {
        self.array().map(ExhibitId::from_bytes)
    }
}
