//! A real nginx or Caddy as a process of its own, in a folder of its own, with the page's configuration.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const PAGE: &str = include_str!("../../../../docs/how-to/reverse-proxies.md");
const MEND: &str = "install it (Debian: `apt-get install nginx-light caddy`)";

/// Long enough for a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Nginx,
    Caddy,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
        }
    }

    /// What the page says, word for word.
    fn configuration(self) -> &'static str {
        let fence = match self {
            Self::Nginx => "```nginx\n",
            Self::Caddy => "```caddyfile\n",
        };
        let mut blocks = PAGE.split(fence).skip(1);
        let block = blocks.next().expect("the page has a configuration");
        assert!(blocks.next().is_none(), "the page has two configurations");
        block.split("```").next().unwrap()
    }
}

/// Where the proxy is installed. Missing, it fails the run where everything has to run, and is said aloud elsewhere.
pub fn binary(kind: Kind) -> Option<PathBuf> {
    let program = kind.program();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|folder| folder.join(program)).find(|file| file.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed: {MEND}");
        eprintln!("NOT TESTED: {program} is not installed: {MEND}");
    }
    found
}

/// A running proxy. It ends with its test.
pub struct Proxy {
    child: Child,
    pub address: String,
    folder: TempDir,
}

impl Proxy {
    /// The page's addresses are replaced by those of this test, and nothing else.
    pub fn start(kind: Kind, binary: &Path, countersign: &str, application: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = free_address();
        let mut site = kind.configuration().to_owned();
        let countersign = countersign.trim_start_matches("http://");
        for (written, real) in [
            ("127.0.0.1:8080", address.as_str()),
            ("127.0.0.1:8000", countersign),
            ("127.0.0.1:3000", application),
        ] {
            assert!(site.contains(written), "the page's configuration of {kind:?} does not name {written}");
            site = site.replace(written, real);
        }
        let mut command = match kind {
            Kind::Nginx => nginx(binary, folder.path(), &site),
            Kind::Caddy => caddy(binary, folder.path(), &site),
        };
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        let child = command.stderr(log).spawn().expect("the proxy starts");
        let mut proxy = Self { child, address, folder };
        proxy.wait();
        proxy
    }

    fn wait(&mut self) {
        let begun = Instant::now();
        while TcpStream::connect(&self.address).is_err() {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || begun.elapsed() > PATIENCE {
                let log = std::fs::read_to_string(self.folder.path().join("log"));
                panic!("the proxy does not listen ({ended:?}): {log:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Free a moment ago: a proxy can't be told to take any port and to say which.
fn free_address() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

/// One process in the foreground that keeps to its folder.
fn nginx(binary: &Path, folder: &Path, site: &str) -> Command {
    let place = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("    {kind}_temp_path {place}/{kind};\n"))
        .concat();
    let whole = format!(
        "daemon off;\nmaster_process off;\npid {place}/pid;\nerror_log stderr;\nevents {{}}\n\
         http {{\n    access_log off;\n{temporary}{site}}}\n"
    );
    std::fs::write(folder.join("nginx.conf"), whole).unwrap();
    let mut command = Command::new(binary);
    command.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(folder.join("nginx.conf"));
    command
}

/// Without its administration's port, and with a home in its folder.
fn caddy(binary: &Path, folder: &Path, site: &str) -> Command {
    let whole = format!("{{\n\tadmin off\n}}\n\n{site}");
    std::fs::write(folder.join("Caddyfile"), whole).unwrap();
    let mut command = Command::new(binary);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(folder.join("Caddyfile"));
    command.env_clear().env("HOME", folder).current_dir(folder);
    command
}
