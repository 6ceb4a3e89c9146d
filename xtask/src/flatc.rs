//! The FlatBuffers compiler: found if it was built before, else built from the source that cargo fetched.

use crate::failure::{Failure, Outcome};
use crate::workspace::{self, Workspace};
use std::env;
use std::path::{Path, PathBuf};
use std::thread::available_parallelism;

/// Equals the `flatbuffers` crate of the root `Cargo.toml`: generated code refuses another runtime.
pub(crate) const VERSION: &str = "25.12.19";

/// Returns a flatc of exactly [`VERSION`], building it when there is none.
pub(crate) fn obtain(workspace: &Workspace) -> Outcome<PathBuf> {
    if let Some(given) = given() {
        return check_version(&given).map(|()| given);
    }
    let folder = build_folder(workspace);
    let built = folder.join("flatc");
    if !built.is_file() {
        build(workspace, &folder)?;
    }
    check_version(&built).map(|()| built)
}

/// Tells whether [`obtain`] returns at once.
pub(crate) fn is_at_hand(workspace: &Workspace) -> bool {
    given().is_some() || build_folder(workspace).join("flatc").is_file()
}

fn given() -> Option<PathBuf> {
    env::var_os("WORLDLOG_FLATC").filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn build_folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join(format!("flatc-{VERSION}"))
}

fn check_version(flatc: &Path) -> Outcome {
    let said = workspace::output(std::process::Command::new(flatc).arg("--version"))?;
    let expected = format!("flatc version {VERSION}");
    if said.trim() == expected {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} says `{}`, but the code must come from `{expected}`; unset WORLDLOG_FLATC or delete that file",
        flatc.display(),
        said.trim()
    )))
}

fn build(workspace: &Workspace, folder: &Path) -> Outcome {
    if !workspace::is_installed("cmake") {
        return Err(Failure::failed(
            "flatc must be built once and cmake is missing; install it: `apt-get install cmake g++` or `brew install cmake`",
        ));
    }
    let source = source(workspace)?;
    println!("building flatc {VERSION}; this takes minutes, once");
    // Without optimization: it compiles a few schemas, and is built four times as fast.
    workspace::run(workspace.command("cmake").arg("-S").arg(source).arg("-B").arg(folder).args([
        "-DCMAKE_BUILD_TYPE=Release",
        "-DCMAKE_CXX_FLAGS_RELEASE=-O0",
        "-DFLATBUFFERS_BUILD_TESTS=OFF",
        "-DFLATBUFFERS_BUILD_FLATLIB=OFF",
        "-DFLATBUFFERS_BUILD_FLATHASH=OFF",
    ]))?;
    let jobs = available_parallelism().map_or(1, usize::from).to_string();
    workspace::run(workspace.command("cmake").arg("--build").arg(folder).args([
        "--target",
        "flatc",
        "--parallel",
        &jobs,
    ]))
}

/// Returns the folder of Google's source inside the pinned package.
fn source(workspace: &Workspace) -> Outcome<PathBuf> {
    let mut cargo = workspace.cargo(&["metadata", "--format-version", "1", "--locked", "--manifest-path"]);
    let said = workspace::output(cargo.arg("xtask/flatc/Cargo.toml"))?;
    let manifest = pinned_manifest(&said)
        .ok_or_else(|| Failure::failed("xtask/flatc/Cargo.toml no longer pins `flatc-fork`; restore that line"))?;
    let source = manifest.with_file_name("flatbuffers");
    if source.join("CMakeLists.txt").is_file() {
        return Ok(source);
    }
    Err(Failure::failed(format!(
        "{} has no CMakeLists.txt; delete the package there and run this again",
        source.display()
    )))
}

fn pinned_manifest(metadata: &str) -> Option<PathBuf> {
    let metadata: serde_json::Value = serde_json::from_str(metadata).ok()?;
    let package = metadata["packages"].as_array()?.iter().find(|package| package["name"] == "flatc-fork")?;
    package["manifest_path"].as_str().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_is_found_in_what_cargo_metadata_says() {
        let metadata = r#"{"packages":[{"name":"cc","manifest_path":"/r/cc/Cargo.toml"},
            {"name":"flatc-fork","manifest_path":"/r/flatc-fork/Cargo.toml"}]}"#;
        assert_eq!(pinned_manifest(metadata), Some("/r/flatc-fork/Cargo.toml".into()));
        assert_eq!(pinned_manifest(r#"{"packages":[]}"#), None);
    }

    #[test]
    fn version_is_that_of_the_flatbuffers_crate() {
        let manifest = include_str!("../../Cargo.toml");
        assert!(manifest.contains(&format!("flatbuffers = \"={VERSION}\"")), "the pins of crate and compiler differ");
        let pin = include_str!("../flatc/Cargo.lock");
        assert!(pin.contains(&format!("+{VERSION}\"")), "the pinned source is another release");
    }
}
