//! SRV records: where a service of a name is, and in which order to try (RFC 2782).

use crate::entropy::Entropy;

/// An SRV record (RFC 2782).
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Service {
    pub(super) priority: u16,
    pub(super) weight: u16,
    pub(super) port: u16,
    pub(super) target: String,
}

/// Lower priorities first; among equals a weighted draw, weight 0 last in chance but not impossible.
pub(super) fn in_order(mut services: Vec<Service>, entropy: &mut Entropy) -> Vec<Service> {
    services.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(services.len());
    while let Some(first) = services.first() {
        let priority = first.priority;
        let equals = services
            .iter()
            .take_while(|service| service.priority == priority)
            .count();
        let weights: Vec<u32> = services
            .iter()
            .take(equals)
            .map(|service| service.weight.into())
            .collect();
        ordered.push(services.remove(draw(&weights, entropy)));
    }
    ordered
}

/// An index, each with the chance of its weight.
fn draw(weights: &[u32], entropy: &mut Entropy) -> usize {
    let total: u32 = weights.iter().sum();
    let mut left = entropy.below(total.saturating_add(1));
    for (index, weight) in weights.iter().enumerate() {
        if left <= *weight {
            return index;
        }
        left -= weight;
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn service(priority: u16, weight: u16, target: &str) -> Service {
        Service {
            priority,
            weight,
            port: 5061,
            target: target.to_owned(),
        }
    }

    /// How often each comes first.
    fn firsts(services: &[Service], rounds: u32) -> BTreeMap<String, u32> {
        let mut entropy = Entropy::from_seed([7; 32]);
        let mut counts = BTreeMap::new();
        for _ in 0..rounds {
            let ordered = in_order(services.to_vec(), &mut entropy);
            assert_eq!(ordered.len(), services.len());
            *counts.entry(ordered[0].target.clone()).or_default() += 1;
        }
        counts
    }

    #[test]
    fn lower_priority_always_comes_first() {
        let services = [
            service(20, 100, "b"),
            service(10, 0, "a"),
            service(30, 0, "c"),
        ];
        assert_eq!(firsts(&services, 50), [("a".to_owned(), 50)].into());
    }

    #[test]
    fn equals_are_drawn_by_weight() {
        let services = [service(10, 75, "often"), service(10, 25, "seldom")];
        let counts = firsts(&services, 4000);
        let often = counts["often"];
        assert!((2800..=3200).contains(&often), "{counts:?}");
    }
}
