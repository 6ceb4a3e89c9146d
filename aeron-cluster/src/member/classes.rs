//! The jar's classes as Java maps them into a process: its archive for class data sharing.
//!
//! Half of the work of a Java process that starts is to read and check its classes. That is done once for a user, beside
//! whatever else goes on, and processes that start later are given the outcome. None of them depends on it: one that finds
//! no file, or that of another Java, starts as it would without. The file is good for one Java and one jar, whose marks are
//! in its name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant, UNIX_EPOCH};

use super::process::{Process, end_of};
use super::settings::fnv1a;

/// Of the file's name, and of what comes about on the way to it.
const PREFIX: &str = "classes-";
/// The work of two seconds gets no core while others want it.
const MAKING_MAX: Duration = Duration::from_secs(120);

/// The file for a jar and a Java that says this of its version, whether it is there or not.
pub(super) fn file_in(folder: &Path, jar: &Path, java_says: &[u8]) -> Option<PathBuf> {
    // What Java compares before it uses the file.
    let found = fs::metadata(jar).ok()?;
    let changed = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    let about = format!("{} {} {}", std::path::absolute(jar).ok()?.display(), found.len(), changed.as_nanos());
    let mark = fnv1a(&[about.as_bytes(), java_says].concat());
    let file = folder.join(format!("{PREFIX}{mark:016x}.jsa"));
    // Java would take it for two files.
    Some(file).filter(|file| !file.as_os_str().as_encoded_bytes().contains(&b':'))
}

/// Makes the file unless it is there or somebody else is at it. The last one, of another Java or jar, goes.
pub(super) fn make(java: &Path, jar: &Path, file: &Path) -> io::Result<()> {
    let folder = file.parent().ok_or(io::ErrorKind::InvalidInput)?;
    fs::create_dir_all(folder)?;
    let lock = File::create(folder.join("classes.lock"))?;
    if file.exists() || lock.try_lock().is_err() {
        return Ok(());
    }
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            fs::remove_file(entry.path())?;
        }
    }
    let at = |name: &str| folder.join(format!("{PREFIX}{name}"));
    let (list, log, fresh) = (at("list"), at("log"), at("fresh"));
    fs::write(&list, wanted(java, jar)?)?;
    let mut command = Command::new("nice");
    command.args(["-n", "19"]).arg(java).args(["-Xshare:dump", "-XX:+UseSerialGC", "-Xmx256m"]);
    command.arg(format!("-XX:SharedClassListFile={}", list.display()));
    command.arg(format!("-XX:SharedArchiveFile={}", fresh.display())).arg("-cp").arg(jar);
    let mut process = Process::spawn(command, &log)?;
    let status = process.wait(Instant::now() + MAKING_MAX)?;
    if !status.success() {
        return Err(io::Error::other(format!("java -Xshare:dump {}: {}", end_of(status), process.last_words(3))));
    }
    // Java does not survive a file that is shorter than it says.
    File::open(&fresh)?.sync_all()?;
    fs::rename(&fresh, file)?;
    fs::remove_file(&list)?;
    fs::remove_file(&log)
}

/// What goes into the file: the classes that this Java itself would have in it, and all of the jar.
fn wanted(java: &Path, jar: &Path) -> io::Result<String> {
    let mut command = Command::new(java);
    let output = command.args(["-XshowSettings:properties", "-version"]).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let home = said.lines().find_map(|line| line.trim().strip_prefix("java.home = "));
    let home = home.ok_or_else(|| io::Error::other("this Java does not say where it is"))?;
    let mut list = fs::read_to_string(Path::new(home).join("lib").join("classlist"))?;
    let jar = fs::read(jar)?;
    let names = class_names(&jar).ok_or_else(|| io::Error::other("the jar has no directory that can be read"))?;
    list.extend(names.iter().flat_map(|name| [name, "\n"]));
    Ok(list)
}

/// Names of the classes in a jar, from the directory at its end:
///
/// ```text
/// entry  0 "PK\1\2"   28 length of name:u16   30 of extra:u16   32 of comment:u16   46 name, extra, comment
/// end    0 "PK\5\6"   10 entries:u16          16 where the first one is:u32
/// ```
fn class_names(jar: &[u8]) -> Option<Vec<&str>> {
    let half = |at: usize| Some(usize::from(u16::from_le_bytes(*jar.get(at..)?.first_chunk()?)));
    let end = jar.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let mut at = u32::from_le_bytes(*jar.get(end + 16..)?.first_chunk()?) as usize;
    let mut names = Vec::new();
    for _ in 0..half(end + 10)? {
        if !jar.get(at..)?.starts_with(b"PK\x01\x02") {
            return None;
        }
        let (name, extra, comment) = (half(at + 28)?, half(at + 30)?, half(at + 32)?);
        let text = std::str::from_utf8(jar.get(at + 46..at + 46 + name)?).ok()?;
        // Descriptions of modules and packages are no classes.
        names.extend(text.strip_suffix(".class").filter(|name| !name.ends_with("-info")));
        at += 46 + name + extra + comment;
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::super::java::Java;
    use super::*;

    /// A jar of empty files, as far as its directory goes.
    fn jar_of(names: &[&str]) -> Vec<u8> {
        let mut jar = b"PK\x03\x04 what the entries hold".to_vec();
        let first = jar.len() as u32;
        for name in names {
            let mut entry = [0; 46];
            entry[..4].copy_from_slice(b"PK\x01\x02");
            entry[28..30].copy_from_slice(&(name.len() as u16).to_le_bytes());
            entry[30..32].copy_from_slice(&3_u16.to_le_bytes());
            jar.extend([&entry[..], name.as_bytes(), b"xxx"].concat());
        }
        let mut end = [0; 22];
        end[..4].copy_from_slice(b"PK\x05\x06");
        end[10..12].copy_from_slice(&(names.len() as u16).to_le_bytes());
        end[16..20].copy_from_slice(&first.to_le_bytes());
        jar.extend(end);
        jar
    }

    #[test]
    fn the_classes_of_a_jar_are_those_in_its_directory() {
        let jar = jar_of(&["META-INF/MANIFEST.MF", "io/A.class", "io/A$B.class", "io/package-info.class", "C.class"]);
        assert_eq!(class_names(&jar), Some(vec!["io/A", "io/A$B", "C"]));
    }

    #[test]
    fn bytes_that_are_no_jar_have_no_classes_and_do_no_harm() {
        let jar = jar_of(&["io/A.class", "io/B.class"]);
        // What follows the last field that is read may be missing.
        assert!((0..jar.len() - 2).all(|length| class_names(&jar[..length]).is_none()));
        for index in 0..jar.len() {
            let mut damaged = jar.clone();
            damaged[index] ^= 0xff;
            let _ = class_names(&damaged);
        }
    }

    #[test]
    fn another_java_or_jar_has_another_file() {
        let folder = tempfile::tempdir().unwrap();
        let jar = folder.path().join("a.jar");
        fs::write(&jar, "one").unwrap();
        let file = |java: &str| file_in(folder.path(), &jar, java.as_bytes()).unwrap();
        let first = file("17");
        assert_eq!(first, file("17"));
        assert_ne!(first, file("21"));
        fs::write(&jar, "three").unwrap();
        assert_ne!(first, file("17"));
    }

    #[test]
    fn a_java_process_takes_the_classes_of_the_jar_from_what_was_made() {
        let folder = tempfile::tempdir().unwrap();
        let found = Java::find().unwrap_or_else(|error| panic!("{error}"));
        fs::write(folder.path().join("classes-of-another-java.jsa"), "old").unwrap();
        let file = folder.path().join("classes-0.jsa");
        make(&found.java, &found.jar, &file).unwrap();
        let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 2, "the file and the lock: {names:?}");
        let mut command = Java { classes: Some(file), ..found }.run("io.aeron.cluster.ClusterTool", 64, &[]);
        let output = command.env("JDK_JAVA_OPTIONS", "-Xlog:class+load").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let line = said.lines().find(|line| line.contains("io.aeron.cluster.ClusterTool ")).unwrap();
        assert!(line.contains("shared objects file"), "{line}");
    }
}
