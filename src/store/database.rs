//! The embedded database: one row a call, which is the JSON line; columns to ask by are computed from it.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{Line, StoreError, sqlite};

const SCHEMA: [&str; 1] = ["
    CREATE TABLE cdr (
        call    TEXT PRIMARY KEY,
        line    TEXT NOT NULL,
        started TEXT AS (json_extract(line, '$.started')) VIRTUAL,
        ended   TEXT AS (json_extract(line, '$.ended')) VIRTUAL,
        number  TEXT AS (json_extract(line, '$.number')) VIRTUAL,
        user    TEXT AS (json_extract(line, '$.user')) VIRTUAL,
        wacid   TEXT AS (json_extract(line, '$.wacid')) VIRTUAL,
        trunk   TEXT AS (json_extract(line, '$.trunk')) VIRTUAL,
        peer    TEXT AS (json_extract(line, '$.peer')) VIRTUAL,
        talk_s  REAL AS (json_extract(line, '$.talk_s')) VIRTUAL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX cdr_started ON cdr (started);
    CREATE INDEX cdr_number ON cdr (number, started);
    CREATE INDEX cdr_user ON cdr (user, started);
    CREATE INDEX cdr_wacid ON cdr (wacid);
"];

/// When someone else holds it up, the lines wait in memory.
pub(super) struct Database(Connection);

impl Database {
    pub(super) fn open(file: &Path) -> Result<Self, StoreError> {
        Ok(Self(sqlite::open(file, &SCHEMA)?))
    }

    /// All or none. A line inserted before is passed over, so a doubtful insert can be repeated.
    pub(super) fn insert(&mut self, lines: &[Arc<Line>]) -> rusqlite::Result<()> {
        let transaction = self.0.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("INSERT OR IGNORE INTO cdr (call, line) VALUES (?1, ?2)")?;
            for line in lines {
                insert.execute(params![line.call.0, line.json])?;
            }
        }
        transaction.commit()
    }
}
