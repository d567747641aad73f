//! The files of the workspace, as they lie on the disk.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::rust::Source;

/// Where the project's own files are; whatever else lies in the folder is none of ours.
const FOLDERS: [&str; 7] = [".ci", "bench", "clients", "crates", "docs", "fuzz", "tools"];

/// Made by tools, never written by hand.
const GENERATED: [&str; 6] = ["target", "node_modules", "__pycache__", ".venv", "dist", "embedded-data"];

pub struct File {
    /// From the workspace's root, with `/`.
    pub path: String,
    pub bytes: Vec<u8>,
}

impl File {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    pub fn extension(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or("", |(stem, extension)| if stem.is_empty() { "" } else { extension })
    }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Every file of the project, sorted.
pub fn files() -> Vec<File> {
    let root = root();
    let mut files = Vec::new();
    for entry in std::fs::read_dir(&root).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let is_ours = !name.starts_with('.') || name == ".gitignore";
        if path.is_file() && is_ours {
            files.push(read(&root, &path));
        } else if FOLDERS.contains(&name.as_str()) {
            walk(&root, &path, &mut files);
        }
    }
    files.sort_by(|left, right| left.path.cmp(&right.path));
    assert!(files.len() > 100, "the tree was not found: {} files", files.len());
    files
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_file() {
            files.push(read(root, &path));
        } else if !GENERATED.contains(&name) {
            walk(root, &path, files);
        }
    }
}

fn read(root: &Path, path: &Path) -> File {
    let relative = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
    File { path: relative, bytes: std::fs::read(path).unwrap() }
}

/// Every Rust file of the project, read once for all tests.
pub fn sources() -> &'static [Source] {
    static SOURCES: LazyLock<Vec<Source>> = LazyLock::new(|| {
        let rust = files().into_iter().filter(|file| file.extension() == "rs");
        rust.map(|file| Source::read(&file.path, &file.text())).collect()
    });
    &SOURCES
}

/// The service's own modules, without their tests: (file, its path inside the crate as module names).
pub fn service_modules() -> Vec<(&'static Source, Vec<String>)> {
    let mut modules = Vec::new();
    for source in sources() {
        let Some(inside) = source.path.strip_prefix("crates/countersign/src/") else { continue };
        if source.is_test() || inside == "lib.rs" {
            continue;
        }
        let path = inside.trim_end_matches(".rs").trim_end_matches("/mod");
        let path = path.split('/').map(str::to_owned).collect();
        modules.push((source, path));
    }
    assert!(modules.len() > 40, "the service's modules were not found");
    modules
}

/// The modules in the order of `lib.rs`, each with the number of its part.
pub fn table_of_contents() -> Vec<(String, usize)> {
    let text = std::fs::read_to_string(root().join("crates/countersign/src/lib.rs")).unwrap();
    let (mut part, mut modules) = (0, Vec::new());
    for line in text.lines() {
        if line.starts_with("// Part ") {
            part += 1;
        }
        let declared = line.strip_suffix(';').and_then(|line| line.split("mod ").nth(1));
        if let Some(name) = declared.filter(|_| !line.starts_with("//")) {
            modules.push((name.to_owned(), part));
        }
    }
    assert_eq!(part, 5, "lib.rs has five parts");
    modules
}
