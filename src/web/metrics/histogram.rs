//! How often a figure was how large.

/// By whole buckets: how many were at most the bound and above the one before.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Histogram {
    /// The last one's bound is infinite.
    buckets: Vec<(f64, u64)>,
    sum: f64,
}

impl Histogram {
    /// `bounds` rise.
    pub(super) fn new(bounds: &[f64]) -> Self {
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        Self {
            buckets: bounds.map(|bound| (bound, 0)).collect(),
            sum: 0.0,
        }
    }

    /// `None`: nobody measured it.
    pub(super) fn observe(&mut self, value: Option<f64>) {
        let Some(value) = value else { return };
        // What is no number is in none of them.
        let bucket = self.buckets.iter_mut().find(|(bound, _)| value <= *bound);
        if let Some((_, count)) = bucket {
            *count += 1;
            self.sum += value;
        }
    }

    pub(super) fn buckets(&self) -> &[(f64, u64)] {
        &self.buckets
    }

    pub(super) fn sum(&self) -> f64 {
        self.sum
    }

    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let mut histogram = Histogram::new(&[1.0, 2.0]);
        for value in [0.5, 1.0, 1.5, 2.0, 2.25, 2.75, f64::NAN] {
            histogram.observe(Some(value));
        }
        histogram.observe(None);
        assert_eq!(
            histogram.buckets(),
            [(1.0, 2), (2.0, 2), (f64::INFINITY, 2)]
        );
        assert_eq!((histogram.count(), histogram.sum()), (6, 10.0));
    }
}
