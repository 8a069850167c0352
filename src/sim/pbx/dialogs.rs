//! The dialogs that stand at the PBX, and how one names another (RFC 3891).

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::entropy::Entropy;
use crate::sim::sip::Dialog;
use crate::sim::sip::message::parameter;

/// A Replaces header: a dialog by the tags of the end that reads it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaces {
    pub call_id: String,
    /// The reader's own.
    pub to_tag: String,
    pub from_tag: String,
}

impl Replaces {
    pub fn parse(value: &str) -> Option<Self> {
        Some(Self {
            call_id: value.split(';').next()?.trim().into(),
            to_tag: parameter(value, "to-tag")?.into(),
            from_tag: parameter(value, "from-tag")?.into(),
        })
    }

    /// As a header of a URI: `Replaces=` and the value, escaped (RFC 3261 §19.1.2).
    pub fn in_uri(&self) -> String {
        let value = self.to_string();
        let escaped = value.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        });
        format!("Replaces={}", escaped.collect::<String>())
    }
}

impl fmt::Display for Replaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to, from) = (&self.to_tag, &self.from_tag);
        write!(f, "{};to-tag={to};from-tag={from}", self.call_id)
    }
}

/// Those that can be replaced.
#[derive(Default)]
pub struct Dialogs(Mutex<Vec<Standing>>);

struct Standing {
    extension: String,
    /// As a Replaces that comes to us would name it.
    names: Replaces,
    /// Told when another call has taken its place.
    leave: Arc<Notify>,
}

impl Dialogs {
    /// From the answer on; `leave` is told when the dialog has been replaced.
    pub(super) fn stand(&self, extension: &str, dialog: &Dialog, leave: Arc<Notify>) {
        let tag = |value: &str| parameter(value, "tag").unwrap_or_default().to_owned();
        let names = Replaces {
            call_id: dialog.call_id.clone(),
            to_tag: tag(&dialog.local),
            from_tag: tag(&dialog.remote),
        };
        self.push(extension, names, leave);
    }

    /// A dialog inside the PBX, between two of its own extensions: it has names, and no messages that anybody could see.
    pub(super) fn consult(&self, extension: &str, entropy: &mut Entropy) -> Replaces {
        let names = Replaces {
            call_id: format!("{}@consultation", entropy.hex(8)),
            to_tag: entropy.hex(6),
            from_tag: entropy.hex(6),
        };
        self.push(extension, names.clone(), Arc::default());
        names
    }

    fn push(&self, extension: &str, names: Replaces, leave: Arc<Notify>) {
        self.lock().push(Standing {
            extension: extension.into(),
            names,
            leave,
        });
    }

    /// What another caller sends to the far side of the extension's newest call, to take that call over.
    pub fn of(&self, extension: &str) -> Option<Replaces> {
        let dialogs = self.lock();
        let mut newest_first = dialogs.iter().rev();
        let standing = newest_first.find(|standing| standing.extension == extension)?;
        let Replaces {
            call_id,
            to_tag,
            from_tag,
        } = standing.names.clone();
        Some(Replaces {
            call_id,
            to_tag: from_tag,
            from_tag: to_tag,
        })
    }

    pub(super) fn stands(&self, names: &Replaces) -> bool {
        self.lock().iter().any(|one| one.names == *names)
    }

    /// A call that named this one has been answered.
    pub(super) fn replace(&self, names: &Replaces) {
        self.lock().retain(|standing| {
            let stays = standing.names != *names;
            if !stays {
                standing.leave.notify_one();
            }
            stays
        });
    }

    pub(super) fn end(&self, call_id: &str) {
        self.lock().retain(|one| one.names.call_id != call_id);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dialog_is_named_as_it_is_read() {
        let names = Replaces {
            call_id: "a7@b".into(),
            to_tag: "x".into(),
            from_tag: "y".into(),
        };
        assert_eq!(names.to_string(), "a7@b;to-tag=x;from-tag=y");
        assert_eq!(Replaces::parse(&names.to_string()), Some(names.clone()));
        let escaped = "Replaces=a7%40b%3Bto-tag%3Dx%3Bfrom-tag%3Dy";
        assert_eq!(names.in_uri(), escaped);
        assert_eq!(Replaces::parse("a7@b;to-tag=x"), None);
    }

    #[test]
    fn a_replaced_dialog_stands_no_more() {
        let dialogs = Dialogs::default();
        let names = dialogs.consult("200", &mut Entropy::from_seed([1; 32]));
        assert!(dialogs.stands(&names));
        let told = dialogs.of("200").unwrap();
        assert_eq!(
            (told.to_tag, told.from_tag),
            (names.from_tag.clone(), names.to_tag.clone())
        );
        dialogs.replace(&names);
        assert!(!dialogs.stands(&names) && dialogs.of("200").is_none());
    }
}
