//! What reading a configuration needs of the machine: files, environment, the date. One small door, so that everything
//! behind it is tested without a disk.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

pub trait Outside {
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;
    /// Every user of the machine may read it.
    fn is_readable_by_all(&self, file: &Path) -> bool;
    /// Files of a folder, sorted by name.
    fn list(&self, folder: &Path) -> io::Result<Vec<PathBuf>>;
    fn variable(&self, name: &str) -> Option<String>;
    fn now(&self) -> SystemTime;
}
