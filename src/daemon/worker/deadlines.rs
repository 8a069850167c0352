//! The deadlines of a worker's calls, ordered: a binary heap in which each call has one place, so that moving a deadline
//! allocates nothing and leaves nothing behind.

use std::time::Instant;

/// Calls are named by their slot, a small number.
#[derive(Default)]
pub struct Deadlines {
    heap: Vec<(Instant, usize)>,
    /// Slot to its index in `heap`.
    place: Vec<Option<usize>>,
}

impl Deadlines {
    /// Grows to hold `slots`, so that `set` never allocates.
    pub fn reserve(&mut self, slots: usize) {
        self.heap.reserve(slots.saturating_sub(self.heap.len()));
        if self.place.len() < slots {
            self.place.resize(slots, None);
        }
    }

    pub fn set(&mut self, slot: usize, deadline: Option<Instant>) {
        let place = self.place.get(slot).copied().flatten();
        match (place, deadline) {
            (None, None) => {}
            (None, Some(at)) => self.insert(slot, at),
            (Some(index), None) => self.remove(index),
            (Some(index), Some(at)) => self.change(index, at),
        }
    }

    pub fn earliest(&self) -> Option<Instant> {
        self.heap.first().map(|(at, _)| *at)
    }

    /// A slot whose deadline has passed. It stays until it is set anew.
    pub fn due(&self, now: Instant) -> Option<usize> {
        let (at, slot) = self.heap.first()?;
        (*at <= now).then_some(*slot)
    }

    fn insert(&mut self, slot: usize, at: Instant) {
        self.reserve(slot + 1);
        self.heap.push((at, slot));
        let index = self.heap.len() - 1;
        self.place[slot] = Some(index);
        self.rise(index);
    }

    fn remove(&mut self, index: usize) {
        let (_, slot) = self.heap.swap_remove(index);
        self.place[slot] = None;
        if let Some((_, moved)) = self.heap.get(index) {
            self.place[*moved] = Some(index);
            let index = self.rise(index);
            self.sink(index);
        }
    }

    fn change(&mut self, index: usize, at: Instant) {
        self.heap[index].0 = at;
        let index = self.rise(index);
        self.sink(index);
    }

    fn rise(&mut self, mut index: usize) -> usize {
        while index > 0 {
            let parent = (index - 1) / 2;
            if self.heap[parent].0 <= self.heap[index].0 {
                break;
            }
            self.swap(parent, index);
            index = parent;
        }
        index
    }

    fn sink(&mut self, mut index: usize) {
        loop {
            let children = [2 * index + 1, 2 * index + 2].into_iter();
            let least = children
                .filter(|child| *child < self.heap.len())
                .min_by_key(|child| self.heap[*child].0);
            match least {
                Some(child) if self.heap[child].0 < self.heap[index].0 => {
                    self.swap(child, index);
                    index = child;
                }
                Some(_) | None => return,
            }
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        for index in [one, other] {
            let slot = self.heap[index].1;
            self.place[slot] = Some(index);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::time::Duration;

    proptest! {
        /// Like a map that is searched for its least value.
        #[test]
        fn as_a_sorted_map(steps in prop::collection::vec((0usize..12, prop::option::of(0u64..50)), 1..200)) {
            let start = Instant::now();
            let mut deadlines = Deadlines::default();
            let mut model = BTreeMap::new();
            for (slot, millis) in steps {
                let at = millis.map(|millis| start + Duration::from_millis(millis));
                deadlines.set(slot, at);
                match at {
                    Some(at) => model.insert(slot, at),
                    None => model.remove(&slot),
                };
                let least = model.values().min().copied();
                prop_assert_eq!(deadlines.earliest(), least);
                if let Some(least) = least {
                    prop_assert_eq!(deadlines.due(least).map(|slot| model[&slot]), Some(least));
                    prop_assert_eq!(deadlines.due(least - Duration::from_millis(1)), None);
                }
            }
        }
    }
}
