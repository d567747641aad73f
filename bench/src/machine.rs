//! What the kernel says about this machine and about a running process.

use std::fmt;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::Outcome;

/// The kernel counts processor time for user space in hundredths of a second on every architecture.
const TICK: Duration = Duration::from_millis(10);

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

/// What the kernel charges a process with while it does something, with both kinds of work measured alike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meter {
    pid: u32,
    before: Duration,
}

impl Meter {
    /// Begins to count the processor time of a process.
    ///
    /// # Errors
    /// When the process is gone.
    pub(crate) fn of(pid: u32) -> Outcome<Self> {
        Ok(Self { pid, before: processor_time_of(pid)? })
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
        let used = processor_time_of(self.pid)?.saturating_sub(self.before);
        Ok(used.as_secs_f64() * 1e6 / count as f64)
    }
}

/// Fields 14 and 15, counted from behind the name in brackets: a name may hold spaces.
fn ticks_of(stat: &str) -> Option<u32> {
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(11);
    let user: u32 = fields.next()?.parse().ok()?;
    let system: u32 = fields.next()?.parse().ok()?;
    Some(user + system)
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
    }

    #[test]
    fn this_process_has_memory() {
        let memory = memory_of(std::process::id()).unwrap();
        assert!(memory.now > 0.1 && memory.peak >= memory.now);
    }
}
