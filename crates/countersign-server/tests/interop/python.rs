//! A Python environment of its own, made once from the pinned requirements and used again while they stay the same.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

const REQUIREMENTS: &str = include_str!("requirements.txt");
const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/interop");
const MEND: &str = "install Python 3.10 or newer with its venv and pip (Debian: `apt-get install python3-venv \
                    python3-pip`) and see that pip reaches a package index";

/// Lets the other side do one of its acts.
pub fn peer(act: &str, given: &Value) -> Value {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let python = PYTHON.get_or_init(environment);
    let mut command = Command::new(python);
    command.arg("-B").arg(Path::new(HERE).join("peer.py")).arg(act);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the environment's Python starts");
    child.stdin.take().unwrap().write_all(given.to_string().as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "peer.py {act}: {}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// The stamp is written last, so that an environment that was not finished is made anew.
fn environment() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("interop-python");
    let (python, stamp) = (folder.join("bin/python"), folder.join("requirements-stamp"));
    if std::fs::read_to_string(&stamp).is_ok_and(|text| text == REQUIREMENTS) && python.exists() {
        return python;
    }
    let mut venv = Command::new("python3");
    run(venv.args(["-m", "venv", "--clear"]).arg(&folder));
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run(pip.arg(Path::new(HERE).join("requirements.txt")));
    std::fs::write(&stamp, REQUIREMENTS).unwrap();
    python
}

fn run(command: &mut Command) {
    let ended = command.output().unwrap_or_else(|fault| panic!("{command:?}: {fault}; {MEND}"));
    assert!(ended.status.success(), "{command:?}: {}; {MEND}", String::from_utf8_lossy(&ended.stderr));
}
