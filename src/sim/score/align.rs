//! Where in a recording the source stands.

use crate::sim::score::RATE;
use crate::sim::score::fft::correlate;

/// Blocks are moved on their own, this far at most (samples): a jitter buffer that grew or shrank.
const PLAY: isize = RATE as isize / 5;
const BLOCK: usize = RATE as usize;
/// So many places of the source are looked at closely.
const PLACES: usize = 4;
/// Another place must be this like the best.
const WORTH_A_LOOK: f64 = 0.4;

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Alignment {
    /// The source's first sample stands here in the recording; negative when its start is missing.
    pub offset: isize,
    /// The same for each block of one second.
    blocks: Vec<isize>,
}

impl Alignment {
    /// The recording cut and moved so that it stands beside the source, zeros where there is none.
    pub fn fit(&self, source: &[i16], heard: &[i16]) -> Vec<i16> {
        let sample = |at: isize| {
            let at = usize::try_from(at).ok();
            at.and_then(|at| heard.get(at)).copied().unwrap_or(0)
        };
        (0..source.len())
            .map(|at| {
                let offset = self.blocks.get(at / BLOCK).unwrap_or(&self.offset);
                sample(at as isize + offset)
            })
            .collect()
    }
}

/// By cross-correlation: where the whole may stand, then each block near by. Where the source stands several times, the
/// place with the most of it counts.
pub fn align(source: &[i16], heard: &[i16]) -> Alignment {
    let (source, heard) = (floats(source), floats(heard));
    let places = places(&source, &heard).into_iter();
    let placed = places.map(|offset| place(&source, &heard, offset));
    let best = placed.max_by(|(a, _), (b, _)| a.total_cmp(b));
    best.map_or_else(Alignment::default, |(_, alignment)| alignment)
}

/// Lags of the highest correlation, each well apart from the others.
fn places(source: &[f64], heard: &[f64]) -> Vec<isize> {
    let correlation = Correlation::of(source, heard);
    let mut lags: Vec<isize> = (1 - source.len() as isize..heard.len() as isize).collect();
    let mut places: Vec<isize> = Vec::new();
    while places.len() < PLACES {
        let Some(best) = correlation.best(lags.iter().copied()) else {
            break;
        };
        let first = places.first().map_or(0.0, |first| correlation.at(*first));
        if correlation.at(best) < first * WORTH_A_LOOK {
            break;
        }
        lags.retain(|lag| lag.abs_diff(best) > BLOCK / 2);
        places.push(best);
    }
    places
}

/// How much of the source is found near `offset`, and where exactly.
fn place(source: &[f64], heard: &[f64], offset: isize) -> (f64, Alignment) {
    let mut found = 0.0;
    let mut blocks = Vec::new();
    for (number, block) in source.chunks(BLOCK).enumerate() {
        let expected = offset + (number * BLOCK) as isize;
        let start = (expected - PLAY).max(0) as usize;
        let end = (expected + block.len() as isize + PLAY).max(0) as usize;
        let around = heard.get(start..end.min(heard.len())).unwrap_or_default();
        let centre = expected - start as isize;
        let correlation = Correlation::of(block, around);
        let best = correlation
            .best(centre - PLAY..centre + PLAY)
            .unwrap_or(centre);
        let likeness = correlation.at(best);
        found += likeness;
        // A block that is like nothing around stays where it should be.
        let alike = likeness > 0.1 * energy(block).max(1.0);
        let lag = if alike { best } else { centre };
        blocks.push(lag - centre + offset);
    }
    (found, Alignment { offset, blocks })
}

/// By lag, negative ones at the end.
struct Correlation(Vec<f64>);

impl Correlation {
    fn of(source: &[f64], heard: &[f64]) -> Self {
        Self(correlate(source, heard))
    }

    fn at(&self, lag: isize) -> f64 {
        self.0[lag.rem_euclid(self.0.len() as isize) as usize]
    }

    fn best(&self, lags: impl Iterator<Item = isize>) -> Option<isize> {
        lags.max_by(|&a, &b| self.at(a).total_cmp(&self.at(b)))
    }
}

fn energy(samples: &[f64]) -> f64 {
    samples.iter().map(|sample| sample * sample).sum()
}

fn floats(samples: &[i16]) -> Vec<f64> {
    samples.iter().map(|&sample| sample.into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(length: usize) -> Vec<i16> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 18) as i16 - 8_192
        };
        (0..length).map(|_| next()).collect()
    }

    #[test]
    fn a_block_that_moved_is_followed() {
        let source = noise(4 * BLOCK);
        let mut heard = vec![0; 3_000];
        heard.extend(&source[..2 * BLOCK]);
        heard.extend(vec![0; 160]);
        heard.extend(&source[2 * BLOCK..]);
        let alignment = align(&source, &heard);
        assert_eq!(alignment.fit(&source, &heard), source);
    }

    /// A speaker who began again, the first time interrupted, the second time late by a little in the middle.
    #[test]
    fn the_place_with_the_most_of_the_source_counts() {
        let source = noise(6 * BLOCK);
        let mut heard = source.clone();
        heard[BLOCK..3 * BLOCK].fill(0);
        heard.extend(&source[..3 * BLOCK]);
        heard.extend(vec![0; 160]);
        heard.extend(&source[3 * BLOCK..]);
        let alignment = align(&source, &heard);
        assert_eq!(alignment.fit(&source, &heard), source);
    }

    #[test]
    fn a_source_whose_start_is_missing_has_a_negative_offset() {
        let source = noise(2 * BLOCK);
        assert_eq!(align(&source, &source[500..]).offset, -500);
    }
}
