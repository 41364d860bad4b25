//! The filter of system calls that every sandboxed process has: no mounting, no tracing, no kernel's back rooms.
//!
//! A list of what is refused, not of what is allowed, since operators are arbitrary programs; the namespaces and the
//! dropped capabilities carry the weight. What it refuses is what a process without privileges can still reach and
//! has no use for in an image operator: the parts of the kernel where most escapes were found.

use std::mem::size_of;

/// One instruction of classic BPF, as `struct sock_filter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instruction {
    code: u16,
    if_true: u8,
    if_false: u8,
    value: u32,
}

const LOAD_WORD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
const JUMP_EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
const JUMP_AT_LEAST: u16 = (libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K) as u16;
const JUMP_ANY_BIT: u16 = (libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K) as u16;
const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;

// Places in `struct seccomp_data`; arguments are 64 bits, of which the low half comes first on little-endian machines.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;
const FIRST_ARGUMENT: u32 = 16;

const REFUSE: u32 = libc::SECCOMP_RET_ERRNO | libc::EPERM as u32;
const NOT_THERE: u32 = libc::SECCOMP_RET_ERRNO | libc::ENOSYS as u32;

#[cfg(target_arch = "x86_64")]
const NATIVE: Option<u32> = Some(0xC000_003E);
#[cfg(target_arch = "aarch64")]
const NATIVE: Option<u32> = Some(0xC000_00B7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const NATIVE: Option<u32> = None;

/// Calls that fail with EPERM.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_open_tree,
    libc::SYS_move_mount,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_bpf,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_lookup_dcookie,
    libc::SYS_quotactl,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_fanotify_init,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
];

#[cfg(target_arch = "x86_64")]
const REFUSED_HERE: &[libc::c_long] =
    &[libc::SYS_iopl, libc::SYS_ioperm, libc::SYS_kexec_file_load, libc::SYS_modify_ldt, libc::SYS_uselib];
#[cfg(not(target_arch = "x86_64"))]
const REFUSED_HERE: &[libc::c_long] = &[];

/// Socket families that no network namespace holds in: a virtual machine's way to its host, the kernel's ciphers.
const REFUSED_FAMILIES: &[i32] = &[libc::AF_VSOCK, libc::AF_ALG, libc::AF_PACKET, libc::AF_KEY];

/// The filter as bubblewrap reads it, or `None` for a kind of processor that this file does not know.
pub(super) fn filter() -> Option<Vec<u8>> {
    let program = program(NATIVE?);
    let mut bytes = Vec::with_capacity(program.len() * size_of::<u64>());
    for step in program {
        bytes.extend_from_slice(&step.code.to_ne_bytes());
        bytes.extend_from_slice(&[step.if_true, step.if_false]);
        bytes.extend_from_slice(&step.value.to_ne_bytes());
    }
    Some(bytes)
}

/// Each rule is a test that is followed by what happens if it holds; the next rule begins behind that.
fn program(native: u32) -> Vec<Instruction> {
    let step = |code, if_true, if_false, value| Instruction { code, if_true, if_false, value };
    let mut program = vec![
        step(LOAD_WORD, 0, 0, ARCHITECTURE),
        step(JUMP_EQUAL, 1, 0, native),
        step(RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS),
        step(LOAD_WORD, 0, 0, NUMBER),
        // The x32 calls of x86-64 are numbered from here; on other machines no call is.
        step(JUMP_AT_LEAST, 0, 1, 0x4000_0000),
        step(RETURN, 0, 0, REFUSE),
    ];
    for &number in REFUSED.iter().chain(REFUSED_HERE) {
        program.push(step(JUMP_EQUAL, 0, 1, number as u32));
        program.push(step(RETURN, 0, 0, REFUSE));
    }
    // Its flags lie in memory, where a filter cannot look; without it the C library takes `clone`.
    program.push(step(JUMP_EQUAL, 0, 1, libc::SYS_clone3 as u32));
    program.push(step(RETURN, 0, 0, NOT_THERE));
    program.push(step(JUMP_EQUAL, 0, 4, libc::SYS_clone as u32));
    program.push(step(LOAD_WORD, 0, 0, FIRST_ARGUMENT));
    program.push(step(JUMP_ANY_BIT, 0, 1, NEW_NAMESPACES));
    program.push(step(RETURN, 0, 0, REFUSE));
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    let families = u8::try_from(REFUSED_FAMILIES.len()).unwrap_or(u8::MAX / 2);
    program.push(step(JUMP_EQUAL, 0, 1 + 2 * families, libc::SYS_socket as u32));
    program.push(step(LOAD_WORD, 0, 0, FIRST_ARGUMENT));
    for &family in REFUSED_FAMILIES {
        program.push(step(JUMP_EQUAL, 0, 1, family as u32));
        program.push(step(RETURN, 0, 0, REFUSE));
    }
    program.push(step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    program
}

const NEW_NAMESPACES: u32 = (libc::CLONE_NEWUSER
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWCGROUP) as u32;

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel would do with a call: a small machine for the instructions above.
    fn verdict(architecture: u32, number: u32, argument: u32) -> u32 {
        let program = program(0xC000_003E);
        let (mut at, mut word) = (0usize, 0u32);
        loop {
            let step = program[at];
            at += 1;
            let holds = match step.code {
                LOAD_WORD => {
                    word = match step.value {
                        NUMBER => number,
                        ARCHITECTURE => architecture,
                        FIRST_ARGUMENT => argument,
                        other => panic!("reads {other}"),
                    };
                    continue;
                }
                RETURN => return step.value,
                JUMP_EQUAL => word == step.value,
                JUMP_AT_LEAST => word >= step.value,
                JUMP_ANY_BIT => word & step.value != 0,
                other => panic!("unknown code {other}"),
            };
            at += usize::from(if holds { step.if_true } else { step.if_false });
        }
    }

    #[test]
    fn the_filter_refuses_what_it_lists_and_allows_the_rest() {
        let native =
            |number: libc::c_long, argument: i32| verdict(0xC000_003E, number as u32, argument as u32);
        for &number in REFUSED.iter().chain(REFUSED_HERE) {
            assert_eq!(native(number, 0), REFUSE);
        }
        assert_eq!(native(libc::SYS_clone3, 0), NOT_THERE);
        assert_eq!(native(libc::SYS_clone, libc::SIGCHLD), libc::SECCOMP_RET_ALLOW);
        assert_eq!(native(libc::SYS_clone, libc::CLONE_NEWUSER | libc::SIGCHLD), REFUSE);
        assert_eq!(native(libc::SYS_clone, libc::CLONE_VM | libc::CLONE_VFORK), libc::SECCOMP_RET_ALLOW);
        for family in [libc::AF_VSOCK, libc::AF_ALG, libc::AF_PACKET, libc::AF_KEY] {
            assert_eq!(native(libc::SYS_socket, family), REFUSE);
        }
        for family in [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6, libc::AF_NETLINK] {
            assert_eq!(native(libc::SYS_socket, family), libc::SECCOMP_RET_ALLOW);
        }
        for number in [libc::SYS_read, libc::SYS_execve, libc::SYS_kill, libc::SYS_openat, libc::SYS_mmap] {
            assert_eq!(native(number, libc::AF_VSOCK), libc::SECCOMP_RET_ALLOW);
        }
    }

    #[test]
    fn foreign_ways_into_the_kernel_are_closed() {
        assert_eq!(verdict(0x4000_0003, libc::SYS_read as u32, 0), libc::SECCOMP_RET_KILL_PROCESS);
        assert_eq!(verdict(0xC000_003E, 0x4000_0000, 0), REFUSE);
    }
}
