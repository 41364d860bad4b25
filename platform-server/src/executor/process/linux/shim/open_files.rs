//! Open files: more for the shim than for its operator.
//!
//! The kernel counts the files that are under way through sockets for all processes of a user together, and lets nobody
//! send one while they are more than the sender itself may have open. Where operators run as the server's user, one of
//! them could keep the shims of all jobs from handing out buffers, if it were allowed as many as they are.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::super::protocol::ResourceLimit;

/// Takes what this process may have; returns what its operator gets.
pub(super) fn share() -> Option<ResourceLimit> {
    let now = getrlimit(Resource::Nofile);
    let (soft, hard) = now.current.zip(now.maximum)?;
    setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: Some(hard) }).ok()?;
    let most = hard - hard / 4;
    Some(ResourceLimit::OpenFiles { soft: soft.min(most), hard: most })
}
