//! The embedded database: one row a call, which is the JSON line; columns to ask by are computed from it.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, params};

use super::{Line, StoreError};

/// The steps from an empty file to the present schema; `user_version` counts those taken. A step is never changed once
/// released, only added.
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

/// Someone else's long read or backup holds us up at most so long; then the lines wait in memory.
const BUSY: Duration = Duration::from_millis(200);

pub(super) struct Database(Connection);

impl Database {
    pub(super) fn open(file: &Path) -> Result<Self, StoreError> {
        let failed = |error| StoreError::Database {
            file: file.to_owned(),
            error,
        };
        // SQLite would create it readable for everyone; if this fails, SQLite says why.
        let _ = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(file);
        let mut connection = Connection::open(file).map_err(failed)?;
        set_up(&connection).map_err(failed)?;
        let found: u32 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .map_err(failed)?;
        let known = SCHEMA.len() as u32;
        if found > known {
            let file = file.to_owned();
            return Err(StoreError::Newer { file, found, known });
        }
        migrate(&mut connection, found).map_err(failed)?;
        Ok(Self(connection))
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

/// Readers never wait for us in WAL mode; `FULL` syncs each commit.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")
}

fn migrate(connection: &mut Connection, found: u32) -> rusqlite::Result<()> {
    for (step, sql) in (1..).zip(SCHEMA).skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step)?;
        transaction.commit()?;
    }
    Ok(())
}
