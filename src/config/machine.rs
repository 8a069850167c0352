//! The machine that we run on, as [`Outside`]: the one place of this room that touches files, environment and clock.
#![expect(clippy::disallowed_methods, reason = "reading the world is its task")]

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Outside;

pub(super) struct Machine;

impl Outside for Machine {
    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(file)
    }

    fn is_readable_by_all(&self, file: &Path) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::metadata(file).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder)? {
            files.push(entry?.path());
        }
        files.sort();
        Ok(files)
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}
