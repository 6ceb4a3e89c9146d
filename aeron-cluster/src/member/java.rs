//! The Java part: the jar, the `java` that runs it, and the command line of a member.
//!
//! The jar is looked for in `WORLDLOG_AERON_JAR`, then in the cache of this user; when it is in neither, Maven fetches
//! what `pom.xml` pins.

use std::ffi::OsStr;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use thiserror::Error;

use super::classes;
use super::settings::MemberConfig;

/// The version of Aeron whose protocols this crate speaks, and which `pom.xml` pins.
pub const AERON_VERSION: &str = "1.51.0";
/// Aeron 1.51 is built for it.
const JAVA_VERSION_MIN: u32 = 17;
/// Names a jar that is there already.
const JAR_VARIABLE: &str = "WORLDLOG_AERON_JAR";
const POM: &str = include_str!("../../pom.xml");

/// Why the Java part cannot run. The text says which command mends it.
#[derive(Debug, Error)]
pub enum JavaError {
    /// `WORLDLOG_AERON_JAR` is wrong.
    #[error("{JAR_VARIABLE} names {}, which is no jar; set it to aeron-all-{AERON_VERSION}.jar or unset it", .0.display())]
    NoSuchJar(PathBuf),
    /// The jar is not there and cannot be fetched.
    #[error(
        "Maven (mvn) is missing, which fetches aeron-all {AERON_VERSION}: apt-get install maven, or set {JAR_VARIABLE} to the jar"
    )]
    NoMaven,
    /// Maven could not fetch it.
    #[error(
        "Maven did not fetch aeron-all {AERON_VERSION} ({status}): {said}; try again with a network, or set {JAR_VARIABLE} to the jar"
    )]
    Maven {
        /// Its exit.
        status: String,
        /// Its last words.
        said: String,
    },
    /// There is no Java.
    #[error("Java is missing: apt-get install openjdk-17-jre-headless, or set JAVA_HOME")]
    NoJava,
    /// There is a Java that does not do.
    #[error(
        "{} is Java {found}, and Aeron needs {JAVA_VERSION_MIN} or newer: apt-get install openjdk-17-jre-headless, or set JAVA_HOME",
        java.display()
    )]
    OldJava {
        /// The one that was found.
        java: PathBuf,
        /// What it says of itself.
        found: String,
    },
    /// There is no place to keep the jar.
    #[error("there is no folder for the jar: set XDG_CACHE_HOME or HOME, or {JAR_VARIABLE} to the jar")]
    NoCache,
    /// The cache cannot be written, or a program not run.
    #[error("{what}: {source}")]
    Io {
        /// File or program.
        what: String,
        /// From the system.
        #[source]
        source: std::io::Error,
    },
}

/// A Java that can run Aeron.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Java {
    /// The program.
    pub java: PathBuf,
    /// Aeron.
    pub jar: PathBuf,
    /// Where [`prepare`](Self::prepare) keeps the jar's classes as this Java maps them, if there is a place.
    pub classes: Option<PathBuf>,
}

impl Java {
    /// Finds both, and fetches the jar if need be, which takes up to a minute the first time.
    ///
    /// # Errors
    /// See [`JavaError`].
    pub fn find() -> Result<Self, JavaError> {
        let (java, said) = java()?;
        let jar = jar()?;
        let classes = cache().and_then(|folder| classes::file_in(&folder, &jar, said.as_bytes()));
        Ok(Self { java, jar, classes })
    }

    /// Lets processes that start later start sooner, as soon as that has been prepared: a thread sees to it if nobody has
    /// before, for this user, jar and Java. Without it nothing is missing but that time.
    pub fn prepare(&self) {
        let Self { java, jar, classes: Some(classes) } = self.clone() else { return };
        let make = move || {
            if let Err(error) = classes::make(&java, &jar, &classes) {
                tracing::debug!(%error, "Java processes start without prepared classes");
            }
        };
        drop(std::thread::Builder::new().name("classes".to_owned()).spawn(make));
    }

    /// The command that runs a member from its file of properties.
    #[must_use]
    pub fn member(&self, config: &MemberConfig) -> Command {
        self.run(
            "io.aeron.cluster.ClusteredMediaDriver",
            config.heap_mib,
            &[config.directories.properties().as_os_str()],
        )
    }

    /// The command that runs one of Aeron's programs, as `io.aeron.cluster.ClusterTool`.
    #[must_use]
    pub fn run(&self, class: &str, heap_mib: u32, arguments: &[&OsStr]) -> Command {
        let mut command = Command::new(&self.java);
        // Aeron reaches into these: Unsafe, selectors, and checksums over memory outside of the heap.
        for opened in ["jdk.internal.misc", "sun.nio.ch", "java.util.zip"] {
            command.arg("--add-opens").arg(format!("java.base/{opened}=ALL-UNNAMED"));
        }
        command
            .arg(format!("-Xmx{heap_mib}m"))
            // The heap is small and garbage rare; other collectors bring threads and memory of their own.
            .arg("-XX:+UseSerialGC")
            // Statistics in a mapped file of /tmp, whose disk could stall a safepoint.
            .arg("-XX:-UsePerfData")
            .arg("-XX:+ExitOnOutOfMemoryError");
        if let Some(classes) = self.classes.as_ref().filter(|classes| classes.exists()) {
            command.arg(format!("-XX:SharedArchiveFile={}", classes.display()));
        }
        command.arg("-cp").arg(&self.jar).arg(class).args(arguments);
        command
    }
}

/// The first Java of JAVA_HOME and PATH, if it is new enough, and what it says of its version.
fn java() -> Result<(PathBuf, String), JavaError> {
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin").join("java"));
    let java = home.filter(|java| java.is_file()).unwrap_or_else(|| PathBuf::from("java"));
    let output = Command::new(&java).arg("-version").stdin(Stdio::null()).output();
    let output = output.map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => JavaError::NoJava,
        _ => JavaError::Io { what: java.display().to_string(), source },
    })?;
    let said = String::from_utf8_lossy(&output.stderr);
    match version(&said) {
        Some(found) if found >= JAVA_VERSION_MIN => Ok((java, said.into_owned())),
        Some(found) => Err(JavaError::OldJava { java, found: found.to_string() }),
        None => Err(JavaError::OldJava { java, found: format!("{:?}", said.lines().next().unwrap_or_default()) }),
    }
}

/// The number before the first dot of `version "17.0.15"`; what was called 1.8 is 8.
fn version(said: &str) -> Option<u32> {
    let quoted = said.split('"').nth(1)?;
    let mut numbers = quoted.split(|letter: char| !letter.is_ascii_digit()).map(str::parse::<u32>);
    match numbers.next()?.ok()? {
        1 => numbers.next()?.ok(),
        first => Some(first),
    }
}

fn jar() -> Result<PathBuf, JavaError> {
    if let Some(named) = std::env::var_os(JAR_VARIABLE).map(PathBuf::from) {
        return if is_jar(&named) { Ok(named) } else { Err(JavaError::NoSuchJar(named)) };
    }
    jar_in(&cache().ok_or(JavaError::NoCache)?, fetch)
}

/// Where the jar is kept, and what is made of it.
fn cache() -> Option<PathBuf> {
    let user = cache_of(std::env::var_os("XDG_CACHE_HOME").as_deref(), std::env::var_os("HOME").as_deref());
    Some(user?.join("worldlog").join("aeron"))
}

/// The folder for what can be fetched again; relative ones are none, as XDG has it.
fn cache_of(xdg: Option<&OsStr>, home: Option<&OsStr>) -> Option<PathBuf> {
    let absolute = |path: Option<&OsStr>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    absolute(xdg).or_else(|| Some(absolute(home)?.join(".cache")))
}

/// The jar in the cache, which `fetch` puts into the folder that it is given. Whoever comes second finds the jar of
/// the first, or replaces it by an equal one.
fn jar_in(folder: &Path, fetch: impl FnOnce(&Path) -> Result<(), JavaError>) -> Result<PathBuf, JavaError> {
    let name = format!("aeron-all-{AERON_VERSION}.jar");
    let jar = folder.join(&name);
    if is_jar(&jar) {
        return Ok(jar);
    }
    let failed = |path: &Path| {
        let what = path.display().to_string();
        move |source| JavaError::Io { what, source }
    };
    let fresh = folder.join(format!(".fetch-{}-{:?}", std::process::id(), std::thread::current().id()));
    fs::create_dir_all(&fresh).map_err(failed(&fresh))?;
    let fetched = fetch(&fresh).and_then(|()| {
        let fetched = fresh.join(&name);
        if !is_jar(&fetched) {
            return Err(JavaError::Maven { status: "done".to_owned(), said: format!("but {name} is no jar") });
        }
        fs::rename(&fetched, &jar).map_err(failed(&jar))
    });
    let cleared = fs::remove_dir_all(&fresh).map_err(failed(&fresh));
    fetched.and(cleared)?;
    Ok(jar)
}

/// Jars are archives, and begin like one.
fn is_jar(path: &Path) -> bool {
    let mut first = [0; 4];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut first)).is_ok() && first == *b"PK\x03\x04"
}

fn fetch(into: &Path) -> Result<(), JavaError> {
    let pom = into.join("pom.xml");
    fs::write(&pom, POM).map_err(|source| JavaError::Io { what: pom.display().to_string(), source })?;
    eprintln!("worldlog: fetching aeron-all {AERON_VERSION} with Maven; once only");
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode", "--file"]).arg(&pom);
    maven.arg(format!("-Dinto={}", into.display())).arg("dependency:copy").stdin(Stdio::null());
    let output = maven.output().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => JavaError::NoMaven,
        _ => JavaError::Io { what: "mvn".to_owned(), source },
    })?;
    if output.status.success() {
        return Ok(());
    }
    // It reports errors on stdout, the cause first.
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let said = said.lines().find(|line| line.contains("ERROR")).or_else(|| said.lines().next()).unwrap_or("no reason");
    Err(JavaError::Maven { status: output.status.to_string(), said: said.trim().chars().take(400).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const JAR: &[u8] = b"PK\x03\x04 and the rest";

    #[test]
    fn versions_of_old_and_new_javas_are_read() {
        assert_eq!(version("openjdk version \"17.0.15\" 2025-04-15"), Some(17));
        assert_eq!(version("openjdk version \"21\" 2023-09-19"), Some(21));
        assert_eq!(version("openjdk version \"25-ea\" 2025-09-16"), Some(25));
        assert_eq!(version("java version \"1.8.0_392\""), Some(8));
        assert_eq!(version("command not understood"), None);
    }

    #[test]
    fn a_jar_in_the_cache_is_not_fetched_again() {
        let folder = tempfile::tempdir().unwrap();
        let fetch = |into: &Path| {
            fs::write(into.join(format!("aeron-all-{AERON_VERSION}.jar")), JAR).unwrap();
            Ok(())
        };
        let jar = jar_in(folder.path(), fetch).unwrap();
        assert_eq!(fs::read(&jar).unwrap(), JAR);
        assert_eq!(jar_in(folder.path(), |_| panic!("it is there")).unwrap(), jar);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn many_may_fetch_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let begin = std::sync::Barrier::new(4);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let fetch = |into: &Path| {
                        begin.wait();
                        fs::write(into.join(format!("aeron-all-{AERON_VERSION}.jar")), JAR).unwrap();
                        Ok(())
                    };
                    assert!(is_jar(&jar_in(folder.path(), fetch).unwrap()));
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_jar_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let fetch = |into: &Path| {
            fs::write(into.join(format!("aeron-all-{AERON_VERSION}.jar")), "<html>sign in</html>").unwrap();
            Ok(())
        };
        assert!(matches!(jar_in(folder.path(), fetch), Err(JavaError::Maven { .. })));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_cache_is_where_xdg_says() {
        let path = |text: &'static str| Some(OsStr::new(text));
        assert_eq!(cache_of(path("/c"), path("/h")), Some("/c".into()));
        assert_eq!(cache_of(path("c"), path("/h")), Some("/h/.cache".into()));
        assert_eq!(cache_of(None, None), None);
    }

    #[test]
    fn the_pom_pins_the_version_that_is_spoken() {
        assert!(POM.contains(&format!("<aeron.version>{AERON_VERSION}</aeron.version>")));
    }
}
