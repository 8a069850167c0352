//! Where in a recording the source stands.

use crate::sim::score::RATE;
use crate::sim::score::fft::correlate;

/// Blocks are moved on their own, this far at most (samples): a jitter buffer that grew or shrank.
const PLAY: isize = RATE as isize / 5;
const BLOCK: usize = RATE as usize;

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alignment {
    /// The source's first sample stands here in the recording; negative when its start is missing.
    pub offset: isize,
    /// The same for each block of one second.
    blocks: Vec<isize>,
}

/// By cross-correlation, first of the whole, then of each block near by.
pub fn align(source: &[i16], heard: &[i16]) -> Alignment {
    let (source, heard) = (floats(source), floats(heard));
    let offset = best_lag(&source, &heard, None);
    let blocks = source
        .chunks(BLOCK)
        .enumerate()
        .map(|(number, block)| {
            let expected = offset + (number * BLOCK) as isize;
            let start = (expected - PLAY).max(0) as usize;
            let end = (expected + block.len() as isize + PLAY).max(0) as usize;
            let around = heard.get(start..end.min(heard.len())).unwrap_or_default();
            let centre = expected - start as isize;
            let lag = best_lag(block, around, Some(centre));
            lag - centre + offset
        })
        .collect();
    Alignment { offset, blocks }
}

impl Alignment {
    /// The recording cut and moved so that it stands beside the source, zeros where there is none.
    pub fn fit(&self, source: &[i16], heard: &[i16]) -> Vec<i16> {
        let sample = |at: isize| {
            let at = usize::try_from(at).ok();
            at.and_then(|at| heard.get(at)).copied().unwrap_or(0)
        };
        (0..source.len())
            .map(|at| sample(at as isize + self.blocks[at / BLOCK]))
            .collect()
    }
}

/// The lag with the highest correlation. Near `centre` when given; a hardly correlated block stays at the centre.
fn best_lag(source: &[f64], heard: &[f64], centre: Option<isize>) -> isize {
    let correlation = correlate(source, heard);
    let (length, shortest) = (correlation.len() as isize, -(source.len() as isize));
    let at = |lag: isize| correlation[lag.rem_euclid(length) as usize];
    let lags = match centre {
        Some(centre) => centre - PLAY..centre + PLAY,
        None => shortest + 1..heard.len() as isize,
    };
    let best = lags.max_by(|&a, &b| at(a).total_cmp(&at(b))).unwrap_or(0);
    match centre {
        Some(centre) if at(best) < 0.1 * energy(source).max(1.0) => centre,
        _ => best,
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

    #[test]
    fn a_source_whose_start_is_missing_has_a_negative_offset() {
        let source = noise(2 * BLOCK);
        assert_eq!(align(&source, &source[500..]).offset, -500);
    }
}
