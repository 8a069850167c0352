//! Where profiles come from: built in, from the operator's folder, or by path.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Profile;
use super::surroundings::Surroundings;
use super::toml_file::{Notes, TomlFile, Value, list, nearest};

const BUILT_IN: [(&str, &str); 4] = [
    ("generic", include_str!("../../sip-profiles/generic.toml")),
    ("asterisk", include_str!("../../sip-profiles/asterisk.toml")),
    (
        "freeswitch",
        include_str!("../../sip-profiles/freeswitch.toml"),
    ),
    ("meta", include_str!("../../sip-profiles/meta.toml")),
];

/// The known profiles; those by path are read when they are first named.
pub(super) struct Profiles<'a> {
    known: BTreeMap<String, Profile>,
    around: Surroundings<'a>,
    notes: &'a Notes,
}

impl<'a> Profiles<'a> {
    pub(super) fn built_in(around: Surroundings<'a>, notes: &'a Notes) -> Self {
        let mut profiles = Self {
            known: BTreeMap::new(),
            around,
            notes,
        };
        for (name, text) in BUILT_IN {
            let path = PathBuf::from(format!("sip-profiles/{name}.toml"));
            profiles.read(name, &path, text);
        }
        profiles
    }

    /// Every `*.toml` of a folder, by its file name; a built-in one of that name is replaced.
    pub(super) fn add_folder(&mut self, value: &Value<'_>) {
        let Some(folder) = self.around.path(value) else {
            return;
        };
        let files = match self.around.outside.list(&folder) {
            Ok(files) => files,
            Err(error) => {
                let problem = format!("cannot read {}: {error}", folder.display());
                value.error(&problem, "name a folder of profiles");
                return;
            }
        };
        for file in files {
            let name = file.file_stem().and_then(|name| name.to_str());
            if let Some(name) = name
                && file
                    .extension()
                    .is_some_and(|extension| extension == "toml")
            {
                self.read_file(name, &file, value);
            }
        }
    }

    /// Whether there is a profile of this name, or a file at this path; if not, that is noted.
    pub(super) fn require(&mut self, value: &Value<'_>) -> Option<String> {
        let name = value.text()?;
        if !self.known.contains_key(name) && name.ends_with(".toml") {
            let path = self.around.path(value)?;
            self.read_file(name, &path, value);
        }
        if self.known.contains_key(name) {
            return Some(name.to_owned());
        }
        let known = list(self.known.keys().map(String::as_str));
        let remedy = match nearest(name, self.known.keys().map(String::as_str)) {
            Some(known) => format!("did you mean \"{known}\"?"),
            None => format!("write one of {known}, or the path of a .toml file"),
        };
        value.error(&format!("there is no profile \"{name}\""), &remedy);
        None
    }

    pub(super) fn get(&self, name: &str) -> Option<&Profile> {
        self.known.get(name)
    }

    pub(super) fn into_known(self) -> BTreeMap<String, Profile> {
        self.known
    }

    fn read_file(&mut self, name: &str, path: &Path, value: &Value<'_>) {
        let Some(bytes) = self.around.content(value, path) else {
            return;
        };
        match String::from_utf8(bytes) {
            Ok(text) => self.read(name, path, &text),
            Err(_) => value.error(
                &format!("{} is no text", path.display()),
                "write it in UTF-8",
            ),
        }
    }

    fn read(&mut self, name: &str, path: &Path, text: &str) {
        let file = TomlFile {
            path,
            text,
            notes: self.notes,
        };
        let profile = file.read(|table| {
            let based_on = table.value("based_on");
            let base = match &based_on {
                Some(value) => self.known.get(value.text()?).or_else(|| {
                    let known = list(self.known.keys().map(String::as_str));
                    value.error(
                        "there is no such profile to be based on",
                        &format!("write one of {known}"),
                    );
                    None
                }),
                None => self.known.get("generic"),
            };
            let neutral = Profile::neutral();
            Some(Profile::read(
                name.to_owned(),
                table,
                base.unwrap_or(&neutral),
            ))
        });
        if let Some(profile) = profile {
            self.known.insert(name.to_owned(), profile);
        }
    }
}
