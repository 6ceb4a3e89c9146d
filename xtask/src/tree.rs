//! The files of the repository.

use crate::failure::{Failure, Outcome};
use crate::workspace::{self, Workspace};
use std::fs;
use std::path::Path;

/// Folders that hold no source when git cannot be asked.
const NOT_SOURCE: &[&str] = &[".git", "target", "node_modules", "data", "worldlog-data"];

/// Returns the names of the files in one folder that end so, sorted; none when there is no such folder.
pub(crate) fn files_in(folder: &Path, endings: &[&str]) -> Outcome<Vec<String>> {
    let mut names = Vec::new();
    if folder.is_dir() {
        for entry in fs::read_dir(folder).map_err(Failure::io("list", folder))? {
            let name = entry.map_err(Failure::io("list", folder))?.file_name().to_string_lossy().into_owned();
            if endings.iter().any(|ending| name.ends_with(ending)) {
                names.push(name);
            }
        }
    }
    names.sort();
    Ok(names)
}

/// Returns the paths from the root of all tracked files that exist, sorted.
///
/// In a copy without its history (an archive, a container), where git knows nothing, all files are taken.
pub(crate) fn tracked(workspace: &Workspace) -> Outcome<Vec<String>> {
    let root = workspace.root();
    let mut paths = match workspace::output(workspace.command("git").args(["ls-files", "-z"])) {
        Ok(listed) => listed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect(),
        Err(_) => {
            println!("git does not know this folder: looking at every file in it");
            let mut found = Vec::new();
            walk(root, "", &mut found)?;
            found
        }
    };
    paths.retain(|path| root.join(path).is_file());
    paths.sort();
    Ok(paths)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) -> Outcome {
    for entry in fs::read_dir(folder).map_err(Failure::io("list", folder))? {
        let entry = entry.map_err(Failure::io("list", folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let kind = entry.file_type().map_err(Failure::io("look at", &entry.path()))?;
        if kind.is_file() {
            found.push(format!("{prefix}{name}"));
        } else if kind.is_dir() && !NOT_SOURCE.contains(&name.as_str()) {
            walk(&entry.path(), &format!("{prefix}{name}/"), found)?;
        }
    }
    Ok(())
}
