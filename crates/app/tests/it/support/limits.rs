use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Lifts the soft limit of open files to the hard one, for this process and for the servers that it starts from now on.
///
/// Fails when that leaves fewer than `needed`: a storm that the machine can't make would prove nothing.
pub fn allow_open_files(needed: u64) {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).expect("the soft limit may be lifted");
    let allowed = maximum.unwrap_or(u64::MAX);
    assert!(
        allowed >= needed,
        "this test needs {needed} open files; the hard limit (`ulimit -Hn`) is {allowed}"
    );
}

/// A line of `/proc/PID/status` in MiB, such as `VmRSS` (resident now) or `VmHWM` (resident at most so far).
pub fn memory_mib(pid: u32, line: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process lives");
    let value =
        status.lines().find_map(|text| text.strip_prefix(line)?.strip_prefix(':')).expect("such a line");
    let kib: f64 = value.trim().trim_end_matches(" kB").parse().expect("a number of kB");
    kib / 1024.0
}
