//! Paths and secrets that a configuration names.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::Outside;
use super::toml_file::{Table, Value};

/// The machine, and the folder that relative paths begin in: the one of the configuration file.
#[derive(Clone, Copy)]
pub(super) struct Surroundings<'a> {
    pub outside: &'a dyn Outside,
    pub folder: &'a Path,
}

impl Surroundings<'_> {
    pub(super) fn path(&self, value: &Value<'_>) -> Option<PathBuf> {
        let text = value.text()?;
        if text.is_empty() {
            value.error("the path is empty", "write the path of a file");
            return None;
        }
        Some(self.folder.join(text))
    }

    /// The file's content; that it cannot be read is noted.
    pub(super) fn content(&self, value: &Value<'_>, path: &Path) -> Option<Vec<u8>> {
        self.outside
            .read(path)
            .map_err(|error| {
                let problem = format!("cannot read {}: {error}", path.display());
                value.error(&problem, "name a file that wabridge may read");
            })
            .ok()
    }

    /// A secret file that every user can read is worth a warning.
    pub(super) fn warn_if_public(&self, value: &Value<'_>, path: &Path) {
        if self.outside.is_readable_by_all(path) {
            let problem = format!("every user of this machine can read {}", path.display());
            value.warning(&problem, "take that right away: chmod o-r");
        }
    }

    /// `password`, `password_file` or `password_env`; `None` when there is none or it is unusable, and the latter is noted.
    pub(super) fn password(&self, table: &Table<'_>) -> Option<SecretString> {
        let (plain, file, variable) = (
            table.value("password"),
            table.value("password_file"),
            table.value("password_env"),
        );
        if [&plain, &file, &variable].into_iter().flatten().count() > 1 {
            table.error(
                "the password is given more than once",
                "keep one of password, password_file, password_env",
            );
            return None;
        }
        let (value, secret) = if let Some(value) = plain {
            let secret = value.text()?.to_owned();
            (value, secret)
        } else if let Some(value) = file {
            let secret = self.password_in_file(&value)?;
            (value, secret)
        } else {
            let value = variable?;
            let secret = self.password_in_variable(&value)?;
            (value, secret)
        };
        if secret.is_empty() {
            value.error("the password is empty", "give the password");
            return None;
        }
        Some(SecretString::from(secret))
    }

    fn password_in_file(&self, value: &Value<'_>) -> Option<String> {
        let path = self.path(value)?;
        let bytes = self.content(value, &path)?;
        self.warn_if_public(value, &path);
        match String::from_utf8(bytes) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(_) => {
                value.error("the file is no text", "write the password alone into it");
                None
            }
        }
    }

    fn password_in_variable(&self, value: &Value<'_>) -> Option<String> {
        let name = value.text()?;
        let secret = self.outside.variable(name);
        if secret.is_none() {
            value.error(
                &format!("the environment variable {name} is not set"),
                "set it where wabridge is started",
            );
        }
        secret
    }
}
