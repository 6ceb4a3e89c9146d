//! Makes Rust code (and binary schemas) from the FlatBuffers schemas.
//!
//! Everything is made in memory first, so that writing and `--check` are the same work and differ in the end
//! only. The module that includes the files (`generated/mod.rs`) is written by hand and carries the
//! `allow` attributes.

use crate::failure::{Failure, Outcome, only_options};
use crate::lock::{self, Files};
use crate::workspace::{self, Workspace};
use crate::{flatc, tree};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) const DOES: &str = "make the FlatBuffers code from the schemas (--check: say whether it is up to date)";

/// A folder of schemas, and where the files made from them are kept.
struct Schemas {
    from: &'static str,
    to: &'static str,
    /// Also make the binary schema (`.bfbs`): the service ships that of a game's commands to the edges,
    /// which check commands against it without knowing the game.
    binary: bool,
}

/// A folder that is not there yet is passed over; one that disappears is reported by the lock.
const SCHEMAS: &[Schemas] = &[
    Schemas { from: "protocol/schema", to: "protocol/src/generated", binary: false },
    Schemas { from: "arena/schema", to: "arena/src/generated", binary: true },
    Schemas { from: "ecs-state/tests/schema", to: "ecs-state/tests/generated", binary: true },
];

const LOCK: &str = "protocol/schema/CODEGEN.lock";

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    only_options(arguments, &["--check"])?;
    let made = make(workspace)?;
    if arguments.is_empty() { write(workspace.root(), &made) } else { check(workspace.root(), &made) }
}

/// Compares the tree with its lock, which needs no flatc.
pub(crate) fn check_lock(root: &Path) -> Outcome {
    let path = root.join(LOCK);
    let lock = fs::read_to_string(&path).map_err(Failure::io("read", &path))?;
    let mut files = schemas(root)?;
    files.extend(kept(root)?);
    report(lock::differences(&lock, &files))
}

/// Makes every file that codegen owns, the lock included.
fn make(workspace: &Workspace) -> Outcome<Files> {
    let flatc = flatc::obtain(workspace)?;
    let scratch = Scratch::create(workspace.target(), "codegen")?;
    let mut made = Files::new();
    for (number, set) in SCHEMAS.iter().enumerate() {
        let folder = scratch.0.join(number.to_string());
        for schema in tree::files_in(&workspace.root().join(set.from), &[".fbs"])? {
            for name in make_one(workspace, &flatc, set, &schema, &folder)? {
                let path = folder.join(&name);
                let bytes = fs::read(&path).map_err(Failure::io("read", &path))?;
                made.insert(format!("{}/{name}", set.to), bytes);
            }
        }
    }
    let mut all = schemas(workspace.root())?;
    all.extend(made.clone());
    made.insert(LOCK.into(), lock::write(&all).into_bytes());
    Ok(made)
}

/// Makes the files of one schema in `folder` and returns their names.
fn make_one(workspace: &Workspace, flatc: &Path, set: &Schemas, schema: &str, folder: &Path) -> Outcome<Vec<String>> {
    let source = format!("{}/{schema}", set.from);
    let stem = schema.trim_end_matches(".fbs");
    let code = format!("{stem}_generated.rs");
    let mut flatc_rust = workspace.command(flatc);
    // The object API, because senders build messages as plain values; only readers work on the bytes in place.
    flatc_rust.args(["--rust", "--gen-object-api", "-I", set.from, "-o"]).arg(folder).arg(&source);
    workspace::output(&mut flatc_rust)?;
    sign(&folder.join(&code), &source)?;
    format(workspace, &folder.join(&code))?;
    if !set.binary {
        return Ok(vec![code]);
    }
    // Names of files inside it are relative to the schemas, or the bytes would differ between machines.
    workspace::output(
        workspace
            .command(flatc)
            .args(["--binary", "--schema", "--bfbs-filenames", set.from, "-I", set.from, "-o"])
            .arg(folder)
            .arg(&source),
    )?;
    Ok(vec![code, format!("{stem}.bfbs")])
}

fn sign(path: &Path, source: &str) -> Outcome {
    let code = fs::read_to_string(path).map_err(Failure::io("read", path))?;
    let signed = format!("// Made by `cargo xtask codegen` from {source}; do not edit.\n{code}");
    fs::write(path, signed).map_err(Failure::io("write", path))
}

/// Formats until nothing changes: `cargo fmt --check` looks at generated code as well, and rustfmt is
/// not always done after one pass over such code.
fn format(workspace: &Workspace, path: &Path) -> Outcome {
    for _ in 0..4 {
        let before = fs::read(path).map_err(Failure::io("read", path))?;
        let mut rustfmt = workspace.command("rustfmt");
        workspace::output(rustfmt.arg("--config-path").arg(workspace.root().join("rustfmt.toml")).arg(path))?;
        if fs::read(path).map_err(Failure::io("read", path))? == before {
            return Ok(());
        }
    }
    Err(Failure::failed(format!("rustfmt does not come to rest on {}; simplify the schema", path.display())))
}

fn write(root: &Path, made: &Files) -> Outcome {
    for (path, bytes) in made {
        let file = root.join(path);
        if fs::read(&file).is_ok_and(|old| old == *bytes) {
            continue;
        }
        let folder = file.parent().expect("a path below the root has a parent");
        fs::create_dir_all(folder).map_err(Failure::io("create", folder))?;
        fs::write(&file, bytes).map_err(Failure::io("write", &file))?;
        println!("wrote {path}");
    }
    for path in kept(root)?.keys().filter(|path| !made.contains_key(*path)) {
        let file = root.join(path);
        fs::remove_file(&file).map_err(Failure::io("remove", &file))?;
        println!("removed {path}, whose schema is gone");
    }
    println!("{} generated files are up to date", made.len() - 1);
    Ok(())
}

fn check(root: &Path, made: &Files) -> Outcome {
    let mut found = Vec::new();
    for (path, bytes) in made {
        match fs::read(root.join(path)) {
            Ok(old) if old == *bytes => {}
            Ok(_) => found.push(format!("{path}: not what its schema gives")),
            Err(error) => found.push(format!("{path}: {error}")),
        }
    }
    found.extend(
        kept(root)?.keys().filter(|path| !made.contains_key(*path)).map(|path| format!("{path}: has no schema")),
    );
    report(found)
}

fn report(found: Vec<String>) -> Outcome {
    if found.is_empty() {
        println!("generated code is up to date");
        return Ok(());
    }
    Err(Failure::failed(format!(
        "generated code is not up to date; run `cargo xtask codegen` and commit what it writes:\n  {}",
        found.join("\n  ")
    )))
}

/// Reads the schemas of the tree.
fn schemas(root: &Path) -> Outcome<Files> {
    read_all(root, SCHEMAS.iter().map(|set| (set.from, [".fbs"].as_slice())))
}

/// Reads the generated files of the tree, also those whose schema is gone.
fn kept(root: &Path) -> Outcome<Files> {
    read_all(root, SCHEMAS.iter().map(|set| (set.to, ["_generated.rs", ".bfbs"].as_slice())))
}

fn read_all<'a>(root: &Path, folders: impl Iterator<Item = (&'a str, &'a [&'a str])>) -> Outcome<Files> {
    let mut files = Files::new();
    for (folder, endings) in folders {
        for name in tree::files_in(&root.join(folder), endings)? {
            let path = root.join(folder).join(&name);
            files.insert(format!("{folder}/{name}"), fs::read(&path).map_err(Failure::io("read", &path))?);
        }
    }
    Ok(files)
}

/// A folder that is gone when the work is, also after an error.
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn create(target: &Path, name: &str) -> Outcome<Self> {
        let path = target.join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&path).map_err(Failure::io("create", &path))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is in the build cache, where it costs space and nothing else.
        let _ = fs::remove_dir_all(&self.0);
    }
}
