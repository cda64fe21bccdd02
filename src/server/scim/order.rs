//! In which order the operations of a bulk are done: as they stand, but whoever names what a later one makes waits for it
//! (RFC 7644 3.7.2). Nobody is done earlier than it stands, so that what is freed by one can be taken by the next. Pure.

use std::collections::{BTreeSet, HashMap};

/// The places of the operations in the order in which they are done: each once. `names` has, for each operation, the places
/// of those that make what it refers to. Those that wait for each other come last, as they stand: what they name is then not
/// there (RFC 7644 3.7.1 lets a server stop so).
pub(super) fn order(names: &[BTreeSet<usize>]) -> Vec<usize> {
    let mut waits_for: Vec<usize> = names.iter().map(BTreeSet::len).collect();
    let mut waiting: HashMap<usize, Vec<usize>> = HashMap::new();
    for (at, named) in names.iter().enumerate() {
        named.iter().for_each(|other| waiting.entry(*other).or_default().push(at));
    }
    let (mut order, mut is_done) = (Vec::with_capacity(names.len()), vec![false; names.len()]);
    for at in 0..names.len() {
        // Reached by this one; who waited longest first.
        let mut ready = BTreeSet::from([at]);
        while let Some(next) = ready.pop_first() {
            if is_done[next] || waits_for[next] > 0 {
                continue;
            }
            is_done[next] = true;
            order.push(next);
            for other in waiting.remove(&next).unwrap_or_default() {
                waits_for[other] -= 1;
                // A later one has its turn yet.
                ready.extend(Some(other).filter(|other| *other < at));
            }
        }
    }
    order.extend((0..names.len()).filter(|at| !is_done[*at]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ordered(names: &[&[usize]]) -> Vec<usize> {
        order(&names.iter().map(|named| named.iter().copied().collect()).collect::<Vec<_>>())
    }

    #[test]
    fn who_names_what_comes_later_waits() {
        assert_eq!(ordered(&[&[], &[0], &[]]), [0, 1, 2]);
        // The first waits for the last; what stands between is done as it stands.
        assert_eq!(ordered(&[&[2], &[], &[]]), [1, 2, 0]);
        assert_eq!(ordered(&[&[1], &[2], &[3], &[]]), [3, 2, 1, 0]);
        assert_eq!(ordered(&[&[2, 3], &[0], &[], &[], &[]]), [2, 3, 0, 1, 4]);
        // In a circle, of itself, and behind them.
        assert_eq!(ordered(&[&[1], &[0], &[]]), [2, 0, 1]);
        assert_eq!(ordered(&[&[0], &[0], &[]]), [2, 0, 1]);
    }

    proptest! {
        #[test]
        fn each_is_done_once_and_after_what_it_names(
            names in prop::collection::vec(prop::collection::btree_set(0..12_usize, 0..3), 1..12)
        ) {
            let many = names.len();
            let names: Vec<BTreeSet<usize>> =
                names.into_iter().map(|named| named.into_iter().filter(|at| *at < many).collect()).collect();
            let order = order(&names);
            prop_assert_eq!(order.iter().copied().collect::<BTreeSet<_>>(), (0..many).collect());
            prop_assert_eq!(order.len(), many);
            let place = |at: usize| order.iter().position(|it| *it == at).unwrap_or_default();
            for (at, named) in names.iter().enumerate() {
                // Those that can be reached from it by names; in a circle one reaches itself.
                let (mut reached, mut next): (BTreeSet<usize>, Vec<usize>) = (BTreeSet::new(), named.iter().copied().collect());
                while let Some(here) = next.pop() {
                    if reached.insert(here) {
                        next.extend(&names[here]);
                    }
                }
                let is_free = |at: &usize| {
                    let (mut seen, mut next): (BTreeSet<usize>, Vec<usize>) = (BTreeSet::new(), names[*at].iter().copied().collect());
                    while let Some(here) = next.pop() {
                        if seen.insert(here) {
                            next.extend(&names[here]);
                        }
                    }
                    !seen.contains(at)
                };
                if reached.iter().all(is_free) && is_free(&at) {
                    prop_assert!(named.iter().all(|other| place(*other) < place(at)), "{:?} of {:?}", order, names);
                }
            }
        }
    }
}
