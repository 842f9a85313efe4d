//! Records of a D1 database. Statements and results travel as bodies, of any length, in a format of their own: a
//! sequence of tagged values that is written and read without a detour through a tree.
//!
//! | body | what it is |
//! |---|---|
//! | of a call | statements: the text, how many parameters, the parameters |
//! | of a reply | one result per statement: how many columns, their names, rows (each after [`ROW`]), [`END`], the meta |
//!
//! Lengths and counts are LEB128, numbers eight bytes, little-endian.

use serde::{Deserialize, Serialize};

/// Runs the statements in the call's body, in one transaction; the answer is [`Reply`], sent when what they wrote is
/// durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// Whether the answer is to name the state that it saw.
    pub bookmark: bool,
    /// Whether a statement that fails is to be named, by [`Reply::failed`].
    pub locate: bool,
}

/// Answers [`Query`]; the results are the reply's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply<'a> {
    /// The state of the database that the answer saw, if it was asked for: bookmarks of one database sort as they were
    /// made.
    pub bookmark: Option<&'a str>,
    /// Which statement failed, from 0 on, if [`Query::locate`] asked; the body of the reply is then the error's message.
    pub failed: Option<u32>,
}

/// A parameter, or what is in a row.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Real(f64),
    /// Text, which should be UTF-8.
    Text(&'a [u8]),
    /// Bytes.
    Blob(&'a [u8]),
}

/// One statement to run, which may be several, of which the last one has the parameters and gives the result.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement<'a> {
    /// The text.
    pub sql: &'a str,
    /// Its parameters, in the order of their numbers.
    pub parameters: Vec<Value<'a>>,
}

/// What is known of a statement that was run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Meta {
    /// How long it took, in milliseconds.
    pub duration: f64,
    /// How many rows it changed.
    pub changes: u64,
    /// The last row that was inserted, by whichever statement.
    pub last_row_id: i64,
    /// Whether it changed the database.
    pub changed_db: bool,
    /// The size of the database afterwards, in bytes.
    pub size_after: u64,
    /// How many rows it looked at.
    pub rows_read: u64,
    /// How many rows and entries of indices it wrote.
    pub rows_written: u64,
}

/// A body that isn't in the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("statements or results of D1 that can't be read")]
pub struct Malformed;

const NULL: u8 = 0;
const INTEGER: u8 = 1;
const REAL: u8 = 2;
const TEXT: u8 = 3;
const BLOB: u8 = 4;
/// Ends the rows of a result.
const END: u8 = 5;
/// Begins a row.
const ROW: u8 = 6;

/// Writes the body of a call or of a reply.
#[derive(Clone, Debug, Default)]
pub struct BodyWriter {
    bytes: Vec<u8>,
}

impl BodyWriter {
    /// Begins a statement, whose parameters follow.
    pub fn statement(&mut self, sql: &str, parameters: usize) {
        self.chunk(sql.as_bytes());
        self.count(parameters as u64);
    }

    /// Begins a result, whose rows follow.
    pub fn columns<'a>(&mut self, names: impl ExactSizeIterator<Item = &'a str>) {
        self.count(names.len() as u64);
        for name in names {
            self.chunk(name.as_bytes());
        }
    }

    /// Begins a row: as many values follow as there are columns.
    pub fn row(&mut self) {
        self.bytes.push(ROW);
    }

    /// Writes a parameter, or the next value of a row.
    pub fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Null => self.bytes.push(NULL),
            Value::Integer(number) => {
                self.bytes.push(INTEGER);
                self.bytes.extend_from_slice(&number.to_le_bytes());
            }
            Value::Real(number) => {
                self.bytes.push(REAL);
                self.bytes.extend_from_slice(&number.to_le_bytes());
            }
            Value::Text(text) => {
                self.bytes.push(TEXT);
                self.chunk(text);
            }
            Value::Blob(blob) => {
                self.bytes.push(BLOB);
                self.chunk(blob);
            }
        }
    }

    /// Ends a result.
    pub fn end(&mut self, meta: &Meta) {
        self.bytes.push(END);
        self.bytes.extend_from_slice(&meta.duration.to_le_bytes());
        self.count(meta.changes);
        self.bytes.extend_from_slice(&meta.last_row_id.to_le_bytes());
        self.bytes.push(u8::from(meta.changed_db));
        self.count(meta.size_after);
        self.count(meta.rows_read);
        self.count(meta.rows_written);
    }

    /// How many bytes were written.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Forgets all but the first `length` bytes: what a statement wrote that is to be run again.
    pub fn truncate(&mut self, length: usize) {
        self.bytes.truncate(length);
    }

    /// The body.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn chunk(&mut self, bytes: &[u8]) {
        self.count(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    fn count(&mut self, mut count: u64) {
        while count >= 0x80 {
            self.bytes.push(count as u8 | 0x80);
            count >>= 7;
        }
        self.bytes.push(count as u8);
    }
}

/// Reads the body of a call or of a reply.
#[derive(Clone, Copy, Debug)]
pub struct BodyReader<'a> {
    rest: &'a [u8],
}

impl<'a> BodyReader<'a> {
    /// Reads `body`.
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    /// The next statement; `None` at the end.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn statement(&mut self) -> Result<Option<Statement<'a>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let sql = self.text()?;
        let count = self.count()?;
        // A parameter is a byte at least.
        if count > self.rest.len() as u64 {
            return Err(Malformed);
        }
        let mut parameters = Vec::with_capacity(count as usize);
        for _ in 0..count {
            parameters.push(self.value()?);
        }
        Ok(Some(Statement { sql, parameters }))
    }

    /// The columns of the next result; `None` at the end.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn columns(&mut self) -> Result<Option<Vec<&'a str>>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let count = self.count()?;
        if count > self.rest.len() as u64 {
            return Err(Malformed);
        }
        (0..count)
            .map(|_| self.text())
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// Whether another row follows, whose values are to be read then; otherwise the meta follows.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn row(&mut self) -> Result<bool, Malformed> {
        match self.byte()? {
            ROW => Ok(true),
            END => Ok(false),
            _ => Err(Malformed),
        }
    }

    /// A parameter, or the next value of a row.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn value(&mut self) -> Result<Value<'a>, Malformed> {
        Ok(match self.byte()? {
            NULL => Value::Null,
            INTEGER => Value::Integer(i64::from_le_bytes(self.eight()?)),
            REAL => Value::Real(f64::from_le_bytes(self.eight()?)),
            TEXT => Value::Text(self.chunk()?),
            BLOB => Value::Blob(self.chunk()?),
            _ => return Err(Malformed),
        })
    }

    /// The meta that ends a result.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn meta(&mut self) -> Result<Meta, Malformed> {
        Ok(Meta {
            duration: f64::from_le_bytes(self.eight()?),
            changes: self.count()?,
            last_row_id: i64::from_le_bytes(self.eight()?),
            changed_db: self.byte()? != 0,
            size_after: self.count()?,
            rows_read: self.count()?,
            rows_written: self.count()?,
        })
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        let (byte, rest) = self.rest.split_first().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*byte)
    }

    fn eight(&mut self) -> Result<[u8; 8], Malformed> {
        let (eight, rest) = self.rest.split_first_chunk().ok_or(Malformed)?;
        self.rest = rest;
        Ok(*eight)
    }

    fn count(&mut self) -> Result<u64, Malformed> {
        let mut count = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            count |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(count);
            }
        }
        Err(Malformed)
    }

    fn chunk(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::try_from(self.count()?).map_err(|_| Malformed)?;
        let (chunk, rest) = self.rest.split_at_checked(length).ok_or(Malformed)?;
        self.rest = rest;
        Ok(chunk)
    }

    fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.chunk()?).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [Value<'static>; 6] = [
        Value::Null,
        Value::Integer(i64::MIN),
        Value::Real(-0.5),
        Value::Text(b"caf\xc3\xa9"),
        Value::Text(b"\xff"),
        Value::Blob(&[0; 300]),
    ];

    #[test]
    fn statements_come_back_as_they_were_written() {
        let mut body = BodyWriter::default();
        body.statement("SELECT ?", VALUES.len());
        VALUES.iter().for_each(|value| body.value(*value));
        body.statement("", 0);
        let body = body.finish();
        let mut reader = BodyReader::new(&body);
        let first = reader.statement().expect("well-formed").expect("there");
        assert_eq!((first.sql, &*first.parameters), ("SELECT ?", &VALUES[..]));
        let second = reader.statement().expect("well-formed").expect("there");
        assert_eq!((second.sql, second.parameters.len()), ("", 0));
        assert_eq!(reader.statement(), Ok(None));
    }

    #[test]
    fn results_come_back_as_they_were_written() {
        let meta = Meta {
            duration: 0.25,
            changes: 300,
            last_row_id: -7,
            changed_db: true,
            size_after: u64::MAX,
            rows_read: 1,
            rows_written: 2,
        };
        let mut body = BodyWriter::default();
        body.columns(["a", "b"].into_iter());
        for _ in 0..2 {
            body.row();
            body.value(VALUES[1]);
            body.value(VALUES[3]);
        }
        body.end(&meta);
        let body = body.finish();
        let mut reader = BodyReader::new(&body);
        assert_eq!(reader.columns(), Ok(Some(vec!["a", "b"])));
        for _ in 0..2 {
            assert_eq!(reader.row(), Ok(true));
            assert_eq!((reader.value(), reader.value()), (Ok(VALUES[1]), Ok(VALUES[3])));
        }
        assert_eq!((reader.row(), reader.meta()), (Ok(false), Ok(meta)));
        assert_eq!(reader.columns(), Ok(None));
    }

    #[test]
    fn a_body_cut_short_or_made_up_is_refused() {
        let mut body = BodyWriter::default();
        body.statement("SELECT ?", VALUES.len());
        VALUES.iter().for_each(|value| body.value(*value));
        let body = body.finish();
        for end in 1..body.len() {
            assert_eq!(BodyReader::new(&body[..end]).statement(), Err(Malformed), "{end}");
        }
        for bad in [
            &b"\x01\xff\x00"[..],
            &[0xff; 12],
            b"\x00\xff\xff\xff\xff\x0f",
            b"\x00\x01\x09",
        ] {
            assert_eq!(BodyReader::new(bad).statement(), Err(Malformed), "{bad:?}");
        }
        assert_eq!(BodyReader::new(&[7]).row(), Err(Malformed));
    }
}
