//! Families of one scrape, one after another.

use std::fmt;

use prometheus_client::encoding::{
    DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, EncodeMetric as _, MetricEncoder,
    NoLabelSet,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

use super::histogram::Histogram;

/// Names and values.
pub(super) type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

/// Name, help text, and where the value is.
pub(super) type Figure<T, V> = (&'static str, &'static str, fn(&T) -> V);
pub(super) type Spread<T> = (&'static str, &'static str, fn(&T) -> &Histogram);

pub(super) struct Page<'a>(DescriptorEncoder<'a>);

impl<'a> Page<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// `_total` is added to the name.
    pub(super) fn counters<'l, const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> fmt::Result {
        let write = |value: V, encoder: MetricEncoder<'_>| ConstCounter::new(value).encode(encoder);
        self.family(name, help, MetricType::Counter, samples, write)
    }

    pub(super) fn gauges<'l, const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, V)>,
    ) -> fmt::Result {
        let write = |value: V, encoder: MetricEncoder<'_>| ConstGauge::new(value).encode(encoder);
        self.family(name, help, MetricType::Gauge, samples, write)
    }

    pub(super) fn histograms<'l, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels<'l, N>, &'l Histogram)>,
    ) -> fmt::Result {
        let write = |histogram: &Histogram, mut encoder: MetricEncoder<'_>| {
            let (sum, count) = (histogram.sum(), histogram.count());
            encoder.encode_histogram::<NoLabelSet>(sum, count, histogram.buckets(), None)
        };
        self.family(name, help, MetricType::Histogram, samples, write)
    }

    fn family<'l, const N: usize, V>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels<'l, N>, V)>,
        write: impl Fn(V, MetricEncoder<'_>) -> fmt::Result,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            write(value, family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
