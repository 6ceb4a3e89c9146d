//! A page in headless Chromium, looked at by a script of `client/ts/browser` that says what it sees, an object a line.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

pub(crate) fn client_ts() -> PathBuf {
    PathBuf::from("../client/ts").canonicalize().unwrap()
}

/// What opens a page.
pub(crate) struct Tools {
    chromium: &'static str,
}

impl Tools {
    /// Says what is missing: Chromium, Node and what `cargo xtask ts` fetches are needed.
    pub(crate) fn find() -> Option<Self> {
        let runs =
            |program: &&str| Command::new(program).arg("--version").output().is_ok_and(|out| out.status.success());
        let chromium = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(runs);
        let is_fetched = client_ts().join("node_modules/playwright-core").is_dir();
        let missing = match chromium {
            None => "Chromium (`apt-get install chromium`)",
            Some(_) if !runs(&"node") => "Node 20 or newer",
            Some(_) if !is_fetched => "what npm fetches (`cargo xtask ts`)",
            Some(chromium) => return Some(Self { chromium }),
        };
        eprintln!("SKIPPED, nothing is claimed of browsers: this machine lacks {missing}");
        None
    }
}

/// A page and the script that looks at it.
pub(crate) struct Page {
    script: Child,
    stdout: BufReader<ChildStdout>,
}

impl Page {
    /// Pictures go to the folder, or to that of `WORLDLOG_SCREENSHOTS`.
    pub(crate) fn open(tools: &Tools, script: &str, url: &str, folder: &Path) -> Self {
        // Chromium asks for a path.
        let chromium = Command::new("which").arg(tools.chromium).output().unwrap().stdout;
        let chromium = String::from_utf8(chromium).unwrap();
        let keep = std::env::var_os("WORLDLOG_SCREENSHOTS").map_or_else(|| folder.to_owned(), PathBuf::from);
        let mut script = Command::new("node")
            .current_dir(client_ts())
            .args([&format!("browser/{script}"), chromium.trim(), url])
            .arg(keep)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(script.stdout.take().unwrap());
        Self { script, stdout }
    }

    /// The next thing that the script saw.
    pub(crate) fn next(&mut self) -> Value {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the script said {line:?}: {error}"))
    }

    pub(crate) fn close(mut self) {
        assert!(self.script.wait().unwrap().success());
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}
