//! Where the running processes of this machine are, so that tools find them by an address.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A process that is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// Where players connect.
    pub quic: SocketAddr,
    /// Where operators connect.
    pub http: SocketAddr,
    /// A match that was open when it started, if it knows one.
    #[serde(rename = "match")]
    pub match_id: Option<u64>,
    /// The process.
    pub pid: u32,
    /// Its folder, absolute.
    pub data: PathBuf,
    /// The key that signs join tokens, absolute.
    pub token_key: PathBuf,
}

/// Removed from the registry when dropped.
pub(crate) struct Registered(Vec<PathBuf>);

impl Drop for Registered {
    fn drop(&mut self) {
        for path in &self.0 {
            if let Err(error) = fs::remove_file(path) {
                tracing::debug!(path = %path.display(), %error, "the registry keeps a stale entry");
            }
        }
    }
}

/// Says where a process is; `name` is that of its file in its folder.
pub(crate) fn register(running: &Running, name: &str) -> Result<Registered, String> {
    let folder = folder()?;
    let paths = vec![folder.join(format!("{}.json", running.quic.port())), running.data.join(name)];
    let text = serde_json::to_vec_pretty(running).map_err(|error| error.to_string())?;
    for path in &paths {
        snapshots::write_file(path, &text).map_err(|error| error.to_string())?;
    }
    Ok(Registered(paths))
}

/// The process that players reach at an address.
#[must_use]
pub fn find_by_quic(address: SocketAddr) -> Option<Running> {
    let path = folder().ok()?.join(format!("{}.json", address.port()));
    read(&path).filter(|running| running.quic.port() == address.port() && address.ip().is_loopback())
}

/// The process that runs on a data folder.
#[must_use]
pub fn find_by_data(data: &Path) -> Option<Running> {
    read(&data.join("dev.json")).or_else(|| read(&data.join("edge.json")))
}

/// The process that operators reach at an address.
#[must_use]
pub fn find_by_http(address: SocketAddr) -> Option<Running> {
    let entries = fs::read_dir(folder().ok()?).ok()?;
    entries.flatten().filter_map(|entry| read(&entry.path())).find(|running| running.http == address)
}

fn read(path: &Path) -> Option<Running> {
    let running: Running = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    is_alive(running.pid).then_some(running)
}

fn is_alive(pid: u32) -> bool {
    // A zombie has ended, whatever its number says.
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'))
}

/// A folder of this user alone: what stands there says which keys to use.
pub(crate) fn folder() -> Result<PathBuf, String> {
    let uid = fs::metadata("/proc/self").map_err(|error| format!("/proc: {error}"))?.uid();
    // It is set in many containers where nobody made the folder.
    let base = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|base| base.is_dir());
    let base = base.unwrap_or_else(std::env::temp_dir);
    let folder = base.join(format!("worldlog-{uid}"));
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(error)),
        _ => {}
    }
    let found = fs::symlink_metadata(&folder).map_err(failed)?;
    if found.uid() == uid && found.is_dir() {
        Ok(folder)
    } else {
        Err(format!("{} belongs to somebody else; set XDG_RUNTIME_DIR to a folder of yours", folder.display()))
    }
}
