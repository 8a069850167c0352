//! A TOML file read strictly: every value is asked for by name and type, every mistake is noted with its line, and what
//! nobody asked for is an unknown key. Reading goes on after a mistake, so that all are found at once.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::Path;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::report::{Finding, Severity};

/// Syntax errors beyond these are consequences of the first ones.
const MAX_SYNTAX_ERRORS: usize = 5;

/// Where mistakes are noted while a configuration is read.
#[derive(Default)]
pub(super) struct Notes(RefCell<Vec<Finding>>);

impl Notes {
    /// A value may be looked at twice; its mistake counts once.
    pub(super) fn add(&self, finding: Finding) {
        let mut findings = self.0.borrow_mut();
        if !findings.contains(&finding) {
            findings.push(finding);
        }
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
        self.0.into_inner()
    }
}

/// A file's text, for lines.
#[derive(Clone, Copy)]
pub(super) struct TomlFile<'a> {
    pub path: &'a Path,
    pub text: &'a str,
    pub notes: &'a Notes,
}

impl<'a> TomlFile<'a> {
    /// Takes the text apart and gives its top table to `read`. `None`: the text is no TOML; that is noted.
    pub(super) fn read<T>(self, read: impl FnOnce(&Table<'_>) -> Option<T>) -> Option<T> {
        self.open(|table| table.read(read))
    }

    /// As [`read`](Self::read), for who needs little of it: keys that nobody asked for are nobody's matter.
    pub(super) fn read_part<T>(self, read: impl FnOnce(&Table<'_>) -> Option<T>) -> Option<T> {
        self.open(|table| read(&table))
    }

    fn open<T>(self, read: impl FnOnce(Table<'_>) -> Option<T>) -> Option<T> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        for error in errors.iter().take(MAX_SYNTAX_ERRORS) {
            let line = error.span().map(|span| self.line(span.start));
            self.note(
                Severity::Error,
                line,
                "",
                error.message(),
                "mend the TOML syntax",
            );
        }
        if !errors.is_empty() {
            return None;
        }
        read(Table {
            file: self,
            path: String::new(),
            start: root.span().start,
            entries: root.get_ref(),
            asked: RefCell::default(),
        })
    }

    fn line(&self, offset: usize) -> usize {
        let before = self.text.as_bytes().iter().take(offset);
        1 + before.filter(|&&byte| byte == b'\n').count()
    }

    fn note(
        &self,
        severity: Severity,
        line: Option<usize>,
        key: &str,
        problem: &str,
        remedy: &str,
    ) {
        self.notes.add(Finding {
            severity,
            file: self.path.to_owned(),
            line,
            key: key.to_owned(),
            problem: problem.to_owned(),
            remedy: remedy.to_owned(),
        });
    }
}

/// A table whose keys are being asked for.
pub(super) struct Table<'a> {
    file: TomlFile<'a>,
    /// `trunks.office`; empty at the top.
    path: String,
    start: usize,
    entries: &'a DeTable<'a>,
    /// Every key that was asked for, there or not.
    asked: RefCell<BTreeSet<&'static str>>,
}

/// A value that is there, with its place.
#[derive(Clone)]
pub(super) struct Value<'a> {
    file: TomlFile<'a>,
    path: String,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Table<'a> {
    /// Reads the table and then complains about the keys that were not asked for.
    pub(super) fn read<T>(self, read: impl FnOnce(&Self) -> T) -> T {
        let result = read(&self);
        self.refuse_unknown_keys();
        result
    }

    pub(super) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        self.asked.borrow_mut().insert(key);
        let value = self.entries.get(key)?;
        Some(self.at(key, value))
    }

    /// `remedy`: what to write when it is missing.
    pub(super) fn required(&self, key: &'static str, remedy: &str) -> Option<Value<'a>> {
        let value = self.value(key);
        if value.is_none() {
            self.error(&format!("{key} is missing"), remedy);
        }
        value
    }

    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        self.value(key)
            .and_then(|value| value.flag())
            .unwrap_or(default)
    }

    pub(super) fn number(
        &self,
        key: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        self.value(key)
            .and_then(|value| value.number(range))
            .unwrap_or(default)
    }

    /// Whole seconds; the key ends in `_s`.
    pub(super) fn seconds(
        &self,
        key: &'static str,
        range: RangeInclusive<u32>,
        default: Duration,
    ) -> Duration {
        self.value(key)
            .and_then(|value| value.number(range))
            .map_or(default, |seconds| Duration::from_secs(seconds.into()))
    }

    pub(super) fn choice<T: Copy>(&self, key: &'static str, names: &[(&str, T)], default: T) -> T {
        self.value(key)
            .and_then(|value| value.choice(names))
            .unwrap_or(default)
    }

    /// `None`: not there.
    pub(super) fn list<T>(
        &self,
        key: &'static str,
        read: impl FnMut(Value<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        Some(
            self.value(key)?
                .list()?
                .into_iter()
                .filter_map(read)
                .collect(),
        )
    }

    /// A list that must hold something; `None`: not there, or empty.
    pub(super) fn filled_list<T>(
        &self,
        key: &'static str,
        remedy: &str,
        read: impl FnMut(Value<'a>) -> Option<T>,
    ) -> Option<Vec<T>> {
        let value = self.value(key)?;
        let values = value.list()?;
        if values.is_empty() {
            value.error("the list is empty", remedy);
            return None;
        }
        Some(values.into_iter().filter_map(read).collect())
    }

    pub(super) fn table(&self, key: &'static str) -> Option<Table<'a>> {
        self.value(key)?.table()
    }

    /// The tables of `[[key]]`, none when it is not there.
    pub(super) fn tables(&self, key: &'static str) -> Vec<Table<'a>> {
        self.list(key, |value| value.table()).unwrap_or_default()
    }

    /// Names that the operator chose, with their values, in the order of the file. Nothing else may be in this table.
    pub(super) fn named(&self, shown: impl Fn(&str) -> String) -> Vec<(String, Value<'a>)> {
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        entries
            .into_iter()
            .map(|(key, value)| {
                let name = key.get_ref().as_ref();
                let at = Value {
                    file: self.file,
                    path: join(&self.path, &shown(name)),
                    value,
                };
                (name.to_owned(), at)
            })
            .collect()
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn error(&self, problem: &str, remedy: &str) {
        let line = (!self.path.is_empty()).then(|| self.file.line(self.start));
        self.file
            .note(Severity::Error, line, &self.path, problem, remedy);
    }

    fn at(&self, key: &str, value: &'a Spanned<DeValue<'a>>) -> Value<'a> {
        Value {
            file: self.file,
            path: join(&self.path, key),
            value,
        }
    }

    fn refuse_unknown_keys(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.entries.iter() {
            let name = key.get_ref().as_ref();
            if asked.contains(name) {
                continue;
            }
            let line = self.file.line(key.span().start);
            let remedy = match nearest(name, asked.iter().copied()) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("known here: {}", list(asked.iter().copied())),
            };
            let path = join(&self.path, name);
            self.file
                .note(Severity::Error, Some(line), &path, "unknown key", &remedy);
        }
    }
}

impl<'a> Value<'a> {
    pub(super) fn text(&self) -> Option<&'a str> {
        let text = self.value.get_ref().as_str();
        self.expect(text, "a text in quotes")
    }

    pub(super) fn flag(&self) -> Option<bool> {
        let flag = self.value.get_ref().as_bool();
        self.expect(flag, "true or false")
    }

    pub(super) fn number(&self, range: RangeInclusive<u32>) -> Option<u32> {
        self.whole(range)
    }

    /// A whole number, perhaps below zero.
    pub(super) fn whole<T>(&self, range: RangeInclusive<T>) -> Option<T>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let (first, last) = (range.start(), range.end());
        let words = format!("a whole number from {first} to {last}");
        let number = self.value.get_ref().as_integer();
        let number = number.and_then(|n| i64::from_str_radix(n.as_str(), n.radix()).ok());
        if self.value.get_ref().as_integer().is_none() {
            return self.expect(None, &words);
        }
        let fitting = number
            .and_then(|number| T::try_from(number).ok())
            .filter(|number| range.contains(number));
        if fitting.is_none() {
            self.error("the number is out of range", &format!("write {words}"));
        }
        fitting
    }

    /// One of a closed set of words.
    pub(super) fn choice<T: Copy>(&self, names: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = names.iter().find(|(name, _)| *name == text);
        if found.is_none() {
            let known = list(names.iter().map(|(name, _)| *name));
            let remedy = match nearest(text, names.iter().map(|(name, _)| *name)) {
                Some(name) => format!("did you mean \"{name}\"? (one of {known})"),
                None => format!("write one of {known}"),
            };
            self.error(&format!("\"{}\" is not known here", excerpt(text)), &remedy);
        }
        found.map(|(_, value)| *value)
    }

    /// One of a closed set of numbers.
    pub(super) fn choice_of_numbers(&self, numbers: &[u32]) -> Option<u32> {
        let number = self.number(0..=u32::MAX)?;
        if !numbers.contains(&number) {
            let known: Vec<String> = numbers.iter().map(u32::to_string).collect();
            let remedy = format!("write one of {}", known.join(", "));
            self.error(&format!("{number} is not known here"), &remedy);
            return None;
        }
        Some(number)
    }

    /// A text that means something else: `remedy` shows how it is written.
    pub(super) fn parse<T, E: fmt::Display>(
        &self,
        remedy: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text()?;
        parse(text)
            .map_err(|error| self.error(&format!("\"{}\": {error}", excerpt(text)), remedy))
            .ok()
    }

    pub(super) fn is_list(&self) -> bool {
        self.value.get_ref().as_array().is_some()
    }

    pub(super) fn list(&self) -> Option<Vec<Value<'a>>> {
        let array = self.value.get_ref().as_array();
        let array = self.expect(array, "a list in square brackets")?;
        let values = array.iter().zip(1..).map(|(value, place)| Self {
            file: self.file,
            path: format!("{}[{place}]", self.path),
            value,
        });
        Some(values.collect())
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        let entries = self.value.get_ref().as_table();
        Some(Table {
            file: self.file,
            path: self.path.clone(),
            start: self.value.span().start,
            entries: self.expect(entries, "a table: keys under a heading in square brackets")?,
            asked: RefCell::default(),
        })
    }

    pub(super) fn error(&self, problem: &str, remedy: &str) {
        self.note(Severity::Error, problem, remedy);
    }

    pub(super) fn warning(&self, problem: &str, remedy: &str) {
        self.note(Severity::Warning, problem, remedy);
    }

    fn note(&self, severity: Severity, problem: &str, remedy: &str) {
        let line = Some(self.file.line(self.value.span().start));
        self.file.note(severity, line, &self.path, problem, remedy);
    }

    fn expect<T>(&self, found: Option<T>, wanted: &str) -> Option<T> {
        if found.is_none() {
            let kind = kind(self.value.get_ref());
            self.error(&format!("this is {kind}"), &format!("write {wanted}"));
        }
        found
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

fn join(path: &str, key: &str) -> String {
    let is_bare = !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let key = if is_bare {
        key.to_owned()
    } else {
        format!("\"{}\"", excerpt(key))
    };
    if path.is_empty() {
        key
    } else {
        format!("{path}.{key}")
    }
}

/// The known name that is written most alike, if it is alike at all.
pub(super) fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    known
        .map(|known| (strsim::damerau_levenshtein(name, known), known))
        .filter(|&(distance, known)| distance <= 1 + known.len() / 4)
        .min()
        .map(|(_, known)| known)
}

pub(super) fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<&str> = names.collect();
    names.join(", ")
}

fn excerpt(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}
