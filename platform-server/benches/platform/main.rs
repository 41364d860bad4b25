//! All targets of the platform server, each beside its floor in the same run, and whether it is met.
//!
//! `cargo bench -p platform-server --bench platform`, or only some: `-- jobs files records scheduler`. `BENCH_DIR`
//! chooses the disk. Wants a quiet machine; what it prints beside times, processor time, tells how quiet it was.

#![expect(clippy::unwrap_used, reason = "a bench that cannot measure must stop")]

mod clock;
mod files;
#[cfg(target_os = "linux")]
mod jobs;
#[path = "../load/mod.rs"]
mod load;
mod records;
mod report;
mod scheduler;
mod server;

use report::Report;

fn main() {
    // `cargo test` builds and runs benches too; they measure nothing then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let wanted: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|one| one == name);
    let place = std::env::var_os("BENCH_DIR").unwrap_or_else(|| std::env::temp_dir().into());
    let folder = tempfile::tempdir_in(place).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut report = Report::default();
    let account = clock::Account::open();
    #[cfg(target_os = "linux")]
    if is_wanted("jobs") {
        jobs::measure(&runtime, folder.path(), &account, &mut report);
    }
    if is_wanted("records") {
        records::measure(&runtime, folder.path(), &mut report);
    }
    if is_wanted("scheduler") {
        scheduler::measure(&mut report);
    }
    // Last: the disk is busy for a while after gigabytes were written.
    if is_wanted("files") {
        files::measure(&runtime, folder.path(), &account, &mut report);
    }
    report.summarise();
}
