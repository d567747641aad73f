//! What the operating system is asked for: open files, and word to whoever supervises this process.

use std::os::unix::net::UnixDatagram;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

/// Raises the number of files that may be open as far as this user may, and says how many that are.
pub(crate) fn raise_open_files() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let current = if setrlimit(Resource::Nofile, raised).is_ok() { limit.maximum } else { limit.current };
    // Without a limit there is still one of memory; the number of connections has its own.
    current.unwrap_or(u64::MAX)
}

/// Tells systemd, where it asked to be told (`Type=notify`), what this process does now (sd_notify(3)).
pub(crate) fn notify(state: &str) {
    let Some(address) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = UnixDatagram::unbound().and_then(|socket| socket.send_to(state.as_bytes(), address));
    if let Err(error) = sent {
        tracing::debug!(%error, "the supervisor could not be told");
    }
}

/// Makes every file that this process creates its owner's alone, those of SQLite beside the database
/// included.
pub(crate) fn keep_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}
