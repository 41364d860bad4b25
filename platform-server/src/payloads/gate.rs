//! Who may change a payload's files at the moment.
//!
//! Any number of uploads are published side by side, each under its own name; freezing, removing, cloning and deleting
//! wait for them and then have the payload alone.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use platform_api::id::PayloadId;

#[derive(Debug, Default)]
pub(super) struct Gates {
    gates: Mutex<HashMap<PayloadId, Arc<Gate>>>,
}

#[derive(Debug, Default)]
struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Names without letter case that are on their way in.
    names: HashSet<String>,
    is_alone: bool,
    want_alone: usize,
}

impl Gate {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Gates {
    fn gate(&self, id: PayloadId) -> Arc<Gate> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(gates.entry(id).or_default())
    }

    /// Lets one upload in under a name; waits for another one of that name and for whoever is alone.
    pub(super) fn publish(&self, id: PayloadId, folded: String) -> Pass<'_> {
        let gate = self.gate(id);
        let mut state = gate.state();
        while state.is_alone || state.want_alone > 0 || state.names.contains(&folded) {
            state = gate.wait(state);
        }
        state.names.insert(folded.clone());
        drop(state);
        Pass { gates: self, id, gate, name: Some(folded) }
    }

    /// Lets one in alone; waits until everybody else is out. Uploads that come meanwhile wait behind it.
    pub(super) fn alone(&self, id: PayloadId) -> Pass<'_> {
        let gate = self.gate(id);
        let mut state = gate.state();
        state.want_alone += 1;
        while state.is_alone || !state.names.is_empty() {
            state = gate.wait(state);
        }
        state.want_alone -= 1;
        state.is_alone = true;
        drop(state);
        Pass { gates: self, id, gate, name: None }
    }
}

/// Being in. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    gates: &'a Gates,
    id: PayloadId,
    gate: Arc<Gate>,
    name: Option<String>,
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        let mut gates = self.gates.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.gate.state();
        match self.name.take() {
            Some(name) => drop(state.names.remove(&name)),
            None => state.is_alone = false,
        }
        drop(state);
        self.gate.changed.notify_all();
        // The map and this pass: nobody else is in or waits.
        if Arc::strong_count(&self.gate) == 2 {
            gates.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_in_beside_one_who_is_alone_and_gates_do_not_pile_up() {
        let gates = Gates::default();
        let inside = Mutex::new((0usize, false));
        std::thread::scope(|scope| {
            for n in 0..8usize {
                let (gates, inside) = (&gates, &inside);
                scope.spawn(move || {
                    for turn in 0..200usize {
                        let id = PayloadId::from_bits(1);
                        if (n + turn).is_multiple_of(5) {
                            let _pass = gates.alone(id);
                            let mut now = inside.lock().unwrap();
                            assert_eq!(*now, (0, false));
                            now.1 = true;
                            drop(now);
                            std::thread::yield_now();
                            inside.lock().unwrap().1 = false;
                        } else {
                            let _pass = gates.publish(id, n.to_string());
                            let mut now = inside.lock().unwrap();
                            assert!(!now.1);
                            now.0 += 1;
                            drop(now);
                            std::thread::yield_now();
                            inside.lock().unwrap().0 -= 1;
                        }
                    }
                });
            }
        });
        assert!(gates.gates.lock().unwrap().is_empty());
    }
}
