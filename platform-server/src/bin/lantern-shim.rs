//! The process beside each operator; see `platform_server::executor::process`.

fn main() -> std::process::ExitCode {
    platform_server::executor::process::shim_main()
}
