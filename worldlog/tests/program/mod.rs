//! The built program, started and stopped as a user would.

pub(crate) mod chromium;
pub(crate) mod cluster;
pub(crate) mod namespaces;
pub(crate) mod router;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A folder of its own, and the program in it.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    /// The network that its processes have instead of the machine's.
    namespace: Option<String>,
}

/// What a verb answered.
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), namespace: None }
    }

    pub(crate) fn in_namespace(name: &str) -> Self {
        Self { namespace: Some(name.to_owned()), ..Self::new() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        const PROGRAM: &str = env!("CARGO_BIN_EXE_worldlog");
        let mut command = match &self.namespace {
            Some(name) => namespaces::command(name, PROGRAM),
            None => Command::new(PROGRAM),
        };
        // Nothing of the machine's other processes is found, nor do they find these.
        command.current_dir(self.folder.path()).env("XDG_RUNTIME_DIR", self.folder.path());
        command.env_remove("WORLDLOG_DATA").env_remove("WORLDLOG_LOG");
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a verb to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        Answer::of(self.command(arguments).output().unwrap())
    }

    /// Starts a verb and lets it run.
    pub(crate) fn spawn(&self, arguments: &[&str]) -> Running {
        Running(self.command(arguments).spawn().unwrap())
    }

    /// Starts `dev` and waits until it says that it is ready.
    pub(crate) fn dev(&self, arguments: &[&str]) -> Dev {
        self.ready(&["dev"], arguments)
    }

    /// Waits until so many players are in the match of the `dev` whose folder that is.
    pub(crate) fn await_players(&self, data: &str, count: &str) {
        let begun = Instant::now();
        loop {
            let players = self.run(&["status", "--data", data, "--json"]).object()["edge"]["players"].to_string();
            if players == count {
                return;
            }
            assert!(begun.elapsed() < router::SEND_MAX, "{players} of {count} players joined");
            std::thread::sleep(router::LOOK_EVERY);
        }
    }

    /// Starts a verb that serves, and waits until it says that it is ready.
    pub(crate) fn ready(&self, verb: &[&str], arguments: &[&str]) -> Dev {
        let all = [verb, &["--json"], arguments].concat();
        let mut child = self.command(&all).stderr(Stdio::inherit()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready: Value = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("{verb:?} ended with {:?} and said {line:?}: {error}", child.wait()));
        assert_eq!(ready["ready"], true);
        assert_eq!(ready["pid"], child.id());
        Dev { child: Running(child), stdout, ready }
    }
}

impl Answer {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let code = output.status.code().expect("it ends by itself");
        Self { code, stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The one object on stdout of a verb that did what it should.
    #[track_caller]
    pub(crate) fn object(&self) -> Value {
        assert_eq!(self.code, 0, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        self.found()
    }

    /// The one object on stdout, whatever the exit code.
    #[track_caller]
    pub(crate) fn found(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: stdout {:?}, stderr {:?}", self.stdout, self.stderr))
    }

    /// What is wrong, as told with exit code 1.
    #[track_caller]
    pub(crate) fn failure(&self) -> &str {
        assert_eq!(self.code, 1, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        &self.stderr
    }

    /// What is wrong, as told with exit code 2.
    #[track_caller]
    pub(crate) fn usage(&self) -> &str {
        assert_eq!(self.code, 2, "stdout: {}\nstderr: {}", self.stdout, self.stderr);
        &self.stderr
    }
}

/// A process that does not outlive the test.
pub(crate) struct Running(Child);

impl Running {
    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        assert!(Command::new("kill").args(["-INT", &self.0.id().to_string()]).status().unwrap().success());
    }

    /// Waits until it ends; its output goes elsewhere.
    pub(crate) fn answer_of_status(mut self) -> ExitStatus {
        self.0.wait().unwrap()
    }

    /// Waits until it ends by itself.
    pub(crate) fn answer(mut self) -> Answer {
        let mut child = std::mem::replace(&mut self.0, Command::new("true").spawn().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        // Read beside stdout, so that neither pipe fills up.
        let errors = std::thread::spawn(move || {
            let mut text = Vec::new();
            stderr.read_to_end(&mut text).map(|_| text)
        });
        let output = child.wait_with_output().unwrap();
        Answer::of(Output { stderr: errors.join().unwrap().unwrap(), ..output })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A `dev`, or another that serves, that is ready.
pub(crate) struct Dev {
    child: Running,
    stdout: BufReader<std::process::ChildStdout>,
    /// What it said.
    pub(crate) ready: Value,
}

impl Dev {
    pub(crate) fn word(&self, key: &str) -> String {
        let value = &self.ready[key];
        value.as_str().map_or_else(|| value.to_string(), str::to_owned)
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.0.kill().unwrap();
        self.child.0.wait().unwrap();
    }

    /// SIGTERM, and how it ended; what it said after it was ready.
    pub(crate) fn terminate(mut self) -> (ExitStatus, String) {
        let pid = self.child.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.0.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < Duration::from_secs(20), "it does not stop");
            std::thread::sleep(Duration::from_millis(10));
        };
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        (status, rest)
    }
}

/// As an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// One exchange: status and body. The connection is closed after it.
pub(crate) fn http(address: &str, method: &str, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    headers.iter().for_each(|(name, value)| request += &format!("{name}: {value}\r\n"));
    socket.write_all(format!("{request}content-length: 0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    (code.unwrap_or_else(|| panic!("{method} {path}: {answer:?}")), body)
}
