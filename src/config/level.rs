//! How much louder or softer a peer is made: a profile says it for a kind of peer, a PBX peer for itself.

use super::Profile;
use super::toml_file::Table;
use crate::media::gain::{Decibels, Levels};

/// What a peer has for itself; `Default`: nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct OwnLevels {
    pub from: Option<Decibels>,
    pub to: Option<Decibels>,
}

impl OwnLevels {
    pub(super) fn read(table: &Table<'_>) -> Self {
        Self {
            from: read(table, "gain_from_db"),
            to: read(table, "gain_to_db"),
        }
    }

    /// The profile's with what is its own.
    pub fn levels(&self, profile: &Profile) -> Levels {
        Levels {
            from: self.from.unwrap_or(profile.media.gain_from),
            to: self.to.unwrap_or(profile.media.gain_to),
        }
    }
}

/// `None`: not there, or wrong, and noted.
pub(super) fn read(table: &Table<'_>, key: &'static str) -> Option<Decibels> {
    let level = table.value(key).and_then(|value| value.whole(-20..=20));
    level.map(Decibels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_the_two_may_be_ones_own() {
        let mut profile = Profile::neutral();
        profile.media.gain_from = Decibels(3);
        profile.media.gain_to = Decibels(-3);
        for (from, to, levels) in [
            (None, None, (3, -3)),
            (Some(6), None, (6, -3)),
            (None, Some(0), (3, 0)),
        ] {
            let own = OwnLevels {
                from: from.map(Decibels),
                to: to.map(Decibels),
            };
            let (from, to) = (Decibels(levels.0), Decibels(levels.1));
            assert_eq!(own.levels(&profile), Levels { from, to });
        }
    }
}
