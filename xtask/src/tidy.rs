//! Checks what compilers do not: that the tree names no machine, hides no unfinished work and has no dead links.
//!
//! The patterns are put together from halves, so that this file passes its own checks.

use crate::failure::{Failure, Outcome, only_options};
use crate::workspace::Workspace;
use crate::{markdown, tree};
use std::collections::BTreeSet;
use std::fs;

pub(crate) const DOES: &str = "check the tree: machine paths, unfinished work, long files, crate docs, dead links";

const LINES_MAX: usize = 900;

/// Beginnings of absolute paths that exist on one machine only. A user's name follows those of `HOMES`.
const ROOTS: &[&str] = &[concat!("/ro", "ot/"), concat!("/wo", "rk/"), concat!("/work", "space/")];
const HOMES: &[&str] = &[concat!("/ho", "me/"), concat!("/Us", "ers/"), concat!("\\Us", "ers\\")];

const UNFINISHED_WORDS: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME")];
const UNFINISHED_CALL: &str = concat!("todo", "!(");
const IGNORED: &str = concat!("#[ig", "nore");

pub(crate) fn run(workspace: &Workspace, arguments: &[String]) -> Outcome {
    only_options(arguments, &[])?;
    let paths = tree::tracked(workspace)?;
    let known: BTreeSet<&str> = paths.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    for path in &paths {
        let file = workspace.root().join(path);
        let bytes = fs::read(&file).map_err(Failure::io("read", &file))?;
        found.extend(problems(path, &bytes, &known).into_iter().map(|problem| format!("{path}{problem}")));
    }
    if found.is_empty() {
        println!("{} files are tidy", paths.len());
        return Ok(());
    }
    Err(Failure::failed(format!("{} things to tidy:\n  {}", found.len(), found.join("\n  "))))
}

/// Returns what is wrong with one file, each as `:line: what`.
fn problems(path: &str, bytes: &[u8], known: &BTreeSet<&str>) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut found = Vec::new();
    let made = is_made_by_a_tool(path, &text);
    let binary = bytes.contains(&0);
    for (number, line) in (1..).zip(text.lines()) {
        if names_a_machine(line) {
            found.push(format!(":{number}: a path of one machine; make it relative or a setting"));
        }
        if !made && !binary {
            found.extend(unfinished(line).map(|what| format!(":{number}: {what}")));
        }
    }
    if !made && !binary && text.lines().count() > LINES_MAX {
        found.push(format!(": {} lines, more than {LINES_MAX}; split it by question", text.lines().count()));
    }
    if path.ends_with("src/lib.rs") && !text.starts_with("//!") {
        found.push(":1: a crate begins with `//!`: what it is responsible for, and what not".into());
    }
    if path.ends_with(".md") {
        found.extend(markdown::dead_links(path, &text, known));
    }
    found
}

fn is_made_by_a_tool(path: &str, text: &str) -> bool {
    let head = || text.lines().take(3).any(|line| line.contains("@generated") || line.contains("do not edit"));
    path.ends_with(".lock")
        || path.ends_with("package-lock.json")
        || path.split('/').any(|part| part == "generated")
        || head()
}

fn names_a_machine(line: &str) -> bool {
    ROOTS.iter().any(|root| absolute(line, root).next().is_some())
        || HOMES.iter().any(|home| {
            absolute(line, home).any(|rest| rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
        })
}

/// Returns what follows `start` wherever it begins a path; inside one, as in `src/<start>`, it does not.
fn absolute<'a>(line: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
    line.match_indices(start).filter_map(move |(at, _)| {
        let inside = |c: char| c.is_alphanumeric() || "._-})>]*~".contains(c);
        (!line[..at].ends_with(inside)).then(|| &line[at + start.len()..])
    })
}

fn unfinished(line: &str) -> Option<&'static str> {
    if UNFINISHED_WORDS.iter().any(|word| has_word(line, word)) || line.contains(UNFINISHED_CALL) {
        return Some("unfinished work; finish it or file an issue");
    }
    let ignored = line.trim_start().strip_prefix(IGNORED)?;
    (!ignored.trim_start().starts_with('=')).then_some("a test ignored without a reason; give one, as `= \"why\"`")
}

fn has_word(line: &str, word: &str) -> bool {
    let joins = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(joins) && !line[at + word.len()..].starts_with(joins))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        problems(path, text.as_bytes(), &BTreeSet::new())
    }

    #[test]
    fn absolute_paths_of_a_machine_are_found_and_relative_ones_are_not() {
        for root in ROOTS {
            assert!(names_a_machine(&format!("see {root}x")), "{root}");
            assert!(names_a_machine(&format!("\"{root}\"")), "{root}");
            assert!(!names_a_machine(&format!("src{root}x")), "{root}");
            assert!(!names_a_machine(&format!("${{base}}{root}x")), "{root}");
        }
        for home in HOMES {
            assert!(names_a_machine(&format!("cd {home}ann")), "{home}");
            assert!(!names_a_machine(&format!("cd {home}<user>")), "{home}");
        }
    }

    #[test]
    fn unfinished_work_is_found_as_a_word() {
        for word in UNFINISHED_WORDS {
            assert!(unfinished(&format!("// {word}: later")).is_some(), "{word}");
            assert!(unfinished(&format!("{word}S and MY_{word}")).is_none(), "{word}");
        }
        assert!(unfinished(&format!("    {UNFINISHED_CALL})")).is_some());
    }

    #[test]
    fn ignored_test_needs_a_reason() {
        assert!(unfinished(&format!("    {IGNORED}]")).is_some());
        assert!(unfinished(&format!("    {IGNORED} = \"needs two machines\"]")).is_none());
    }

    #[test]
    fn long_file_is_reported_unless_a_tool_made_it() {
        let long = "x\n".repeat(LINES_MAX + 1);
        assert_eq!(check("a/b.rs", &long).len(), 1);
        assert_eq!(check("a/b.rs", &"x\n".repeat(LINES_MAX)), Vec::<String>::new());
        assert_eq!(check("a/generated/b.rs", &long), Vec::<String>::new());
        assert_eq!(check("Cargo.lock", &long), Vec::<String>::new());
        assert_eq!(check("a/b.rs", &format!("// @generated\n{long}")), Vec::<String>::new());
    }

    #[test]
    fn crate_begins_with_its_doc() {
        assert_eq!(check("a/src/lib.rs", "use std::fs;\n").len(), 1);
        assert_eq!(check("a/src/lib.rs", "//! The a.\n"), Vec::<String>::new());
    }
}
