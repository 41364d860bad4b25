//! From what was seen of a run to the reason of its end. Seen, not guessed: each reason rests on a counter or a measure.

use super::super::protocol::ProgramStatus;
use crate::executor::Outcome;
use crate::executor::spec::Limits;

/// What was seen.
pub(super) struct Findings {
    /// Why the program never ran.
    pub(super) not_started: Option<String>,
    /// Why we ended the run, if we did.
    pub(super) forced: Option<Outcome>,
    /// How the program ended, as its parent saw it.
    pub(super) status: Option<ProgramStatus>,
    /// Why the parent's word is missing, or does not count.
    pub(super) lost: Option<String>,
    pub(super) memory_kills: u64,
    pub(super) disk_used_bytes: Option<u64>,
    pub(super) limits: Limits,
}

pub(super) fn outcome(seen: Findings) -> Outcome {
    if let Some(outcome) = seen.forced {
        return outcome;
    }
    if let Some(reason) = seen.not_started {
        return Outcome::NotStarted { reason };
    }
    let status = seen.status.filter(|_| seen.lost.is_none());
    let has_failed = status != Some(ProgramStatus::Code(0));
    if let Some(limit_bytes) = seen.limits.memory_bytes.filter(|_| has_failed && seen.memory_kills > 0) {
        return Outcome::OutOfMemory { limit_bytes };
    }
    // Also of a program that says that all is well: what it left does not fit.
    if let (Some(used_bytes), Some(limit_bytes)) = (seen.disk_used_bytes, seen.limits.disk_bytes) {
        let ran_into_file_limit = status == Some(ProgramStatus::Signal(libc::SIGXFSZ));
        if used_bytes > limit_bytes || ran_into_file_limit {
            return Outcome::DiskExceeded { used_bytes, limit_bytes };
        }
    }
    match status {
        Some(ProgramStatus::Code(code)) => Outcome::Exited { code },
        Some(ProgramStatus::Signal(signal)) => Outcome::Signaled { signal },
        None => Outcome::Lost {
            reason: seen
                .lost
                .unwrap_or_else(|| "the sandbox ended without telling how the program did".into()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(status: ProgramStatus) -> Findings {
        let limits = Limits { memory_bytes: Some(100), disk_bytes: Some(50), ..Limits::default() };
        let disk_used_bytes = Some(10);
        Findings {
            not_started: None,
            forced: None,
            status: Some(status),
            lost: None,
            memory_kills: 0,
            disk_used_bytes,
            limits,
        }
    }

    #[test]
    fn a_kill_is_out_of_memory_only_if_the_kernel_counted_one() {
        let killed = ProgramStatus::Signal(9);
        assert_eq!(outcome(seen(killed)), Outcome::Signaled { signal: 9 });
        let oom = Outcome::OutOfMemory { limit_bytes: 100 };
        assert_eq!(outcome(Findings { memory_kills: 1, ..seen(killed) }), oom);
        // The whole group was ended, the init with it.
        assert_eq!(outcome(Findings { memory_kills: 1, status: None, ..seen(killed) }), oom);
        // A child was killed, and the program coped.
        let coped = Findings { memory_kills: 1, ..seen(ProgramStatus::Code(0)) };
        assert_eq!(outcome(coped), Outcome::Exited { code: 0 });
    }

    #[test]
    fn what_does_not_fit_is_a_failure_even_if_the_program_is_content() {
        let full = Findings { disk_used_bytes: Some(51), ..seen(ProgramStatus::Code(0)) };
        assert_eq!(outcome(full), Outcome::DiskExceeded { used_bytes: 51, limit_bytes: 50 });
        let at_limit = Findings { disk_used_bytes: Some(50), ..seen(ProgramStatus::Code(0)) };
        assert_eq!(outcome(at_limit), Outcome::Exited { code: 0 });
    }

    #[test]
    fn our_own_reason_comes_before_its_traces() {
        let forced = Findings { forced: Some(Outcome::Canceled), ..seen(ProgramStatus::Code(0)) };
        assert_eq!(outcome(forced), Outcome::Canceled);
        let silent = Findings { status: None, ..seen(ProgramStatus::Code(0)) };
        assert!(matches!(outcome(silent), Outcome::Lost { .. }));
        let alone = Findings { lost: Some("nobody vouches".into()), ..seen(ProgramStatus::Code(0)) };
        assert_eq!(outcome(alone), Outcome::Lost { reason: "nobody vouches".into() });
    }
}
