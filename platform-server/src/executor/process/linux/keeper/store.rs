//! Which buffers there are, whose they are, and how long they stay. Knows no socket.
//!
//! What goes is not counted any more at once; its pages are freed beside, since for large buffers that takes the system
//! longer than those who have a question should wait.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;

use lantern_fastio::wire::RefusalCode;
use platform_api::letter_case::fold;

use super::message::{Described, Holder, Listed};
use crate::executor::fastio::Refused;

/// A buffer, or the room for one.
struct Kept {
    /// The attempt that made it.
    run: String,
    operator: String,
    array: Described,
    bytes: u64,
    /// Once it is published.
    file: Option<OwnedFd>,
    /// Operators that have still to read it; `None` for what stays until the end of the job.
    readers: Option<BTreeSet<String>>,
}

#[derive(Default)]
pub(super) struct Store {
    pub(super) limit_bytes: u64,
    jobs: BTreeMap<String, BTreeMap<String, Kept>>,
}

impl Store {
    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Bytes and number of all buffers.
    pub(super) fn used(&self) -> (u64, u64) {
        let all = self.jobs.values().flat_map(BTreeMap::values);
        all.fold((0, 0), |(bytes, count), kept| (bytes.saturating_add(kept.bytes), count + 1))
    }

    pub(super) fn reserve(&mut self, holder: &Holder, key: &str, array: Described) -> Result<(), Refused> {
        let Some(bytes) = array.bytes() else {
            return Err((RefusalCode::OverBudget, "the buffer is larger than any memory".to_owned()));
        };
        let in_all = self.used().0;
        let job = self.jobs.entry(holder.job.clone()).or_default();
        let used = job.values().fold(0u64, |sum, kept| sum.saturating_add(kept.bytes));
        let refused = if job.contains_key(key) {
            let name = key.rsplit('/').next().unwrap_or(key);
            Some((RefusalCode::Exists, format!("there is a buffer `{name}` already")))
        } else if job.len() >= holder.max_buffers as usize {
            let text = format!("the job has {} buffers, which is all that it may have", job.len());
            Some((RefusalCode::TooMany, text))
        } else if used.saturating_add(bytes) > holder.budget_bytes {
            let text = format!(
                "{bytes} bytes beside {used} are more than the job's {} bytes of shared memory",
                holder.budget_bytes
            );
            Some((RefusalCode::OverBudget, text))
        } else if in_all.saturating_add(bytes) > self.limit_bytes {
            let text = format!(
                "{bytes} bytes beside {in_all} of all jobs are more than the server's {} bytes of shared memory",
                self.limit_bytes
            );
            Some((RefusalCode::OverBudget, text))
        } else {
            let kept = Kept {
                run: holder.run.clone(),
                operator: fold(&holder.operator),
                array,
                bytes,
                file: None,
                readers: None,
            };
            job.insert(key.to_owned(), kept);
            None
        };
        self.tidy(&holder.job);
        refused.map_or(Ok(()), Err)
    }

    pub(super) fn publish(
        &mut self,
        holder: &Holder,
        key: &str,
        consumers: &[String],
        file: OwnedFd,
    ) -> Result<(), Refused> {
        let kept = self.jobs.get_mut(&holder.job).and_then(|job| job.get_mut(key));
        let Some(kept) = kept.filter(|kept| kept.run == holder.run && kept.file.is_none()) else {
            return Err((RefusalCode::WrongState, "nothing was allocated under the name".to_owned()));
        };
        kept.file = Some(file);
        kept.readers = (!consumers.is_empty()).then(|| consumers.iter().map(|name| fold(name)).collect());
        Ok(())
    }

    pub(super) fn discard(&mut self, holder: &Holder, key: &str) {
        self.retain(&holder.job, |name, kept| name != key || kept.run != holder.run || kept.file.is_some());
    }

    pub(super) fn get(&self, job: &str, key: &str) -> Option<(&Described, &OwnedFd)> {
        let kept = self.jobs.get(job)?.get(key)?;
        Some((&kept.array, kept.file.as_ref()?))
    }

    pub(super) fn list(&self, job: &str) -> impl Iterator<Item = Listed> {
        self.jobs.get(job).into_iter().flatten().map(|(key, kept)| Listed {
            key: key.clone(),
            array: kept.array.short(),
            is_published: kept.file.is_some(),
        })
    }

    /// What an attempt did not publish goes with it.
    pub(super) fn run_over(&mut self, holder: &Holder) {
        self.retain(&holder.job, |_, kept| kept.run != holder.run || kept.file.is_some());
    }

    /// What earlier attempts of the operator published goes before a new one begins.
    pub(super) fn begin(&mut self, holder: &Holder) {
        let operator = fold(&holder.operator);
        self.retain(&holder.job, |_, kept| kept.operator != operator || kept.run == holder.run);
    }

    pub(super) fn completed(&mut self, job: &str, operator: &str) {
        let operator = fold(operator);
        for kept in self.jobs.get_mut(job).into_iter().flat_map(BTreeMap::values_mut) {
            if let Some(readers) = &mut kept.readers {
                readers.remove(&operator);
            }
        }
        self.retain(job, |_, kept| kept.readers.as_ref().is_none_or(|readers| !readers.is_empty()));
    }

    pub(super) fn end_job(&mut self, job: &str) {
        free(self.jobs.remove(job).into_iter().flat_map(BTreeMap::into_values));
    }

    pub(super) fn jobs(&self, after: Option<&str>) -> impl Iterator<Item = &String> {
        self.jobs.keys().filter(move |job| after.is_none_or(|after| job.as_str() > after))
    }

    fn retain(&mut self, job: &str, mut stays: impl FnMut(&str, &Kept) -> bool) {
        if let Some(buffers) = self.jobs.get_mut(job) {
            free(buffers.extract_if(.., |key, kept| !stays(key, kept)).map(|(_, kept)| kept));
        }
        self.tidy(job);
    }

    fn tidy(&mut self, job: &str) {
        if self.jobs.get(job).is_some_and(BTreeMap::is_empty) {
            self.jobs.remove(job);
        }
    }
}

fn free(gone: impl Iterator<Item = Kept>) {
    let files: Vec<OwnedFd> = gone.filter_map(|kept| kept.file).collect();
    if !files.is_empty() {
        // Where there can be no thread, they go here and now.
        _ = std::thread::Builder::new().spawn(move || drop(files));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lantern_fastio::ElementType;
    use lantern_fastio::wire::Description;

    fn holder(operator: &str, run: &str) -> Holder {
        Holder {
            job: "job".into(),
            operator: operator.into(),
            run: run.into(),
            budget_bytes: 100,
            max_buffers: 3,
        }
    }

    fn bytes(count: u64) -> Described {
        let shape = vec![count];
        let text = String::new();
        Described::of(&Description { name: "x".into(), element: ElementType::Uint8, shape, text })
    }

    fn file() -> OwnedFd {
        tempfile::tempfile().unwrap().into()
    }

    fn store() -> Store {
        Store { limit_bytes: 150, ..Store::default() }
    }

    #[test]
    fn budgets_hold_for_the_job_and_for_all_and_what_is_given_up_is_free_again() {
        let (mut store, one) = (store(), holder("a", "1"));
        store.reserve(&one, "free/x", bytes(60)).unwrap();
        assert_eq!(store.reserve(&one, "free/x", bytes(1)).unwrap_err().0, RefusalCode::Exists);
        assert_eq!(store.reserve(&one, "free/y", bytes(41)).unwrap_err().0, RefusalCode::OverBudget);
        let huge = store.reserve(&one, "free/y", bytes(u64::MAX));
        assert_eq!(huge.unwrap_err().0, RefusalCode::OverBudget);
        let other = Holder { job: "other".into(), ..holder("a", "2") };
        assert_eq!(store.reserve(&other, "free/x", bytes(91)).unwrap_err().0, RefusalCode::OverBudget);
        assert_eq!(store.used(), (60, 1));
        store.reserve(&one, "free/y", bytes(20)).unwrap();
        store.reserve(&one, "free/z", bytes(20)).unwrap();
        assert_eq!(store.reserve(&one, "free/w", bytes(0)).unwrap_err().0, RefusalCode::TooMany);
        store.discard(&one, "free/x");
        assert_eq!(store.used(), (40, 2));
        store.run_over(&one);
        assert!(store.is_empty());
    }

    #[test]
    fn a_published_buffer_outlives_its_producer_until_the_last_reader_has_completed() {
        let (mut store, producer) = (store(), holder("a", "1"));
        store.reserve(&producer, "out/a/x", bytes(5)).unwrap();
        assert!(store.get("job", "out/a/x").is_none());
        store.publish(&producer, "out/a/x", &["B".into(), "c".into()], file()).unwrap();
        assert!(store.publish(&producer, "out/a/x", &[], file()).is_err());
        store.discard(&producer, "out/a/x");
        store.run_over(&producer);
        assert!(store.get("job", "out/a/x").is_some());
        store.completed("job", "b");
        store.completed("job", "b");
        assert!(store.get("job", "out/a/x").is_some());
        store.completed("job", "C");
        assert!(store.is_empty());
    }

    #[test]
    fn what_nobody_reads_stays_until_the_job_ends() {
        let (mut store, producer) = (store(), holder("a", "1"));
        store.reserve(&producer, "free/x", bytes(5)).unwrap();
        store.publish(&producer, "free/x", &[], file()).unwrap();
        store.completed("job", "a");
        assert_eq!(store.jobs(None).collect::<Vec<_>>(), ["job"]);
        assert_eq!(store.jobs(Some("job")).count(), 0);
        store.end_job("job");
        assert!(store.is_empty());
    }

    #[test]
    fn a_new_attempt_begins_without_what_the_old_one_published() {
        let mut store = store();
        for operator in ["a", "b"] {
            let first = holder(operator, operator);
            let key = format!("free/{operator}");
            store.reserve(&first, &key, bytes(5)).unwrap();
            store.publish(&first, &key, &[], file()).unwrap();
        }
        store.begin(&holder("A", "2"));
        assert!(store.get("job", "free/a").is_none() && store.get("job", "free/b").is_some());
    }
}
