//! What the kernel says about this machine and about a running process.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Outcome;

/// The kernel counts processor time for user space in hundredths of a second on every architecture.
const TICK: Duration = Duration::from_millis(10);

/// What the names of the threads begin with that hash passwords.
const HASH_LANE: &str = "hash-";

/// The machine that the figures hold for.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// How many hardware threads the process may use.
    pub(crate) cores: usize,
    /// The processor's own name.
    pub(crate) processor: String,
    /// The kernel's release.
    pub(crate) kernel: String,
    /// The type of the file system that holds the databases.
    pub(crate) file_system: String,
    /// How many threads wanted to run during the last minute: who else was at work before the measurement began.
    pub(crate) load: String,
}

impl Machine {
    /// Reads the description, for databases that lie in `dir`.
    pub(crate) fn of(dir: &Path) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cpuinfo = read("/proc/cpuinfo");
        let processor = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
        Self {
            cores: cores(),
            processor: processor.unwrap_or("unknown processor").to_owned(),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            file_system: file_system_of(&read("/proc/self/mounts"), dir).unwrap_or("unknown").to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cores, processor, kernel, file_system, load } = self;
        write!(
            f,
            "{cores} cores of {processor}, Linux {kernel}, databases on {file_system}, load {load} before"
        )
    }
}

/// How many hardware threads this process may use.
pub(crate) fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

fn file_system_of<'a>(mounts: &'a str, dir: &Path) -> Option<&'a str> {
    let mounts = mounts.lines().filter_map(|line| {
        let mut words = line.split(' ').skip(1);
        Some((Path::new(words.next()?), words.next()?))
    });
    let around = mounts.filter(|(point, _)| dir.starts_with(point));
    around.max_by_key(|(point, _)| point.components().count()).map(|(_, kind)| kind)
}

/// Memory of a process, in MiB.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// What is resident now.
    pub(crate) now: f64,
    /// The most that was ever resident.
    pub(crate) peak: f64,
}

/// The resident memory of a process.
///
/// # Errors
/// When the process is gone.
pub(crate) fn memory_of(pid: u32) -> Outcome<Memory> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let mib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: f64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
        Some(kib / 1024.0)
    };
    match (mib("VmRSS:"), mib("VmHWM:")) {
        (Some(now), Some(peak)) => Ok(Memory { now, peak }),
        _ => Err("the kernel does not tell the server's memory: has it ended?".into()),
    }
}

/// The processor time that a process has used in all its threads.
fn processor_time_of(pid: u32) -> Outcome<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    ticks_of(&stat).map(|ticks| TICK * ticks).ok_or_else(|| "an unreadable /proc/PID/stat".into())
}

/// The processor time of a process, of the children that it has, and of those that it had.
fn processor_time_of_family(pid: u32) -> Outcome<Duration> {
    let mut ticks = 0;
    for entry in fs::read_dir("/proc")?.flatten() {
        // Most of these are no processes, and any process may be gone by now.
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let is_parent = entry.file_name().to_str() == Some(pid.to_string().as_str());
        if is_parent {
            ticks += ticks_of(&stat).unwrap_or_default() + field(&stat, 16) + field(&stat, 17);
        } else if field(&stat, 4) == pid {
            ticks += ticks_of(&stat).unwrap_or_default();
        }
    }
    Ok(TICK * ticks)
}

/// The processor time of a process beside its hash lanes, in nanoseconds each (`schedstat`): what the others do is less
/// than a tick of the usual count. A thread that ends takes its time along.
fn processor_time_beside_hashes(pid: u32) -> Outcome<Duration> {
    let mut used = Duration::ZERO;
    for thread in threads_beside_hashes(pid)? {
        let schedstat = fs::read_to_string(thread.join("schedstat")).unwrap_or_default();
        let nanos = schedstat.split(' ').next().and_then(|nanos| nanos.parse().ok());
        used +=
            Duration::from_nanos(nanos.ok_or("the kernel does not tell: no /proc/PID/task/TID/schedstat")?);
    }
    Ok(used)
}

fn threads_beside_hashes(pid: u32) -> Outcome<Vec<PathBuf>> {
    let threads = fs::read_dir(format!("/proc/{pid}/task"))?.flatten().map(|thread| thread.path());
    let is_lane = |thread: &PathBuf| {
        fs::read_to_string(thread.join("comm")).is_ok_and(|name| name.starts_with(HASH_LANE))
    };
    Ok(threads.filter(|thread| !is_lane(thread)).collect())
}

/// What the kernel charges a process with while it does something, with both kinds of work measured alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    pid: u32,
    read: fn(u32) -> Outcome<Duration>,
    before: Duration,
}

impl Meter {
    /// Begins to count the processor time of a process.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn of(pid: u32) -> Outcome<Self> {
        Self::reading(processor_time_of, pid)
    }

    /// Begins to count the processor time of a process with all its children, as PostgreSQL has one for each connection.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn of_family(pid: u32) -> Outcome<Self> {
        Self::reading(processor_time_of_family, pid)
    }

    /// Begins to count the processor time of a server beside its hash lanes.
    ///
    /// # Errors
    /// When the process is gone, or the kernel does not tell.
    pub(crate) fn beside_hashes(pid: u32) -> Outcome<Self> {
        Self::reading(processor_time_beside_hashes, pid)
    }

    fn reading(read: fn(u32) -> Outcome<Duration>, pid: u32) -> Outcome<Self> {
        Ok(Self { pid, read, before: read(pid)? })
    }

    /// Begins to count the processor time of this process, for a ceiling that it reaches by itself.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub(crate) fn of_this_process() -> Outcome<Self> {
        Self::of(std::process::id())
    }

    /// Microseconds of processor time for each of `count` since the beginning.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn micros_for_each(self, count: u64) -> Outcome<f64> {
        let used = (self.read)(self.pid)?.saturating_sub(self.before);
        Ok(used.as_secs_f64() * 1e6 / count as f64)
    }
}

/// A numbered field of `/proc/PID/stat`, counted from behind the name in brackets: a name may hold spaces.
fn field_of(stat: &str, number: usize) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(number.checked_sub(3)?)?.trim().parse().ok()
}

/// 0 where there is none.
fn field(stat: &str, number: usize) -> u32 {
    field_of(stat, number).unwrap_or_default()
}

/// User's and system's time.
fn ticks_of(stat: &str) -> Option<u32> {
    Some(field_of(stat, 14)? + field_of(stat, 15)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_mount_names_the_file_system() {
        let mounts = "/dev/a / ext4 rw 0 0\ntmpfs /mnt tmpfs rw 0 0\n/dev/b /mntfiles xfs rw 0 0\n";
        assert_eq!(file_system_of(mounts, Path::new("/mnt/x")), Some("tmpfs"));
        assert_eq!(file_system_of(mounts, Path::new("/mntfiles/x")), Some("xfs"));
        assert_eq!(file_system_of(mounts, Path::new("/home")), Some("ext4"));
    }

    #[test]
    fn processor_time_is_found_behind_a_name_with_spaces() {
        let stat = "7 (a ) b) S 1 2 3 4 5 6 7 8 9 10 140 2 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks_of(stat), Some(142));
        assert_eq!((field(stat, 4), field(stat, 16), field(stat, 99)), (1, 0, 0));
    }

    #[test]
    fn a_child_counts_for_its_family_while_it_runs_and_after() {
        let meter = Meter::of_family(std::process::id()).unwrap();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        let mut child = std::process::Command::new("sh").args(["-c", script]).spawn().unwrap();
        child.wait().unwrap();
        assert!(meter.micros_for_each(1).unwrap() > 0.0);
    }

    #[test]
    fn hash_lanes_are_left_out_and_all_other_threads_count() {
        let (began, begun) = std::sync::mpsc::channel();
        let (end, ending) = std::sync::mpsc::channel::<()>();
        let name = || fs::read_to_string("/proc/thread-self/comm").unwrap();
        let work = move || {
            began.send(name()).unwrap();
            let _ = ending.recv();
        };
        let lane = std::thread::Builder::new().name("hash-7".to_owned()).spawn(work).unwrap();
        assert_eq!(begun.recv().unwrap(), "hash-7\n", "that is how the kernel knows it");
        let names: Vec<String> = threads_beside_hashes(std::process::id())
            .unwrap()
            .iter()
            .filter_map(|thread| fs::read_to_string(thread.join("comm")).ok())
            .collect();
        assert!(names.contains(&name()), "this thread counts: {names:?}");
        assert!(!names.contains(&"hash-7\n".to_owned()), "{names:?}");
        assert!(processor_time_beside_hashes(std::process::id()).unwrap() > Duration::ZERO);
        drop(end);
        lane.join().unwrap();
    }

    #[test]
    fn this_process_has_memory() {
        let memory = memory_of(std::process::id()).unwrap();
        assert!(memory.now > 0.1 && memory.peak >= memory.now);
    }
}
