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

/// A secret is written in one of three ways.
pub(super) struct SecretKeys {
    /// What it is called.
    pub word: &'static str,
    pub plain: &'static str,
    pub file: &'static str,
    /// An environment variable.
    pub variable: &'static str,
}

const PASSWORD: SecretKeys = SecretKeys {
    word: "password",
    plain: "password",
    file: "password_file",
    variable: "password_env",
};

impl SecretKeys {
    fn names(&self) -> [&'static str; 3] {
        [self.plain, self.file, self.variable]
    }

    pub(super) fn are_in(&self, table: &Table<'_>) -> bool {
        self.names().iter().any(|key| table.value(key).is_some())
    }
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
        self.secret(table, &PASSWORD)
    }

    /// As [`password`](Self::password), under other keys.
    pub(super) fn secret(&self, table: &Table<'_>, keys: &SecretKeys) -> Option<SecretString> {
        let word = keys.word;
        let [plain, file, variable] = keys.names().map(|key| table.value(key));
        if [&plain, &file, &variable].into_iter().flatten().count() > 1 {
            table.error(
                &format!("the {word} is given more than once"),
                &format!("keep one of {}", keys.names().join(", ")),
            );
            return None;
        }
        let (value, secret) = if let Some(value) = plain {
            let secret = value.text()?.to_owned();
            (value, secret)
        } else if let Some(value) = file {
            let secret = self.secret_in_file(&value, word)?;
            (value, secret)
        } else {
            let value = variable?;
            let secret = self.secret_in_variable(&value)?;
            (value, secret)
        };
        if secret.is_empty() {
            value.error(&format!("the {word} is empty"), &format!("give the {word}"));
            return None;
        }
        Some(SecretString::from(secret))
    }

    fn secret_in_file(&self, value: &Value<'_>, word: &str) -> Option<String> {
        let path = self.path(value)?;
        let bytes = self.content(value, &path)?;
        self.warn_if_public(value, &path);
        match String::from_utf8(bytes) {
            Ok(text) => Some(text.trim_end_matches(['\r', '\n']).to_owned()),
            Err(_) => {
                value.error(
                    "the file is no text",
                    &format!("write the {word} alone into it"),
                );
                None
            }
        }
    }

    fn secret_in_variable(&self, value: &Value<'_>) -> Option<String> {
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
