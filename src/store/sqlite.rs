//! Embedded databases as this room wants them.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::StoreError;

/// Someone else's long read or backup holds us up at most so long.
const BUSY: Duration = Duration::from_millis(200);

/// Opens or creates `file`. `schema` are the steps from an empty file to the present one; `user_version` counts those
/// taken. A step is never changed once released, only added.
pub(super) fn open(file: &Path, schema: &[&str]) -> Result<Connection, StoreError> {
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
    let found = version(&connection).map_err(failed)?;
    refuse_newer(file, found, schema)?;
    migrate(&mut connection, schema, found).map_err(failed)?;
    Ok(connection)
}

/// Opens a file that is there, for reading alone, beside whoever writes it.
pub(super) fn open_to_read(file: &Path, schema: &[&str]) -> Result<Connection, StoreError> {
    let failed = |error| StoreError::Database {
        file: file.to_owned(),
        error,
    };
    let connection =
        Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    let found = version(&connection).map_err(failed)?;
    refuse_newer(file, found, schema)?;
    let known = schema.len() as u32;
    if found < known {
        let file = file.to_owned();
        return Err(StoreError::Older { file, found, known });
    }
    Ok(connection)
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn refuse_newer(file: &Path, found: u32, schema: &[&str]) -> Result<(), StoreError> {
    let known = schema.len() as u32;
    if found > known {
        let file = file.to_owned();
        return Err(StoreError::Newer { file, found, known });
    }
    Ok(())
}

/// Readers never wait for us in WAL mode; `FULL` syncs each commit.
fn set_up(connection: &Connection) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")
}

fn migrate(connection: &mut Connection, schema: &[&str], found: u32) -> rusqlite::Result<()> {
    for (step, sql) in (1..).zip(schema).skip(found as usize) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", step)?;
        transaction.commit()?;
    }
    Ok(())
}
