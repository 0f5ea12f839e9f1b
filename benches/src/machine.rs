//! What the kernel says of processes, and where threads run.

use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, anyhow};
use rustix::thread::{CpuSet, sched_setaffinity};

/// The core that what is under load is pinned to, alone.
pub(crate) const SERVER_CORE: usize = 0;
/// The core that the load comes from.
pub(crate) const LOAD_CORE: usize = 1;

/// How many cores this process may use.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// The memory in which as many hashes as there are cores are computed at once, with the default parameters.
pub(crate) fn hash_buffers_mib() -> f64 {
    const ONE_MIB: f64 = 19.0;

    (0..cores()).map(|_| ONE_MIB).sum()
}

/// How many threads wanted a core lately: what else than the benches keeps the machine busy, and blurs its numbers.
pub(crate) fn load_average() -> Result<String> {
    let averages = fs::read_to_string("/proc/loadavg")?;
    let last_minute = averages.split(' ').next().context("/proc/loadavg has numbers")?;
    Ok(format!("{last_minute} threads on {} cores", cores()))
}

/// Does this on one core, with all threads and processes that it starts.
pub(crate) fn on_core<T: Send>(core: usize, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let pinned = || {
        let mut cores = CpuSet::new();
        cores.set(core);
        sched_setaffinity(None, &cores).context("this bench needs two cores")?;
        work()
    };
    thread::scope(|scope| scope.spawn(pinned).join()).map_err(|_| anyhow!("a pinned thread panicked"))?
}

/// Lowers the calling thread to the priority that the server hashes at.
pub(crate) fn lower_priority() -> Result<()> {
    rustix::process::setpriority_process(None, 19).context("lowering the priority")
}

/// The processor time that a process has used so far, in user and kernel.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration> {
    const TICKS_PER_SECOND: u64 = 100; // USER_HZ, the same on every Linux

    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let (_, after_name) = stat.rsplit_once(')').context("/proc/PID/stat has a name in it")?;
    let mut fields = after_name.split_whitespace().skip(11);
    let user: u64 = fields.next().context("utime")?.parse()?;
    let system: u64 = fields.next().context("stime")?.parse()?;
    Ok(Duration::from_millis((user + system) * 1_000 / TICKS_PER_SECOND))
}

/// What a process has resident, in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    memory_mib(pid, "VmRSS:")
}

/// The most that a process has had resident so far, in MiB.
pub(crate) fn peak_resident_mib(pid: u32) -> Result<f64> {
    memory_mib(pid, "VmHWM:")
}

fn memory_mib(pid: u32, what: &'static str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(what)).context(what)?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib / 1024.0)
}
