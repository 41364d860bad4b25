//! The table of faults.

/// Something that goes wrong, and where it has to end.
pub(crate) struct Fault {
    pub(crate) fault: &'static str,
    /// What is true afterwards.
    pub(crate) end: &'static str,
    /// Tests that really do it, as path from the root of the workspace and name of the function.
    pub(crate) tests: &'static [(&'static str, &'static str)],
}

const OPERATORS: &str = "platform-server/tests/platform/faults.rs";
const CLOCK: &str = "platform-server/tests/platform/clock.rs";
const DISK: &str = "platform-server/tests/platform/disk.rs";
const PROCESS: &str = "platform-server/tests/executor_process.rs";
const LIMITS: &str = "platform-server/tests/executor_limits.rs";
const SANDBOX: &str = "platform-server/tests/executor_sandbox.rs";
const RESTART: &str = "platform-server/tests/executor_restart.rs";
const REPOSITORY: &str = "platform-server/tests/repository_faults.rs";
const POSTGRES: &str = "platform-server/tests/repository_postgres.rs";
const PAYLOADS: &str = "platform-server/tests/payloads_faults.rs";
const PLANTED: &str = "platform-server/tests/payloads_operators.rs";
const SERVE: &str = "platform-server/tests/serve.rs";
const MEMORY: &str = "platform-server/tests/bounded_memory.rs";
const CALLS: &str = "platform-server/tests/grpc/payloads.rs";
const BUFFERS: &str = "platform-server/tests/platform/fastio/mod.rs";
const SHARING: &str = "platform-server/tests/platform/fastio/sharing.rs";
const KEEPER: &str = "platform-server/src/executor/process/linux/keeper/tests.rs";
const DRIVER: &str = "platform-server/src/executor/process/linux/shim/driver/tests.rs";

macro_rules! faults {
    ($($fault:literal => $end:literal, [$(($file:expr, $test:literal)),+ $(,)?];)*) => {
        &[$(Fault { fault: $fault, end: $end, tests: &[$(($file, $test)),+] }),*]
    };
}

pub(crate) const FAULTS: &[Fault] = faults! {
    // the server
    "The server is killed at any moment" =>
        "what it acknowledged is there, nothing is invented, no job looks better than it is, no process stays", [
        ("app/tests/server/killed.rs", "a_server_that_is_killed_loses_nothing_and_invents_nothing"),
        (PAYLOADS, "a_server_killed_during_uploads_keeps_what_it_acknowledged_and_nothing_else_after_a_start"),
        ("platform-server/tests/repository_crash.rs",
            "a_writer_killed_at_any_moment_keeps_what_it_acknowledged_and_nothing_half_done"),
    ];
    "The server is killed while operators run" =>
        "they go on and the next server sees their end, or they are evicted; runs that no record knows are ended", [
        (RESTART, "a_run_survives_its_server_and_the_next_one_sees_its_end"),
        (RESTART, "a_run_that_ended_while_no_server_was_there_is_not_lost"),
        (RESTART, "evicted_runs_leave_no_process_and_unknown_runs_leave_no_trace"),
    ];
    "The process beside an operator is killed" =>
        "the run is lost, and everything of it is ended", [
        (RESTART, "a_run_whose_shim_is_killed_is_lost_and_takes_everything_with_it"),
        (RESTART, "an_end_without_its_manifest_and_a_manifest_without_an_end_count_for_nothing"),
    ];
    "The process that makes those is killed" =>
        "runs go on, and another one takes its place", [
        (RESTART, "runs_go_on_when_the_process_that_makes_shims_is_killed_and_it_goes_with_its_server"),
    ];
    "There is no room for another process" =>
        "the run that was to be started is lost, those that wait behind it are not", [
        ("platform-server/tests/executor_spawner.rs", "a_run_that_finds_no_room_is_lost_alone"),
    ];
    "The server is killed while operators share memory" =>
        "what they publish stays and is found under the next server, and goes with its last reader", [
        (BUFFERS, "a_buffer_that_is_published_while_no_server_is_there_is_found_by_the_next_one"),
        (BUFFERS, "a_buffer_whose_last_reader_completed_while_no_server_was_there_goes_before_its_job_ends"),
        (KEEPER, "buffers_wait_for_a_server_from_the_end_of_the_last_run_on"),
    ];
    "The process that keeps shared memory is killed, or does not answer" =>
        "operators are told that buffers are lost, and are never given others; the next run gets a new one", [
        (BUFFERS, "buffers_that_went_with_their_keeper_are_missed_and_never_made_up"),
        (DRIVER, "a_keeper_that_does_not_answer_counts_as_gone"),
        (DRIVER, "without_a_keeper_every_question_is_answered_with_that"),
    ];
    // operators
    "An operator crashes or fails" =>
        "job stopped, faulted; reason: exit code or signal; the next job runs", [
        (OPERATORS, "every_operator_that_misbehaves_ends_as_it_should_and_the_next_job_runs"),
        (PROCESS, "exit_codes_and_signals_are_told_apart"),
    ];
    "An operator hangs" =>
        "job stopped, terminated at its time limit; reason: timed out", [
        (OPERATORS, "every_operator_that_misbehaves_ends_as_it_should_and_the_next_job_runs"),
        (CLOCK, "time_limits_count_elapsed_time_whatever_the_wall_says"),
    ];
    "An operator ignores SIGTERM, and so do its children" =>
        "all of them are killed after the grace", [
        (OPERATORS, "every_operator_that_misbehaves_ends_as_it_should_and_the_next_job_runs"),
        (PROCESS, "who_ignores_the_signal_is_ended_after_the_grace"),
        (PROCESS, "what_the_operator_leaves_running_ends_with_it"),
    ];
    "An operator forks without end" =>
        "the kernel refuses beyond the limit; nothing is left at its end (only where a limit of processes is in force)", [
        (OPERATORS, "every_operator_that_misbehaves_ends_as_it_should_and_the_next_job_runs"),
        (LIMITS, "who_forks_without_end_meets_the_limit_and_leaves_nothing"),
    ];
    "An operator fills memory" =>
        "job stopped, faulted; reason: out of memory", [
        (OPERATORS, "who_fills_memory_faults_its_job"),
        (LIMITS, "who_fills_memory_is_ended_for_it"),
        (LIMITS, "the_watchdog_ends_who_stays_over_the_memory_limit"),
    ];
    "An operator fills its disk quota" =>
        "job stopped, faulted; reason: disk", [
        (OPERATORS, "every_operator_that_misbehaves_ends_as_it_should_and_the_next_job_runs"),
        (PROCESS, "a_full_quota_is_told_as_such"),
    ];
    "An operator writes outside of its folders" =>
        "it cannot; links that it plants lead nowhere", [
        (OPERATORS, "every_operator_that_misbehaves_ends_as_it_should_and_the_next_job_runs"),
        (SANDBOX, "only_the_writable_folders_can_be_written"),
        (SANDBOX, "the_manifest_and_the_log_are_out_of_the_operators_reach"),
        (PLANTED, "nothing_is_read_written_or_removed_through_a_planted_link"),
    ];
    "An operator prints a gibibyte" =>
        "all of it up to its limit is kept and read in bounded memory; what is beyond is dropped and counted", [
        (MEMORY, "a_flood_of_output_with_and_without_lines_is_kept_and_read_in_bounded_memory"),
        (PROCESS, "a_flood_of_binary_output_arrives_whole_up_to_its_limit"),
    ];
    "An operator prints binary" =>
        "bytes are kept as they are, and readers of lines get text", [
        (OPERATORS, "what_an_operator_prints_reaches_readers_as_text_and_cut_where_it_is_too_long"),
        (PROCESS, "a_flood_of_binary_output_arrives_whole_up_to_its_limit"),
    ];
    "An operator crashes, fails, is canceled or is lost after it shared memory" =>
        "what it shared goes with its job, or before its next attempt", [
        (SHARING, "what_an_operator_published_goes_when_it_fails_or_is_canceled"),
        (SHARING, "a_second_attempt_finds_nothing_of_the_first"),
        (BUFFERS, "what_is_not_allowed_is_refused_by_name_and_everything_goes_in_the_end"),
    ];
    "An operator tries to change memory that is shared" =>
        "the kernel refuses, whichever file of it the operator has", [
        (SHARING, "pages_that_are_published_cannot_be_changed_by_any_file_of_them"),
    ];
    "An operator floods the platform with nonsense, messages or files, or does not read its answers" =>
        "it is refused, waits or is cut, can be canceled, and harms no other", [
        (BUFFERS, "a_hostile_operator_is_answered_or_cut_and_harms_nobody"),
        (BUFFERS, "an_operator_that_floods_its_channel_without_end_can_be_canceled"),
        (DRIVER, "a_buffer_that_cannot_be_handed_over_now_is_refused_and_the_line_stays"),
        (KEEPER, "a_buffer_that_cannot_be_handed_over_now_is_refused_and_can_be_had_later"),
    ];
    // what the server stands on
    "The disk is full during an upload" =>
        "the upload is refused and leaves nothing; everything else goes on", [
        (DISK, "an_upload_that_fills_the_disk_is_refused_and_everything_else_goes_on"),
        (PAYLOADS, "a_full_disk_refuses_an_upload_and_leaves_nothing_of_it"),
        (REPOSITORY, "a_full_disk_is_told_nothing_is_lost_and_small_changes_do_not_fail_for_a_large_neighbour"),
    ];
    "The database is locked by somebody else" =>
        "readers are answered, jobs go on, and what happened is written when the lock is gone", [
        (OPERATORS, "a_job_goes_on_while_somebody_holds_the_database_and_is_written_down_afterwards"),
        (REPOSITORY, "a_database_locked_by_another_process_is_told_and_nothing_is_lost"),
    ];
    "The database takes no writes for a while: it is a standby, or short of something" =>
        "calls are refused; jobs go on, and how they ended is written when it takes writes again", [
        ("platform-server/tests/platform/database.rs",
            "a_job_that_ends_while_the_database_takes_nothing_is_as_good_as_any"),
        (POSTGRES, "what_passes_is_told_as_such_and_what_does_not_is_not"),
        (POSTGRES, "a_standby_is_never_settled_on"),
    ];
    "The connection to the database breaks while there is nothing to write" =>
        "it is made again, before another server could take the database over", [
        (POSTGRES, "a_server_with_nothing_to_write_takes_its_database_back_before_another_comes"),
    ];
    "The clock on the wall jumps" =>
        "time limits count elapsed time, records stay in order, nothing ends before it began", [
        (CLOCK, "time_limits_count_elapsed_time_whatever_the_wall_says"),
        (CLOCK, "records_of_one_server_stay_in_order_whatever_the_wall_says"),
        (CLOCK, "a_wall_that_was_set_between_two_servers_loses_no_job_and_ends_none_before_it_began"),
        ("platform-server/tests/scheduler/transitions.rs", "a_clock_that_goes_back_ends_nothing_early_and_repeats_nothing"),
        ("platform-server/tests/repository.rs",
            "a_clock_that_was_set_back_neither_ends_a_job_before_it_began_nor_reorders_lists"),
    ];
    // clients
    "A client goes away in the middle of a stream" =>
        "an upload leaves no file, a download closes its file", [
        (CALLS, "a_client_that_goes_away_leaves_no_file"),
        (MEMORY, "readers_that_stop_reading_cost_the_server_little_and_the_others_nothing"),
    ];
    "A thousand connections that say nothing" =>
        "calls of others are answered; who says nothing at all is cut", [
        (SERVE, "a_thousand_idle_connections_do_no_harm"),
        (SERVE, "whoever_says_nothing_is_cut"),
        (SERVE, "connections_beyond_the_limit_are_closed_and_later_ones_taken"),
    ];
    "Malformed messages" =>
        "the connection is cut, the next caller served", [
        (SERVE, "garbage_is_cut_and_the_next_caller_served"),
    ];
    "Oversized messages" =>
        "refused before they are in memory", [
        (SERVE, "messages_that_are_too_long_are_answered_with_a_refusal"),
    ];
    "Slow readers" =>
        "they cost bounded memory and are cut when they take nothing", [
        (MEMORY, "readers_that_stop_reading_cost_the_server_little_and_the_others_nothing"),
        (SERVE, "a_reader_that_takes_nothing_is_cut"),
    ];
};
