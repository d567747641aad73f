//! The programs of an installed PostgreSQL server, and the user that they run as.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use crate::BIN_VARIABLE;

const PROGRAMS: [&str; 4] = ["postgres", "initdb", "pg_ctl", "pg_basebackup"];

/// The folder of the server's programs: the one that is named, or the first that has them all.
pub(crate) fn find() -> Result<PathBuf, String> {
    static FOUND: LazyLock<Result<PathBuf, String>> = LazyLock::new(|| {
        let named = std::env::var_os(BIN_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        let places = named.map_or_else(usual_places, |named| vec![named]);
        let has_all = |place: &&PathBuf| PROGRAMS.iter().all(|program| place.join(program).is_file());
        places.iter().find(has_all).cloned().ok_or_else(|| {
            format!("no PostgreSQL server found in {places:?}: install one, or set {BIN_VARIABLE}")
        })
    });
    FOUND.clone()
}

fn usual_places() -> Vec<PathBuf> {
    let mut places = Vec::new();
    if let Ok(output) = Command::new("pg_config").arg("--bindir").output() {
        places.push(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    }
    places.extend(newest_first(Path::new("/usr/lib/postgresql")));
    places.extend(
        std::env::var_os("PATH").iter().flat_map(|path| std::env::split_paths(path).collect::<Vec<_>>()),
    );
    places
}

/// Debian's folders, one for each version.
fn newest_first(versions: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(versions).into_iter().flatten().flatten();
    let mut found: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    found.sort_by(|left, right| right.cmp(left));
    found.into_iter().map(|(_, place)| place).collect()
}

/// Whom the server runs as, with their group: PostgreSQL refuses to run as root. `None` for whoever we are.
fn account() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let accounts = std::fs::read_to_string("/etc/passwd").expect("the list of accounts");
    let numbers = |name: &str| {
        let mut fields =
            accounts.lines().find_map(|line| line.strip_prefix(&format!("{name}:")))?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let found = numbers("postgres").or_else(|| numbers("nobody"));
    Some(found.expect("we are root, and there is neither an account postgres nor nobody"))
}

/// Gives a file or folder to the user that the server runs as.
pub(crate) fn give_away(path: &Path) {
    if let Some((user, group)) = account() {
        std::os::unix::fs::chown(path, Some(user), Some(group)).expect("a change of owner");
    }
}

/// A program that works in the folder as the server's user. It has nothing of ours that outlives us: no standard input
/// or output, no variable that PostgreSQL would read, and a process group where Ctrl-C doesn't reach it.
pub(crate) fn command(program: impl AsRef<std::ffi::OsStr>, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).process_group(0).env("LC_ALL", "C");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(b"PG")) {
        command.env_remove(name);
    }
    if let Some((user, group)) = account() {
        command.uid(user).gid(group);
    }
    command
}

/// One of the server's programs, as [`command`].
pub(crate) fn program(name: &str, folder: &Path) -> Command {
    command(find().unwrap_or_else(|missing| panic!("{missing}")).join(name), folder)
}
