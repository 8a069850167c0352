//! The embedded database: one row a call, which is the JSON line; columns to ask by and to sum are computed from it when
//! it is inserted.

use std::path::Path;
use std::sync::Arc;

use rusqlite::{Connection, params};

use super::{Line, StoreError, sqlite};

pub(super) const SCHEMA: [&str; 3] = ["
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
", "
    CREATE TABLE call (
        call            TEXT NOT NULL PRIMARY KEY,
        started         TEXT AS (json_extract(line, '$.started')) STORED,
        answered        TEXT AS (json_extract(line, '$.answered')) STORED,
        at              TEXT AS (ifnull(answered, started)) STORED,
        ended           TEXT AS (json_extract(line, '$.ended')) STORED,
        direction       TEXT AS (json_extract(line, '$.direction')) STORED,
        number          TEXT AS (json_extract(line, '$.number')) STORED,
        user            TEXT AS (json_extract(line, '$.user')) STORED,
        user_id         TEXT AS (json_extract(line, '$.user_id')) STORED,
        country         TEXT AS (json_extract(line, '$.user_country')) STORED,
        wacid           TEXT AS (json_extract(line, '$.wacid')) STORED,
        trunk           TEXT AS (json_extract(line, '$.trunk')) STORED,
        extension       TEXT AS (json_extract(line, '$.extension')) STORED,
        peer            TEXT AS (json_extract(line, '$.peer')) STORED,
        cause           TEXT AS (json_extract(line, '$.ending.cause')) STORED,
        ended_by        TEXT AS (json_extract(line, '$.ending.by')) STORED,
        setup_ms        INTEGER AS (CAST(round(json_extract(line, '$.setup_s') * 1000) AS INTEGER)) STORED,
        talk_ms         INTEGER AS (CAST(round(json_extract(line, '$.talk_s') * 1000) AS INTEGER)) STORED,
        whatsapp_s      INTEGER AS (json_extract(line, '$.whatsapp_duration_s')) STORED,
        pulses          INTEGER AS (json_extract(line, '$.charge.pulses')) STORED,
        market          TEXT AS (json_extract(line, '$.charge.market')) STORED,
        tier            INTEGER AS (json_extract(line, '$.charge.tier')) STORED,
        rate_per_minute TEXT AS (json_extract(line, '$.charge.rate_per_minute')) STORED,
        price_micros    INTEGER AS (CAST(replace(json_extract(line, '$.charge.price'), '.', '') AS INTEGER)) STORED,
        currency        TEXT AS (json_extract(line, '$.charge.currency')) STORED,
        charge_error    TEXT AS (json_extract(line, '$.charge_error')) STORED,
        mos_from_user   REAL AS (json_extract(line, CASE json_extract(line, '$.quality.user')
                            WHEN 'b' THEN '$.quality.b.mos_received' ELSE '$.quality.a.mos_received' END)) STORED,
        mos_to_user     REAL AS (json_extract(line, CASE json_extract(line, '$.quality.user')
                            WHEN 'b' THEN '$.quality.b.mos_sent' ELSE '$.quality.a.mos_sent' END)) STORED,
        line            TEXT NOT NULL
    ) STRICT;
    INSERT INTO call (call, line) SELECT call, line FROM cdr;
    DROP TABLE cdr;
    ALTER TABLE call RENAME TO cdr;
    CREATE INDEX cdr_at ON cdr (at, call);
    CREATE INDEX cdr_number ON cdr (number, at);
    CREATE INDEX cdr_user ON cdr (user, at);
    CREATE INDEX cdr_user_id ON cdr (user_id, at);
    CREATE INDEX cdr_wacid ON cdr (wacid);
    CREATE INDEX cdr_billed ON cdr (answered) WHERE direction = 'business_initiated';
", "
    ALTER TABLE cdr ADD COLUMN no_audio_from_user TEXT AS (CASE json_extract(line, '$.quality.user')
        WHEN 'b' THEN ifnull(json_extract(line, '$.quality.b.no_audio_from'), json_extract(line, '$.quality.a.no_audio_to'))
        ELSE ifnull(json_extract(line, '$.quality.a.no_audio_from'), json_extract(line, '$.quality.b.no_audio_to')) END) VIRTUAL;
    ALTER TABLE cdr ADD COLUMN no_audio_from_pbx TEXT AS (CASE json_extract(line, '$.quality.user')
        WHEN 'b' THEN ifnull(json_extract(line, '$.quality.a.no_audio_from'), json_extract(line, '$.quality.b.no_audio_to'))
        ELSE ifnull(json_extract(line, '$.quality.b.no_audio_from'), json_extract(line, '$.quality.a.no_audio_to')) END) VIRTUAL;
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
