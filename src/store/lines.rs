//! The file of JSON lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tracing::error;

use super::Line;

pub(super) struct LinesFile {
    path: PathBuf,
    file: File,
}

impl LinesFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o640)
            .open(path)?;
        end_last_line(&mut file)?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Opens whatever file bears the name now; the old one stays when that fails.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        self.file = Self::open(&self.path)?.file;
        Ok(())
    }

    /// Appends lines, each whole or not at all, and syncs them. How many were taken; an error if none was.
    pub(super) fn append(&mut self, lines: &[Arc<Line>]) -> io::Result<usize> {
        let mut taken = 0;
        for line in lines {
            match self.append_line(&line.json) {
                Ok(()) => taken += 1,
                Err(error) if taken == 0 => return Err(error),
                Err(_) => break,
            }
        }
        if let Err(error) = self.sync() {
            // They are written; written again they would be there twice.
            error!(file = %self.path.display(), %error, "CDRs are written but not synced");
        }
        Ok(taken)
    }

    fn append_line(&mut self, json: &str) -> io::Result<()> {
        let before = self.file.metadata()?.len();
        let bytes = [json.as_bytes(), b"\n"].concat();
        let written = self.file.write_all(&bytes);
        if written.is_err() {
            // Half a line on a full disk; a file that cannot be cut is a pipe or a device and has no half lines.
            let _ = self.file.set_len(before);
        }
        written
    }

    /// Devices and pipes cannot be synced and need not be.
    fn sync(&self) -> io::Result<()> {
        match self.file.sync_data() {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(()),
            result => result,
        }
    }
}

/// A machine that lost power may leave half a line: what follows begins on its own.
fn end_last_line(file: &mut File) -> io::Result<()> {
    if !file.metadata()?.is_file() || file.metadata()?.len() == 0 {
        return Ok(());
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    if last != *b"\n" {
        file.write_all(b"\n")?;
    }
    Ok(())
}
