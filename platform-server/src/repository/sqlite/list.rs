//! Lists of jobs with a filter, a page at a time, in the order of creation.
//!
//! Each combination of state and status is a run of one index that is already in that order; a page takes the first
//! few of each run and merges them. So a list of the few jobs that run costs the same beside a hundred thousand that
//! are over. With pipelines in the filter the runs are those of the pipelines. Where a time leaves few jobs, those
//! are looked up first, and the runs are read from the earliest to the latest of them only.

use rusqlite::{Connection, params};

use super::codec::Id;
use super::read;
use crate::repository::JobPage;
use crate::repository::error::RepositoryError;
use crate::repository::filter::JobFilter;
use crate::repository::rows::JobCursor;

/// Open bounds are numbers that no time reaches.
const BY_STATE: &str = "SELECT seq FROM jobs INDEXED BY jobs_by_state
    WHERE state = ?1 AND status = ?2 AND seq > ?3 AND seq <= ?7 AND created_ms > ?4
    AND (?5 IS NULL OR stopped_ms < ?5) ORDER BY seq LIMIT ?6";

/// States and statuses as sets of bits.
const BY_PIPELINE: &str = "SELECT seq FROM jobs INDEXED BY jobs_by_pipeline
    WHERE pipeline = ?1 AND seq > ?2 AND seq <= ?8 AND (?3 >> state) & 1 AND (?4 >> status) & 1 AND created_ms > ?5
    AND (?6 IS NULL OR stopped_ms < ?6) ORDER BY seq LIMIT ?7";

/// The first and last place of jobs that a time leaves, as long as there are few of them.
const CREATED_AFTER: &str = "SELECT count(*), min(seq), max(seq) FROM
    (SELECT seq FROM jobs INDEXED BY jobs_by_created WHERE created_ms > ?1 LIMIT ?2)";
const STOPPED_BEFORE: &str = "SELECT count(*), min(seq), max(seq) FROM
    (SELECT seq FROM jobs INDEXED BY jobs_by_stopped WHERE stopped_ms < ?1 LIMIT ?2)";

/// With more than this left, a run meets the first of them soon enough.
const FEW: i64 = 20_000;

pub(super) fn page(
    db: &Connection,
    filter: &JobFilter,
    after: Option<JobCursor>,
    limit: usize,
) -> Result<JobPage, RepositoryError> {
    let limit = limit.clamp(1, 10_000);
    // One more than asked for tells whether there is a next page.
    let mut range = (after.map_or(0, |cursor| cursor.0), i64::MAX);
    // Later pages begin where the one before ended; looking again would cost more than it saves.
    if after.is_none() {
        for (statement, time) in
            [(CREATED_AFTER, filter.created_after_ms), (STOPPED_BEFORE, filter.completed_before_ms)]
        {
            let Some(time) = time else { continue };
            let mut statement = db.prepare_cached(statement)?;
            let found =
                statement.query_row(params![time, FEW], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            let (count, first, last): (i64, Option<i64>, Option<i64>) = found?;
            if count < FEW {
                range = (
                    range.0.max(first.unwrap_or(i64::MAX).saturating_sub(1)),
                    range.1.min(last.unwrap_or(0)),
                );
            }
        }
    }
    let mut places = places(db, filter, range, limit + 1)?;
    places.sort_unstable();
    places.dedup();
    let is_more = places.len() > limit;
    places.truncate(limit);
    let mut jobs = Vec::with_capacity(places.len());
    for place in places {
        jobs.extend(read::job_at(db, place)?);
    }
    let next = jobs.last().filter(|_| is_more).map(|job| job.cursor);
    Ok(JobPage { jobs, next })
}

fn places(
    db: &Connection,
    filter: &JobFilter,
    (after, last): (i64, i64),
    limit: usize,
) -> Result<Vec<i64>, RepositoryError> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let created_after = filter.created_after_ms.unwrap_or(i64::MIN);
    let completed_before = filter.completed_before_ms;
    let states = filter.possible_states();
    let statuses = filter.possible_statuses();
    let mut places = Vec::new();
    if filter.pipelines.is_empty() {
        let mut statement = db.prepare_cached(BY_STATE)?;
        for state in &states {
            for status in &statuses {
                let values = params![
                    *state as i64,
                    *status as i64,
                    after,
                    created_after,
                    completed_before,
                    limit,
                    last
                ];
                let mut rows = statement.query(values)?;
                while let Some(row) = rows.next()? {
                    places.push(row.get(0)?);
                }
            }
        }
    } else {
        let states = states.iter().fold(0i64, |set, state| set | 1 << *state as i64);
        let statuses = statuses.iter().fold(0i64, |set, status| set | 1 << *status as i64);
        let mut statement = db.prepare_cached(BY_PIPELINE)?;
        for pipeline in &filter.pipelines {
            let values = params![
                pipeline.key(),
                after,
                states,
                statuses,
                created_after,
                completed_before,
                limit,
                last
            ];
            let mut rows = statement.query(values)?;
            while let Some(row) = rows.next()? {
                places.push(row.get(0)?);
            }
        }
    }
    Ok(places)
}
