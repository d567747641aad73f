//! What survives us just long enough to stop the server and remove its folder, however we end.

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::installation;

/// A shell whose standard input is a pipe that we hold open and never write to. It ends when we end, even by SIGKILL.
/// What is still being made in the folder at that moment fails, and is removed in the next round. The folder itself can
/// only stay, empty, where the server's user may not write beside it.
const SCRIPT: &str = r#"
trap '' HUP INT TERM
cat >/dev/null
"$1/pg_ctl" stop --pgdata="$2/data" --mode=immediate --silent --timeout=30
cd /
for round in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf "$2"
    [ -z "$(ls -A "$2")" ] && exit
    sleep 1
done
"#;

/// Guards a folder. Dropped, it has removed it.
pub(crate) struct Guardian {
    shell: Child,
    folder: PathBuf,
}

impl Guardian {
    /// Makes a folder that the server's user owns, guarded from the first moment.
    pub(crate) fn new(parent: &Path) -> Self {
        let mut builder = tempfile::Builder::new();
        let folder = builder.prefix("countersign-").tempdir_in(parent).expect("a temporary folder");
        installation::give_away(folder.path());
        let programs = installation::find().unwrap_or_else(|missing| panic!("{missing}"));
        let mut shell = installation::command("sh", folder.path());
        shell.args(["-c", SCRIPT, "guardian"]).arg(programs).arg(folder.path()).stdin(Stdio::piped());
        let shell = shell.spawn().expect("a shell that may work in the temporary folder");
        Self { shell, folder: folder.keep() }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Guardian {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        // Where waiting fails there is nobody left to wait for.
        let _ = self.shell.wait();
        // In most places it is gone already.
        let _ = std::fs::remove_dir(&self.folder);
    }
}
