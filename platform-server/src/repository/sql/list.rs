//! Lists of jobs with a filter, a page at a time, in the order of creation.
//!
//! Each combination of state and status is a run of one index that is already in that order; a page takes the first
//! few of each run and merges them. So a list of the few jobs that run costs the same beside a hundred thousand that
//! are over. With pipelines in the filter the runs are those of the pipelines. Where a time leaves few jobs, those
//! are looked up first, and the runs are read from the earliest to the latest of them only.

use super::codec::Id;
use super::{Database, first, read, values};
use crate::repository::JobPage;
use crate::repository::error::RepositoryError;
use crate::repository::filter::JobFilter;
use crate::repository::rows::JobCursor;

/// Open bounds are numbers that no time reaches.
const BY_STATE: &str = "WHERE state = ?1 AND status = ?2 AND seq > ?3 AND seq <= ?4 AND created_ms > ?5
    AND (?6 = 9223372036854775807 OR stopped_ms < ?6) ORDER BY seq LIMIT ?7";

/// States and statuses as sets of bits.
const BY_PIPELINE: &str = "WHERE pipeline = ?1 AND seq > ?2 AND seq <= ?3
    AND (CAST(?4 AS BIGINT) >> state) & 1 = 1 AND (CAST(?5 AS BIGINT) >> status) & 1 = 1 AND created_ms > ?6
    AND (?7 = 9223372036854775807 OR stopped_ms < ?7) ORDER BY seq LIMIT ?8";

/// With more than this left, a run meets the first of them soon enough.
const FEW: i64 = 20_000;

pub(super) fn page(
    db: &dyn Database,
    filter: &JobFilter,
    after: Option<JobCursor>,
    limit: usize,
) -> Result<JobPage, RepositoryError> {
    let limit = limit.clamp(1, 10_000);
    let mut range = (after.map_or(0, |cursor| cursor.0), i64::MAX);
    // Later pages begin where the one before ended; looking again would cost more than it saves.
    if after.is_none() {
        if let Some(time) = filter.created_after_ms {
            narrow(db, "jobs_by_created", "created_ms > ?1", time, &mut range)?;
        }
        if let Some(time) = filter.completed_before_ms {
            narrow(db, "jobs_by_stopped", "stopped_ms < ?1", time, &mut range)?;
        }
    }
    // One more than asked for tells whether there is a next page.
    let mut places = places(db, filter, range, limit + 1)?;
    places.sort_unstable();
    places.dedup();
    let is_more = places.len() > limit;
    places.truncate(limit);
    let jobs = read::jobs_at(db, &places)?;
    let next = jobs.last().filter(|_| is_more).map(|job| job.cursor);
    Ok(JobPage { jobs, next })
}

/// Narrows a range to the first and last place of the jobs that a time leaves, if they are few.
fn narrow(
    db: &dyn Database,
    index: &str,
    condition: &str,
    time: i64,
    range: &mut (i64, i64),
) -> Result<(), RepositoryError> {
    let hint = db.index_hint(index);
    let statement = format!(
        "SELECT count(*), min(seq), max(seq) FROM (SELECT seq FROM jobs {hint} WHERE {condition} LIMIT ?2) AS few"
    );
    let found = first(db, &statement, values![time, FEW], |row| {
        Ok((row.get::<i64>(0)?, row.maybe::<i64>(1)?, row.maybe::<i64>(2)?))
    })?;
    if let Some((count, first, last)) = found
        && count < FEW
    {
        range.0 = range.0.max(first.unwrap_or(i64::MAX).saturating_sub(1));
        range.1 = range.1.min(last.unwrap_or(0));
    }
    Ok(())
}

fn places(
    db: &dyn Database,
    filter: &JobFilter,
    (after, last): (i64, i64),
    limit: usize,
) -> Result<Vec<i64>, RepositoryError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let created_after = filter.created_after_ms.unwrap_or(i64::MIN);
    let completed_before = filter.completed_before_ms.unwrap_or(i64::MAX);
    let states = filter.possible_states();
    let statuses = filter.possible_statuses();
    let (index, condition, sets) = if filter.pipelines.is_empty() {
        let kinds = states.iter().flat_map(|state| statuses.iter().map(move |status| (*state, *status)));
        let sets = kinds.map(|(state, status)| {
            let (state, status) = (state as i64, status as i64);
            values![state, status, after, last, created_after, completed_before, limit]
        });
        ("jobs_by_state", BY_STATE, sets.collect::<Vec<_>>())
    } else {
        let states = states.iter().fold(0i64, |set, state| set | 1 << *state as i64);
        let statuses = statuses.iter().fold(0i64, |set, status| set | 1 << *status as i64);
        let sets = filter.pipelines.iter().map(|pipeline| {
            let key = pipeline.key();
            values![key, after, last, states, statuses, created_after, completed_before, limit]
        });
        ("jobs_by_pipeline", BY_PIPELINE, sets.collect())
    };
    let mut places = Vec::new();
    let hint = db.index_hint(index);
    db.query_all(&format!("SELECT seq FROM jobs {hint} {condition}"), &sets, &mut |_, row| {
        places.push(row.get(0)?);
        Ok(())
    })?;
    Ok(places)
}
