//! Where the repository and its build cache are, and how a child process is started.

use crate::failure::{Failure, Outcome};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The repository that the chore works on.
pub(crate) struct Workspace {
    root: PathBuf,
    target: PathBuf,
    target_is_ours: bool,
}

impl Workspace {
    /// Finds the repository above the current directory.
    ///
    /// Not through a path compiled in: clones share one build cache, and with it this very program.
    pub(crate) fn find() -> Outcome<Self> {
        let here = env::current_dir().map_err(Failure::io("read", Path::new(".")))?;
        let root = here
            .ancestors()
            .find(|folder| folder.join("xtask/Cargo.toml").is_file())
            .ok_or_else(|| {
                Failure::failed("no Worldlog repository here or above; run this inside a clone of the repository")
            })?
            .to_owned();
        let chosen = env::var_os("CARGO_TARGET_DIR").filter(|path| !path.is_empty());
        let target_is_ours = chosen.is_none();
        let target = match chosen {
            // Cargo reads a relative one from where it is started, which for its children is the root.
            Some(path) => here.join(path),
            None => cache_folder(env::var_os("XDG_CACHE_HOME"), env::var_os("HOME"))?.join("worldlog/target"),
        };
        Ok(Self { root, target, target_is_ours })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Returns where cargo builds, here and in children; flatc is kept there too.
    pub(crate) fn target(&self) -> &Path {
        &self.target
    }

    /// Returns where other tools' downloads are kept: beside the build cache, unless that was chosen.
    pub(crate) fn cache(&self) -> &Path {
        self.target.parent().unwrap_or(&self.target)
    }

    /// Returns a command that starts in the root with the build cache of this workspace.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Returns cargo: the one that started this program, so that both are of the same toolchain.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        command
    }

    /// Returns the line that repeats `command` by hand, with the same build cache.
    pub(crate) fn by_hand(&self, command: &str) -> String {
        if self.target_is_ours && command.starts_with("cargo ") && !command.starts_with("cargo xtask") {
            return format!("CARGO_TARGET_DIR={} {command}", self.target.display());
        }
        command.to_owned()
    }
}

/// Returns the folder for caches: a fresh clone finds there what another has built.
fn cache_folder(xdg: Option<OsString>, home: Option<OsString>) -> Outcome<PathBuf> {
    let set = |value: Option<OsString>| value.filter(|path| !path.is_empty()).map(PathBuf::from);
    set(xdg).or_else(|| set(home).map(|home| home.join(".cache"))).ok_or_else(|| {
        Failure::failed("no place for the build cache: set CARGO_TARGET_DIR (or XDG_CACHE_HOME, or HOME) to a folder")
    })
}

/// Runs to the end with the output passing through; says what to rerun when it fails.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let status = command.status().map_err(|error| not_started(command, &error))?;
    if status.success() { Ok(()) } else { Err(Failure::failed(format!("{}: {status}", shown(command)))) }
}

/// Runs to the end and returns what was printed.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let done = command.stdin(Stdio::null()).output().map_err(|error| not_started(command, &error))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = [done.stderr, done.stdout].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()).join("\n");
    Err(Failure::failed(format!("{}: {}\n{}", shown(command), done.status, said.trim())))
}

/// Tells whether a program is there to be started.
pub(crate) fn is_installed(program: &str) -> bool {
    let quiet = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

fn not_started(command: &Command, error: &std::io::Error) -> Failure {
    let program = command.get_program().to_string_lossy();
    Failure::failed(format!("cannot start {program}: {error}; install it or put it on the PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cache_is_below_xdg_cache_home_or_else_below_home() {
        let folder = |xdg: Option<&str>, home: Option<&str>| {
            cache_folder(xdg.map(OsString::from), home.map(OsString::from)).ok()
        };
        assert_eq!(folder(Some("/x"), Some("/h")), Some("/x".into()));
        assert_eq!(folder(Some(""), Some("/h")), Some("/h/.cache".into()));
        assert_eq!(folder(None, Some("/h")), Some("/h/.cache".into()));
        assert_eq!(folder(None, None), None);
    }
}
