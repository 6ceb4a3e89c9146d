//! The server in a process of its own, so that what it costs can be told from what the clients cost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use worldlog::dev::{Dev, DevOptions};

use crate::world::{Extent, Points, RADIUS};

/// The world that a server plays.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) entities: u32,
    /// Of the square, in whole units.
    pub(crate) width: u32,
    /// In whole units; 0 is no interest.
    pub(crate) radius: u32,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject {
    /// An edge, whose clients take datagrams or not.
    Edge { setup: Setup, takes_datagrams: bool },
    /// Packets alone, of so many bytes.
    Floor { bytes: usize },
}

impl Subject {
    /// Verb and arguments of its server, behind the folder.
    fn arguments(self) -> (&'static str, Vec<String>) {
        match self {
            Self::Edge { setup, .. } => {
                ("server", [setup.entities, setup.width, setup.radius].map(|number| number.to_string()).to_vec())
            }
            Self::Floor { bytes } => ("floor-server", vec![bytes.to_string()]),
        }
    }
}

/// What a server says once it listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    pub(crate) quic: SocketAddr,
    pub(crate) certificate: [u8; 32],
    pub(crate) match_id: u64,
    pub(crate) token_key: PathBuf,
}

/// A server process; ends when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) listening: Listening,
}

impl Server {
    /// Starts this very program once more, as a server.
    pub(crate) fn start(subject: Subject, folder: &Path) -> Self {
        let (verb, arguments) = subject.arguments();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg(verb)
            .arg(folder)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let listening = serde_json::from_str(&line).unwrap_or_else(|error| panic!("the server said {line:?}: {error}"));
        Self { child, listening }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends when its input does; after a crash of the bench too.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The server process: FOLDER ENTITIES WIDTH RADIUS. Ends with its input.
pub(crate) fn serve(arguments: &[String]) {
    let [folder, numbers @ ..] = arguments else { panic!("server FOLDER ENTITIES WIDTH RADIUS") };
    let numbers: Vec<u32> = numbers.iter().map(|number| number.parse().unwrap()).collect();
    let &[entities, width, radius] = &numbers[..] else { panic!("server FOLDER ENTITIES WIDTH RADIUS") };
    if radius > 0 {
        RADIUS.set(radius).unwrap();
    }
    // As the program does it.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let options = DevOptions {
            data: folder.into(),
            listen: ([127, 0, 0, 1], 0).into(),
            guests: false,
            http: ([127, 0, 0, 1], 0).into(),
            snapshot_every: Duration::from_secs(3_600),
            content: Extent::content(entities, width),
            seed: 1,
            beginning: None,
        };
        let dev = Dev::start::<Points>(options).await.unwrap();
        let listening = Listening {
            quic: dev.running().quic,
            certificate: dev.certificate_sha256(),
            match_id: dev.match_id(),
            token_key: dev.running().token_key.clone(),
        };
        let mut stdout = std::io::stdout();
        writeln!(stdout, "{}", serde_json::to_string(&listening).unwrap()).unwrap();
        stdout.flush().unwrap();
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        let _ = ended.await.unwrap();
        // Whoever is still connected is not waited for.
        let _ = tokio::time::timeout(Duration::from_secs(5), dev.stop()).await;
    });
    runtime.shutdown_background();
}
