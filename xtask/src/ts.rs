//! Checks, tests and builds the TypeScript client and the pages that `worldlog` serves.
//!
//! The pages are checked in, so that building Worldlog needs no Node; this chore says whether they are what their
//! sources give. What npm fetches stands in the cache folder, and the package has a link to it.

use crate::codegen::Scratch;
use crate::failure::{Failure, Outcome, only_options};
use crate::workspace::{self, Workspace};
use crate::{flatc, tree};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const DOES: &str = "check and test the TypeScript client and its pages (--write: make code and pages anew)";

const PACKAGE: &str = "client/ts";
const ASSETS: &str = "assets";
/// Folders of the package, each of which becomes one of the assets.
const PAGES: &[&str] = &["play", "replay"];
/// Schemas, and the folder of the package that holds the code made from them.
const SCHEMAS: &[(&str, &str)] = &[
    ("protocol/schema/session.fbs", "src/generated"),
    ("protocol/schema/manifest.fbs", "src/generated"),
    ("arena/schema/arena.fbs", "play/generated"),
];
const MANIFEST: &str = "play/arena.manifest";
const COMPONENTS: &str = "play/components.ts";

/// Files by their path below some folder.
type Files = BTreeMap<String, Vec<u8>>;

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    only_options(arguments, &["--write"])?;
    if let Some(missing) = missing() {
        return Err(Failure::failed(missing));
    }
    fetch(workspace)?;
    let scratch = Scratch::create(workspace.target(), "ts")?;
    let writes = !arguments.is_empty();
    if writes {
        generate(workspace)?;
    }
    compare_or_write(workspace, &components(workspace)?, writes)?;
    workspace::run(npm(workspace).args(["run", "--silent", "check"]))?;
    workspace::run(npm(workspace).args(["run", "--silent", "test"]))?;
    compare_or_write(workspace, &pages(workspace, scratch.path())?, writes)?;
    println!("the TypeScript client is checked and tested, and its pages are what their sources give");
    Ok(())
}

/// What has to be installed first, with how.
pub(crate) fn missing() -> Option<String> {
    let absent = ["node", "npm"].into_iter().find(|program| !workspace::is_installed(program))?;
    Some(format!("{absent} is missing, which the TypeScript client needs; install Node 20 or newer with npm"))
}

/// Whether nothing has to come from the network.
pub(crate) fn is_fetched(workspace: &Workspace) -> Outcome<bool> {
    Ok(is_whole(&npm_folder(workspace)?))
}

/// Where what this lock names is kept.
fn npm_folder(workspace: &Workspace) -> Outcome<PathBuf> {
    let lock = read(&workspace.root().join(PACKAGE).join("package-lock.json"))?;
    Ok(workspace.cache().join(format!("npm/{:016x}", fnv(&lock))))
}

/// npm writes this file last.
fn is_whole(folder: &Path) -> bool {
    folder.join("node_modules/.package-lock.json").is_file()
}

/// Fetches what the lock names, once for each lock, and links the package to it.
fn fetch(workspace: &Workspace) -> Outcome {
    let package = workspace.root().join(PACKAGE);
    let folder = npm_folder(workspace)?;
    let fetched = folder.join("node_modules");
    if !is_whole(&folder) {
        fs::create_dir_all(&folder).map_err(Failure::io("create", &folder))?;
        for name in ["package.json", "package-lock.json"] {
            fs::copy(package.join(name), folder.join(name)).map_err(Failure::io("copy", &folder.join(name)))?;
        }
        println!("fetching what {PACKAGE}/package-lock.json names");
        let mut install = workspace.command("npm");
        workspace::run(install.current_dir(&folder).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
    }
    let link = package.join("node_modules");
    if fs::read_link(&link).is_ok_and(|to| to == fetched) {
        return Ok(());
    }
    if fs::symlink_metadata(&link).is_ok_and(|found| found.is_symlink()) {
        fs::remove_file(&link).map_err(Failure::io("remove", &link))?;
    }
    std::os::unix::fs::symlink(&fetched, &link).map_err(Failure::io("make the link", &link))
}

/// Makes the code of the schemas.
fn generate(workspace: &Workspace) -> Outcome {
    let flatc = flatc::obtain(workspace)?;
    for (schema, folder) in SCHEMAS {
        let to = workspace.root().join(PACKAGE).join(folder);
        workspace::output(workspace.command(&flatc).args(["--ts", "-o"]).arg(to).arg(schema))?;
    }
    Ok(())
}

/// The types of the arena's components, made from its manifest.
fn components(workspace: &Workspace) -> Outcome<Files> {
    let said = workspace::output(node(workspace).args(["scripts/codegen.mjs", MANIFEST]))?;
    Ok(Files::from([(format!("{PACKAGE}/{COMPONENTS}"), said.into_bytes())]))
}

/// The pages, made from their sources.
fn pages(workspace: &Workspace, scratch: &Path) -> Outcome<Files> {
    workspace::output(node(workspace).arg("scripts/build.mjs").arg(scratch))?;
    let mut made = Files::new();
    for page in PAGES {
        for name in tree::files_in(&scratch.join(page), &[".html", ".css", ".js"])? {
            made.insert(format!("{ASSETS}/{page}/{name}"), read(&scratch.join(page).join(&name))?);
        }
    }
    Ok(made)
}

fn compare_or_write(workspace: &Workspace, made: &Files, writes: bool) -> Outcome {
    for (path, bytes) in made {
        let file = workspace.root().join(path);
        if fs::read(&file).is_ok_and(|old| old == *bytes) {
            continue;
        }
        if !writes {
            let cure = "run `cargo xtask ts --write` and commit what it writes";
            return Err(Failure::failed(format!("{path} is not what its sources give; {cure}")));
        }
        let folder = file.parent().expect("a path below the root has a parent");
        fs::create_dir_all(folder).map_err(Failure::io("create", folder))?;
        fs::write(&file, bytes).map_err(Failure::io("write", &file))?;
        println!("wrote {path}");
    }
    Ok(())
}

fn npm(workspace: &Workspace) -> Command {
    let mut npm = workspace.command("npm");
    npm.current_dir(workspace.root().join(PACKAGE));
    npm
}

fn node(workspace: &Workspace) -> Command {
    let mut node = workspace.command("node");
    node.current_dir(workspace.root().join(PACKAGE));
    node
}

fn read(path: &PathBuf) -> Outcome<Vec<u8>> {
    fs::read(path).map_err(Failure::io("read", path))
}

/// A name for bytes (FNV-1a): another lock gets another folder.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
