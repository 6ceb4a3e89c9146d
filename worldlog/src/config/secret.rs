//! The secret that members and edges share.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use super::{ClusterSection, ConfigError};

/// Length of the secret in bytes; the file has it as hexadecimal digits.
pub const SECRET_BYTES: usize = 32;

impl ClusterSection {
    /// Reads the secret.
    ///
    /// # Errors
    /// When the file is not there, readable by others, or holds something else.
    pub fn read_secret(&self) -> Result<[u8; SECRET_BYTES], ConfigError> {
        read(&self.secret_file)
    }

    /// Reads the secret, and makes one where there is none. Several processes at once get the same.
    ///
    /// # Errors
    /// As [`read_secret`](Self::read_secret), and when the file cannot be written.
    pub fn make_secret(&self) -> Result<[u8; SECRET_BYTES], ConfigError> {
        make(&self.secret_file)
    }
}

fn read(path: &Path) -> Result<[u8; SECRET_BYTES], ConfigError> {
    let wrong = |wanted: &str| ConfigError::Invalid {
        name: format!("cluster.secret_file {}", path.display()),
        found: "not that".to_owned(),
        wanted: wanted.to_owned(),
    };
    let failed = |source| ConfigError::Secret { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.mode() & 0o077 != 0 {
        return Err(wrong("readable by its owner alone: chmod 600"));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    crate::cli::from_hex(text.trim()).ok_or_else(|| wrong("64 hexadecimal digits: openssl rand -hex 32"))
}

fn make(path: &Path) -> Result<[u8; SECRET_BYTES], ConfigError> {
    match read(path) {
        Err(ConfigError::Secret { source, .. }) if source.kind() == ErrorKind::NotFound => {}
        found => return found,
    }
    let failed = |source| ConfigError::Secret { path: path.to_owned(), source };
    let mut bytes = [0; SECRET_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| failed(ErrorKind::Unsupported.into()))?;
    write_once(path, crate::cli::to_hex(&bytes).as_bytes()).map_err(failed)?;
    read(path)
}

/// Writes a file for its owner alone, unless it is there: whoever comes second keeps the first one's, and nobody reads
/// half of it. Makes the folder.
pub(crate) fn write_once(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let fresh = folder.join(format!(".secret-{}-{:?}", std::process::id(), std::thread::current().id()));
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::hard_link(&fresh, path)
    });
    let _ = fs::remove_file(&fresh);
    match written {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_is_the_owners() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys").join("cluster.secret");
        assert!(matches!(read(&path), Err(ConfigError::Secret { .. })));
        let begin = std::sync::Barrier::new(4);
        let made: Vec<_> = std::thread::scope(|scope| {
            let make = || {
                begin.wait();
                make(&path).unwrap()
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(make)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(made.iter().all(|secret| *secret == made[0] && *secret != [0; SECRET_BYTES]), "all know the same");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path().join("keys")).unwrap().count(), 1);
    }

    #[test]
    fn a_secret_that_others_can_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cluster.secret");
        let secret = make(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(make(&path).unwrap_err().to_string().contains("chmod 600"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(make(&path).unwrap(), secret);
        fs::write(&path, "password").unwrap();
        assert!(make(&path).unwrap_err().to_string().contains("64 hexadecimal digits"));
    }
}
