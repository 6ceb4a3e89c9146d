//! `CODEGEN.lock`: checksums of the schemas and of what was made from them.
//!
//! Lets `cargo xtask test` notice a schema edited without `codegen` (or generated code edited by hand)
//! on a machine that has neither flatc nor cmake. Not a defence: whoever edits both edits the lock.
//!
//! ```text
//! # comment
//! flatc 25.12.19
//! <XXH3 of 128 bits, hex> <path from the root, with />
//! ```

use crate::flatc;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_128;

/// Path from the repository's root, to the file's bytes.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

const HEAD: &str = "\
# Written by `cargo xtask codegen`: checksums of the schemas and of the files made from them.
# When a merge conflicts here, take either side and run it again.
";

/// Returns the text of the lock for these files.
pub(crate) fn write(files: &Files) -> String {
    let mut text = format!("{HEAD}flatc {}\n", flatc::VERSION);
    for (path, bytes) in files {
        text += &format!("{:032x} {path}\n", xxh3_128(bytes));
    }
    text
}

/// Returns what differs between the lock and these files, a line each; empty when nothing does.
pub(crate) fn differences(lock: &str, files: &Files) -> Vec<String> {
    let mut listed: BTreeMap<&str, &str> = lock
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .map(|(a, b)| (b, a))
        .collect();
    let mut found = Vec::new();
    if listed.remove(flatc::VERSION) != Some("flatc") {
        found.push(format!("the lock is not of flatc {}", flatc::VERSION));
    }
    for (path, bytes) in files {
        match listed.remove(path.as_str()) {
            Some(sum) if sum == format!("{:032x}", xxh3_128(bytes)) => {}
            Some(_) => found.push(format!("{path}: changed")),
            None => found.push(format!("{path}: new")),
        }
    }
    found.extend(listed.keys().map(|path| format!("{path}: gone")));
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> Files {
        [("a/s.fbs", "table A {}"), ("a/s_generated.rs", "mod a {}")].map(|(p, b)| (p.into(), b.into())).into()
    }

    #[test]
    fn lock_agrees_with_the_files_it_was_written_for() {
        assert_eq!(differences(&write(&files()), &files()), Vec::<String>::new());
    }

    #[test]
    fn changed_new_and_gone_files_are_each_named() {
        let lock = write(&files());
        let mut later = files();
        later.insert("a/s.fbs".into(), b"table B {}".into());
        later.insert("a/t.fbs".into(), b"table T {}".into());
        later.remove("a/s_generated.rs");
        assert_eq!(differences(&lock, &later), ["a/s.fbs: changed", "a/t.fbs: new", "a/s_generated.rs: gone"]);
    }

    #[test]
    fn lock_of_another_flatc_is_reported() {
        let lock = write(&files()).replace(flatc::VERSION, "1.2.3");
        assert!(!differences(&lock, &files()).is_empty());
    }
}
