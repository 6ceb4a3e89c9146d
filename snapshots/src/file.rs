//! Files that are replaced whole or not at all.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;

use crate::FileError;

fn failed<'a>(path: &'a Path, operation: &'static str) -> impl FnOnce(std::io::Error) -> FileError + 'a {
    move |source| FileError::Io { path: path.to_owned(), operation, source }
}

/// Reads a file.
///
/// # Errors
/// When the system refuses.
pub fn read_file(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(failed(path, "reading"))
}

/// Writes a file so that after any crash it is there whole, as it was before, or not at all: a
/// temporary file beside it is synced and takes its name, then the folder is synced.
///
/// # Errors
/// When the system refuses; what was there before is untouched.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let written = File::create(&fresh).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(source) = written {
        // The disk may be full: what was begun only takes room.
        let _ = fs::remove_file(&fresh);
        return Err(FileError::Io { path: fresh, operation: "writing", source });
    }
    fs::rename(&fresh, path).map_err(failed(path, "renaming the finished file"))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed(folder, "syncing the folder"))
}
