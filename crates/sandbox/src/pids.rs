//! Which process an isolate is, seen from the host.

use std::fs;

/// The process id, in the caller's namespace, of the zygote's child that calls itself `inner_pid`;
/// `None` if there is none (any more), or the kernel lists no children (`CONFIG_PROC_CHILDREN`).
///
/// Without a namespace of the zygote's own both ids are the same, and the answer is still checked.
pub fn global_pid(zygote_pid: i32, inner_pid: i32) -> Option<i32> {
    for thread in fs::read_dir(format!("/proc/{zygote_pid}/task")).ok()?.flatten() {
        // A thread may end while we look.
        let Ok(children) = fs::read_to_string(thread.path().join("children")) else {
            continue;
        };
        for pid in children
            .split_ascii_whitespace()
            .filter_map(|pid| pid.parse().ok())
        {
            if innermost_pid(pid) == Some(inner_pid) {
                return Some(pid);
            }
        }
    }
    None
}

/// The id that a process has in its own namespace: the last of `NSpid`.
fn innermost_pid(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    ids.split_ascii_whitespace().next_back()?.parse().ok()
}
