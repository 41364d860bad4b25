//! What a repository promises, whatever database is behind it: the bodies see `&dyn Repository` only, once with SQLite
//! and once with PostgreSQL.

#![expect(clippy::unwrap_used, reason = "a failing helper is a failing test")]

mod repository_support;

use platform_api::id::{CatalogId, InstanceId, ModelId};
use platform_api::job::{JobPriority, JobState, JobStatus, OperatorStatus};
use platform_server::repository::{
    AuditRow, Change, JobFilter, MetadataOwner, ModelListId, ModelListKind, ModelListRow, ModelRow,
    OperatorRow, PayloadFileRow, PayloadKind, PayloadState, Repository, RepositoryError, RunRow, TokenRow,
    UserRow,
};
use proptest::prelude::*;
use repository_support::*;

fn with_repository(body: impl Fn(&dyn Repository)) {
    with_each_place(|place, _| body(place.open().as_ref()));
}

fn commit(repository: &dyn Repository, changes: Vec<Change>) {
    repository.commit(changes).wait().unwrap();
}

fn refuse(repository: &dyn Repository, changes: Vec<Change>) -> RepositoryError {
    repository.commit(changes).wait().unwrap_err()
}

/// A repository with pipeline 1 and job 1 of it, with three operators.
fn with_job(body: impl Fn(&dyn Repository)) {
    with_repository(|repository| {
        commit(repository, vec![create_pipeline(1, "name: one")]);
        let definition = definition_of(repository, 1);
        commit(repository, job_changes(new_job(1, 1, definition, 3)));
        body(repository);
    });
}

fn update(n: u128, state: JobState, status: JobStatus, stopped_ms: Option<i64>) -> Change {
    Change::UpdateJob {
        job: job_id(n),
        state,
        status,
        started_ms: Some(6000),
        stopped_ms,
        ran_ms: 0,
        clock_since_ms: None,
    }
}

fn file(path: &str, size_bytes: u64) -> PayloadFileRow {
    PayloadFileRow { path: path.into(), size_bytes, sha256: [7; 32], mode: 0o644, stored: None }
}

#[test]
fn a_job_keeps_its_definition_when_its_pipeline_is_updated_and_removed() {
    with_job(|repository| {
        let job = repository.job(job_id(1)).unwrap().unwrap();
        let before = repository.definition(job.definition).unwrap();
        assert_eq!(before, files(&[("../main.yaml", "name: one")]));
        let new = files(&[("a.yaml", "name: new"), ("b.yaml", "name: part")]);
        let change = Change::UpdatePipeline { id: pipeline_id(1), name: "new".into(), files: new.clone() };
        commit(repository, vec![change]);
        assert_eq!(repository.definition(definition_of(repository, 1)).unwrap(), new);
        assert_eq!(repository.definition(job.definition).unwrap(), before);
        commit(repository, vec![Change::RemovePipeline(pipeline_id(1))]);
        assert_eq!(repository.pipeline(pipeline_id(1)).unwrap(), None);
        assert_eq!(repository.definition(job.definition).unwrap(), before);
        assert_eq!(repository.job(job_id(1)).unwrap().unwrap(), job);
    });
}

#[test]
fn each_update_of_a_pipeline_counts_its_revision_even_back_to_what_it_was() {
    with_repository(|repository| {
        commit(repository, vec![create_pipeline(1, "name: one"), create_pipeline(2, "name: two")]);
        let revision = |n| repository.pipeline(pipeline_id(n)).unwrap().unwrap().revision;
        assert_eq!(revision(1), 1);
        for (content, expected) in [("name: other", 2), ("name: one", 3)] {
            let files = files(&[("../main.yaml", content)]);
            let change = Change::UpdatePipeline { id: pipeline_id(1), name: "one".into(), files };
            commit(repository, vec![change]);
            assert_eq!((revision(1), revision(2)), (expected, 1));
        }
    });
}

#[test]
fn what_was_written_is_read_back_whole() {
    with_repository(|repository| {
        commit(repository, vec![create_pipeline(1, "name: one")]);
        let mut new = new_job(9, 1, definition_of(repository, 1), 2);
        new.metadata = metadata(&[("Source", "AE")]);
        new.priority = JobPriority::Immediate;
        commit(repository, job_changes(new));
        let variables = vec![("A".to_string(), "b".to_string()), ("C".into(), String::new())];
        let enqueue = Change::EnqueueJob { job: job_id(9), variables: variables.clone(), queue_order: 17 };
        let at_work = OperatorRow {
            reason: Some("exit code".into()),
            exit_code: Some(-9),
            started_ms: Some(7000),
            stopped_ms: Some(8000),
            run_token: Some("t-1".into()),
            attempt: 2,
            gpus: vec!["GPU-1".into(), "GPU-\"2".into()],
            ..operator(1, OperatorStatus::Faulted)
        };
        let run = RunRow { token: "t-1".into(), job: job_id(9), operator: 1, handle: Some(vec![0, 255]) };
        let over = Change::UpdateJob {
            job: job_id(9),
            state: JobState::Stopped,
            status: JobStatus::Faulted,
            started_ms: Some(7000),
            stopped_ms: Some(8000),
            ran_ms: 300,
            clock_since_ms: Some(7100),
        };
        let put = Change::PutOperator(job_id(9), at_work.clone());
        let messages = ["first", "second"].map(|text| Change::AddJobMessage(job_id(9), text.into()));
        let mut changes = vec![enqueue, put, Change::PutRun(run.clone()), over];
        changes.extend(messages);
        commit(repository, changes);
        let details = repository.job_details(job_id(9)).unwrap().unwrap();
        assert_eq!(details.messages, ["first", "second"]);
        assert_eq!(details.operators, [operator(0, OperatorStatus::Pending), at_work]);
        let job = details.job;
        assert_eq!(
            (job.priority, job.state, job.status),
            (JobPriority::Immediate, JobState::Stopped, JobStatus::Faulted)
        );
        assert_eq!((job.created_ms, job.started_ms, job.stopped_ms), (5000, Some(7000), Some(8000)));
        assert_eq!((job.queue_order, job.time_limit_ms), (Some(17), Some(600_000)));
        assert_eq!((job.ran_ms, job.clock_since_ms), (300, Some(7100)));
        assert_eq!((job.pipeline, job.payload), (pipeline_id(1), payload_id(9)));
        assert_eq!(job.metadata, metadata(&[("Source", "AE")]));
        assert_eq!(repository.job_variables(job_id(9)).unwrap(), variables);
        assert_eq!(repository.runs().unwrap(), [run]);
        commit(repository, vec![Change::RemoveRun("t-1".into())]);
        assert_eq!(repository.runs().unwrap(), []);
        assert_eq!(repository.logged_runs().unwrap(), ["t-1"], "its log stays when it is over");
        let forgotten = OperatorRow { run_token: None, ..operator(1, OperatorStatus::Faulted) };
        commit(repository, vec![Change::PutOperator(job_id(9), forgotten)]);
        assert_eq!(repository.logged_runs().unwrap(), [""; 0]);
    });
}

#[test]
fn a_failing_change_takes_its_whole_transaction_back_and_nothing_else() {
    with_job(|repository| {
        let good = repository.commit(vec![create_pipeline(2, "two")]);
        let bad =
            repository.commit(vec![create_pipeline(3, "three"), Change::RemovePipeline(pipeline_id(99))]);
        let later = repository.commit(vec![create_pipeline(4, "four")]);
        good.wait().unwrap();
        assert!(matches!(bad.wait(), Err(RepositoryError::Unknown { what: "pipeline", .. })));
        later.wait().unwrap();
        let ids: Vec<_> = repository.pipelines().unwrap().into_iter().map(|pipeline| pipeline.id).collect();
        assert_eq!(ids, [1, 2, 4].map(pipeline_id));
    });
}

#[test]
fn a_stopped_job_never_runs_again_and_no_job_goes_back() {
    with_job(|repository| {
        commit(repository, vec![update(1, JobState::Running, JobStatus::Healthy, None)]);
        let error = refuse(repository, vec![update(1, JobState::Pending, JobStatus::Healthy, None)]);
        assert!(matches!(error, RepositoryError::JobMovesBack { from: 2, to: 1, .. }), "{error}");
        let error = refuse(repository, vec![Change::SetJobPriority(job_id(1), JobPriority::Higher)]);
        assert!(matches!(error, RepositoryError::JobMovesBack { .. }), "{error}");
        commit(repository, vec![update(1, JobState::Stopped, JobStatus::Canceled, Some(7000))]);
        for state in [JobState::Pending, JobState::Running, JobState::Stopped] {
            let error = refuse(repository, vec![update(1, state, JobStatus::Healthy, None)]);
            assert!(matches!(error, RepositoryError::JobStopped { .. }), "{error}");
        }
        let job = repository.job(job_id(1)).unwrap().unwrap();
        assert_eq!(
            (job.state, job.status, job.stopped_ms),
            (JobState::Stopped, JobStatus::Canceled, Some(7000))
        );
    });
}

#[test]
fn a_job_is_started_once() {
    with_job(|repository| {
        let start = |value: &str| Change::EnqueueJob {
            job: job_id(1),
            variables: vec![("A".into(), value.into())],
            queue_order: 1,
        };
        commit(repository, vec![start("first")]);
        let error = refuse(repository, vec![start("second")]);
        assert!(matches!(error, RepositoryError::AlreadyStarted { .. }), "{error}");
        assert_eq!(repository.job_variables(job_id(1)).unwrap(), [("A".to_string(), "first".to_string())]);
    });
}

#[test]
fn a_clock_that_was_set_back_neither_ends_a_job_before_it_began_nor_reorders_lists() {
    with_job(|repository| {
        let definition = definition_of(repository, 1);
        for (n, created_ms) in [(2, 4000), (3, 9000), (4, 10)] {
            commit(
                repository,
                job_changes(platform_server::repository::NewJob {
                    created_ms,
                    ..new_job(n, 1, definition, 0)
                }),
            );
        }
        commit(repository, vec![update(1, JobState::Stopped, JobStatus::Healthy, Some(100))]);
        let job = repository.job(job_id(1)).unwrap().unwrap();
        assert_eq!((job.started_ms, job.stopped_ms), (Some(6000), Some(6000)));
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = repository.jobs(&JobFilter::default(), after, 1).unwrap();
            seen.extend(page.jobs.iter().map(|job| job.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, [1, 2, 3, 4].map(job_id));
    });
}

#[test]
fn unknown_things_are_refused_by_name() {
    with_repository(|repository| {
        for (changes, what) in [
            (vec![update(1, JobState::Running, JobStatus::Healthy, None)], "job"),
            (vec![Change::AddJobMessage(job_id(1), String::new())], "job"),
            (vec![Change::RemovePayload(payload_id(1))], "payload"),
            (vec![Change::AddPayloadFile(payload_id(1), file("a", 1))], "payload"),
            (vec![Change::PutPayloadFiles(payload_id(1), vec![])], "payload"),
            (vec![Change::AddMetadata(MetadataOwner::Job(job_id(1)), metadata(&[]))], "job"),
            (vec![Change::RemoveUser("nobody".into())], "user"),
            (vec![Change::RemoveModel(ModelId::from_bits(1))], "model"),
        ] {
            let error = refuse(repository, changes);
            assert!(
                matches!(error, RepositoryError::Unknown { what: found, .. } if found == what),
                "{error}"
            );
        }
        commit(repository, vec![create_pipeline(1, "x")]);
        let error = refuse(repository, vec![create_pipeline(1, "y")]);
        assert!(matches!(error, RepositoryError::Exists { what: "pipeline", .. }), "{error}");
    });
}

#[test]
fn metadata_keys_differ_in_more_than_letter_case_and_a_refused_addition_changes_nothing() {
    with_job(|repository| {
        let owner = MetadataOwner::Job(job_id(1));
        let of_job = || repository.job(job_id(1)).unwrap().unwrap().metadata;
        commit(repository, vec![Change::AddMetadata(owner, metadata(&[("Source", "a")]))]);
        let error =
            refuse(repository, vec![Change::AddMetadata(owner, metadata(&[("b", "1"), ("sOURCE", "2")]))]);
        assert!(matches!(error, RepositoryError::MetadataKeyExists { .. }), "{error}");
        assert_eq!(of_job(), metadata(&[("Source", "a")]));
        commit(repository, vec![Change::RemoveMetadata(owner, vec!["SOURCE".into(), "never there".into()])]);
        assert_eq!(of_job(), metadata(&[]));
    });
}

#[test]
fn metadata_of_more_than_four_mebibytes_is_refused() {
    with_job(|repository| {
        let owner = MetadataOwner::Job(job_id(1));
        let large: Vec<_> = (0..4).map(|n| (format!("key{n}"), "x".repeat(1 << 20))).collect();
        let error = refuse(repository, vec![Change::AddMetadata(owner, large.into_iter().collect())]);
        assert!(
            matches!(error, RepositoryError::MetadataTooLarge { bytes, .. } if bytes == (4 << 20) + 16),
            "{error}"
        );
    });
}

#[test]
fn file_names_that_differ_in_letter_case_only_are_refused_from_clients_and_kept_from_operators() {
    with_job(|repository| {
        let id = payload_id(1);
        commit(repository, vec![Change::AddPayloadFile(id, file("input/Scan.dcm", 3))]);
        let error = refuse(repository, vec![Change::AddPayloadFile(id, file("INPUT/scan.DCM", 4))]);
        assert!(
            matches!(error, RepositoryError::FileExists { ref name } if name == "input/Scan.dcm"),
            "{error}"
        );
        commit(repository, vec![Change::SetPayloadState(id, PayloadState::Frozen)]);
        let error = refuse(repository, vec![Change::AddPayloadFile(id, file("input/other", 4))]);
        assert!(matches!(error, RepositoryError::ReadOnly), "{error}");
        let made = vec![file("operators/a/X", 1), file("operators/a/x", 2)];
        commit(repository, vec![Change::PutPayloadFiles(id, made.clone())]);
        assert_eq!(repository.payload_files_like(id, "OPERATORS/A/x").unwrap(), made);
        let all = repository.payload_files(id, None, 10).unwrap();
        let mut paged = Vec::new();
        while let Some(one) = repository
            .payload_files(id, paged.last().map(|file: &PayloadFileRow| file.path.as_str()), 1)
            .unwrap()
            .pop()
        {
            paged.push(one);
        }
        assert_eq!(paged, all);
        assert_eq!(all.len(), 3);
    });
}

#[test]
fn a_jobs_record_survives_its_payload() {
    with_job(|repository| {
        commit(repository, vec![Change::PutPayloadFiles(payload_id(1), vec![file("a", 1)])]);
        commit(repository, vec![Change::RemovePayload(payload_id(1))]);
        assert_eq!(repository.payload(payload_id(1)).unwrap(), None);
        assert_eq!(repository.payload_files(payload_id(1), None, 9).unwrap(), []);
        assert_eq!(repository.job(job_id(1)).unwrap().unwrap().payload, payload_id(1));
    });
}

#[test]
fn payloads_of_old_jobs_are_found_by_how_the_jobs_ended() {
    with_job(|repository| {
        let definition = definition_of(repository, 1);
        commit(repository, job_changes(new_job(2, 1, definition, 0)));
        commit(repository, job_changes(new_job(3, 1, definition, 0)));
        commit(repository, vec![update(1, JobState::Stopped, JobStatus::Healthy, Some(7000))]);
        commit(repository, vec![update(2, JobState::Stopped, JobStatus::Faulted, Some(7000))]);
        let old = |healthy, others| repository.payloads_of_old_jobs(healthy, others).unwrap();
        assert_eq!(old(7000, 7000), []);
        assert_eq!(old(7001, 7000), [payload_id(1)]);
        assert_eq!(old(i64::MAX, i64::MAX), [1, 2].map(payload_id));
    });
}

#[test]
fn a_model_of_the_same_name_replaces_the_one_before_also_in_lists() {
    with_repository(|repository| {
        let model = |n: u128, name: &str| ModelRow {
            id: ModelId::from_bits(n),
            name: name.into(),
            kind: 2,
            created_ms: 1,
            size_bytes: 10,
            sha256: [1; 32],
            metadata: metadata(&[("k", "v")]),
        };
        let list = |id, models: &[u128]| ModelListRow {
            id,
            created_ms: 3,
            models: models.iter().copied().map(ModelId::from_bits).collect(),
        };
        let catalog = ModelListId::Catalog(CatalogId::from_bits(1));
        let instance = ModelListId::Instance(InstanceId::from_bits(1));
        commit(repository, vec![Change::PutModel(model(1, "Liver")), Change::PutModel(model(2, "spleen"))]);
        commit(
            repository,
            vec![Change::PutModelList(list(catalog, &[2, 1])), Change::PutModelList(list(instance, &[]))],
        );
        assert_eq!(repository.model_list(catalog).unwrap(), Some(list(catalog, &[2, 1])));
        assert_eq!(repository.model_lists(ModelListKind::Instances).unwrap(), [list(instance, &[])]);
        commit(repository, vec![Change::PutModel(model(3, "LIVER"))]);
        assert_eq!(repository.models().unwrap(), [model(3, "LIVER"), model(2, "spleen")]);
        assert_eq!(repository.model(ModelId::from_bits(1)).unwrap(), None);
        assert_eq!(repository.model_lists(ModelListKind::Catalogs).unwrap(), [list(catalog, &[2])]);
        let error = refuse(repository, vec![Change::PutModelList(list(catalog, &[77]))]);
        assert!(matches!(error, RepositoryError::Unknown { what: "model", .. }), "{error}");
        commit(repository, vec![Change::RemoveModelList(catalog)]);
        assert_eq!(repository.model_list(catalog).unwrap(), None);
    });
}

#[test]
fn users_tokens_and_the_audit_log_are_kept() {
    with_repository(|repository| {
        let user = UserRow {
            name: "Ada".into(),
            password_hash: Some("$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA".into()),
            roles: vec!["operator".into(), "viewer".into()],
            may_download: false,
            is_enabled: true,
            created_ms: 4,
        };
        let token = TokenRow {
            digest: [9; 32],
            user: "Ada".into(),
            label: "script".into(),
            created_ms: 5,
            expires_ms: Some(6),
        };
        let line = |n: i64| AuditRow {
            at_ms: n,
            user: "Ada".into(),
            action: "cancel".into(),
            object: job_id(1).to_string(),
            outcome: "done".into(),
        };
        commit(repository, vec![Change::PutUser(user.clone()), Change::AddToken(token.clone())]);
        commit(repository, (0..3).map(|n| Change::Audit(line(n))).collect());
        assert_eq!(repository.user("ADA").unwrap(), Some(user.clone()));
        assert_eq!(repository.users().unwrap(), [user]);
        assert_eq!(repository.token(&[9; 32]).unwrap(), Some(token));
        assert_eq!(repository.audit(2).unwrap(), [line(2), line(1)]);
        commit(repository, vec![Change::RemoveUser("ada".into())]);
        assert_eq!(repository.token(&[9; 32]).unwrap(), None);
    });
}

#[test]
fn a_watcher_resumes_where_it_was_and_hears_of_new_events() {
    with_repository(|repository| {
        let event =
            |n: i64| Change::Event { at_ms: n, kind: "job".into(), subject: "s".into(), body: n.to_string() };
        let mut last = repository.last_event();
        assert_eq!(*last.borrow_and_update(), 0);
        assert_eq!(repository.events(0, 10).unwrap(), []);
        let committed = repository.commit((0..5).map(event).collect()).wait().unwrap();
        assert_eq!(committed.last_event, 5);
        assert!(last.has_changed().unwrap());
        assert_eq!(*last.borrow_and_update(), 5);
        let bodies = |after, limit| -> Vec<String> {
            repository.events(after, limit).unwrap().into_iter().map(|event| event.body).collect()
        };
        assert_eq!(bodies(0, 2), ["0", "1"]);
        assert_eq!(bodies(2, 10), ["2", "3", "4"]);
        assert_eq!(bodies(5, 10), [""; 0]);
        assert!(matches!(repository.events(6, 1), Err(RepositoryError::EventsGone { .. })));
    });
}

#[test]
fn a_receipt_can_be_awaited() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    with_repository(|repository| {
        runtime.block_on(async { repository.commit(vec![create_pipeline(1, "x")]).await.unwrap() });
        assert!(repository.pipeline(pipeline_id(1)).unwrap().is_some());
    });
}

#[derive(Debug, Clone)]
struct Sample {
    pipeline: u128,
    state: u8,
    status: u8,
    created_ms: i64,
    stopped_ms: i64,
}

fn sample() -> impl Strategy<Value = Sample> {
    (1..4u128, 1..4u8, 1..6u8, 0..8i64, 0..8i64).prop_map(
        |(pipeline, state, status, created_ms, stopped_ms)| Sample {
            pipeline,
            state,
            status,
            created_ms,
            stopped_ms,
        },
    )
}

fn state(number: u8) -> JobState {
    [JobState::Pending, JobState::Running, JobState::Stopped][usize::from(number) - 1]
}

fn status(number: u8) -> JobStatus {
    use JobStatus as S;
    [S::Healthy, S::Faulted, S::Canceled, S::Evicted, S::Terminated][usize::from(number) - 1]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_filter_takes_what_the_plain_rule_takes_in_pages_of_any_size(
        samples in prop::collection::vec(sample(), 1..30),
        states in prop::collection::vec(1..4u8, 0..3),
        statuses in prop::collection::vec(1..6u8, 0..3),
        pipelines in prop::collection::vec(1..5u128, 0..3),
        created_after_ms in prop::option::of(0..8i64),
        completed_before_ms in prop::option::of(0..10i64),
        limit in 1..7usize,
    ) {
        let filter = JobFilter {
            states: states.iter().copied().map(state).collect(),
            statuses: statuses.iter().copied().map(status).collect(),
            pipelines: pipelines.iter().copied().map(pipeline_id).collect(),
            created_after_ms,
            completed_before_ms,
        };
        with_repository(|repository| {
            commit(repository, (1..4).map(|n| create_pipeline(n, "same")).collect());
            let definition = definition_of(repository, 1);
            let mut changes = Vec::new();
            for (n, sample) in (1u128..).zip(&samples) {
                let mut job = new_job(n, sample.pipeline, definition, 0);
                job.created_ms = sample.created_ms;
                changes.push(Change::CreateJob(job));
                let stopped_ms = (sample.state == 3).then_some(sample.stopped_ms);
                changes.push(Change::UpdateJob {
                    job: job_id(n),
                    state: state(sample.state),
                    status: status(sample.status),
                    started_ms: None,
                    stopped_ms,
                    ran_ms: 0,
                    clock_since_ms: None,
                });
            }
            commit(repository, changes);
            let fits = |sample: &Sample| {
                let stopped_ms = (sample.state == 3).then_some(sample.stopped_ms.max(sample.created_ms));
                (states.is_empty() || states.contains(&sample.state))
                    && (statuses.is_empty() || statuses.contains(&sample.status))
                    && (pipelines.is_empty() || pipelines.contains(&sample.pipeline))
                    && created_after_ms.is_none_or(|after| sample.created_ms > after)
                    && completed_before_ms.is_none_or(|before| stopped_ms.is_some_and(|stopped| stopped < before))
            };
            let expected: Vec<_> =
                (1u128..).zip(&samples).filter(|(_, sample)| fits(sample)).map(|(n, _)| job_id(n)).collect();
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = repository.jobs(&filter, after, limit).unwrap();
                assert!(page.jobs.len() <= limit);
                found.extend(page.jobs.iter().map(|job| job.id));
                let Some(next) = page.next else { break };
                after = Some(next);
            }
            assert_eq!(found, expected);
        });
    }
}

#[test]
fn reusable_payloads_have_no_job_and_are_listed_in_pages() {
    with_repository(|repository| {
        let create = |n| Change::CreatePayload {
            id: payload_id(n),
            kind: PayloadKind::Reusable,
            job: None,
            created_ms: 1,
            metadata: metadata(&[("k", "v")]),
        };
        commit(repository, (1..6).map(create).collect());
        let first = repository.payload_ids(None, 3).unwrap();
        assert_eq!(first, [1, 2, 3].map(payload_id));
        assert_eq!(repository.payload_ids(Some(payload_id(3)), 3).unwrap(), [4, 5].map(payload_id));
        let row = repository.payload(payload_id(1)).unwrap().unwrap();
        assert_eq!((row.kind, row.job, row.state), (PayloadKind::Reusable, None, PayloadState::Open));
        assert_eq!(row.metadata, metadata(&[("k", "v")]));
    });
}

#[test]
fn texts_may_hold_every_character_and_names_be_long() {
    with_repository(|repository| {
        let odd = "nul \0 mark \u{1} \u{1}0 'quote\" \\ $1 ?1 %s \u{10ffff} \u{7f}\r\n";
        let long = format!("{odd}{}", "ä".repeat(2000));
        let user = |name: &str| UserRow {
            name: name.into(),
            password_hash: Some(odd.into()),
            roles: vec![odd.into(), String::new()],
            may_download: true,
            is_enabled: false,
            created_ms: i64::MAX,
        };
        let other = format!("{long}b");
        commit(repository, vec![Change::PutUser(user(&long)), Change::PutUser(user(&other))]);
        assert_eq!(repository.user(&long.to_uppercase()).unwrap(), Some(user(&long)));
        assert_eq!(repository.user(&other).unwrap(), Some(user(&other)));
        assert_eq!(repository.user(&format!("{long}c")).unwrap(), None);
        let files = files(&[(odd, &long), ("", "")]);
        let create = Change::CreatePipeline {
            id: pipeline_id(1),
            name: odd.into(),
            created_ms: i64::MIN,
            files: files.clone(),
            metadata: metadata(&[(odd, &long)]),
        };
        commit(repository, vec![create]);
        let row = repository.pipeline(pipeline_id(1)).unwrap().unwrap();
        assert_eq!(
            (row.name.as_str(), row.created_ms, row.metadata),
            (odd, i64::MIN, metadata(&[(odd, &long)]))
        );
        assert_eq!(repository.definition(row.definition).unwrap(), files);
        // As long as names of files become, all of it letters that grow when their case is folded.
        let path = "ΐ".repeat(512);
        let payload = Change::CreatePayload {
            id: payload_id(1),
            kind: PayloadKind::Reusable,
            job: None,
            created_ms: 0,
            metadata: metadata(&[]),
        };
        commit(repository, vec![payload, Change::AddPayloadFile(payload_id(1), file(&path, 1))]);
        let error = refuse(repository, vec![Change::AddPayloadFile(payload_id(1), file(&path, 2))]);
        assert!(matches!(error, RepositoryError::FileExists { .. }), "{error}");
        assert_eq!(repository.payload_files(payload_id(1), None, 2).unwrap(), [file(&path, 1)]);
    });
}

#[test]
fn names_are_sorted_byte_by_byte() {
    with_repository(|repository| {
        let names = ["a", "B", "_", "Ä", "b", "a b", "a-b", "ab"];
        let create = |(n, name): (u128, &&str)| Change::CreatePipeline {
            id: pipeline_id(n),
            name: (*name).into(),
            created_ms: 0,
            files: Vec::new(),
            metadata: metadata(&[]),
        };
        commit(repository, (1u128..).zip(&names).map(create).collect());
        let mut sorted = names;
        sorted.sort_unstable();
        let found: Vec<_> = repository.pipelines().unwrap().into_iter().map(|row| row.name).collect();
        assert_eq!(found, sorted);
    });
}

#[test]
fn what_reads_sees_one_moment_and_many_may_read_at_once() {
    with_job(|repository| {
        let messages = |n: usize| (0..n).map(|n| Change::AddJobMessage(job_id(1), n.to_string())).collect();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        // A state and its messages are written together.
                        let details = repository.job_details(job_id(1)).unwrap().unwrap();
                        let expected = if details.job.state == JobState::Pending { 0 } else { 50 };
                        assert_eq!(details.messages.len(), expected);
                    }
                });
            }
            let mut changes: Vec<_> = messages(50);
            changes.push(update(1, JobState::Running, JobStatus::Healthy, None));
            commit(repository, changes);
        });
    });
}
