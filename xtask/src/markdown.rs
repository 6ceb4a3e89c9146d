//! Links between the files of the tree.

use std::collections::BTreeSet;

/// Returns the links of the file at `path` that lead to no known file or folder, each as `:line: what`.
pub(crate) fn dead_links(path: &str, text: &str, known: &BTreeSet<&str>) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for (number, line) in (1..).zip(text.lines()) {
        if line.trim_start().starts_with("```") || line.trim_start().starts_with("~~~") {
            fenced = !fenced;
        } else if !fenced {
            let dead = targets(line).into_iter().filter(|target| leads_nowhere(path, target, known));
            found.extend(dead.map(|target| format!(":{number}: link to `{target}`, which is not in the repository")));
        }
    }
    found
}

/// Returns the targets of `[text](target)` and `[name]: target` outside of code.
fn targets(line: &str) -> Vec<String> {
    // The odd pieces between backticks are code.
    let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("_");
    let mut targets: Vec<String> = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'))
        .map(|(inside, _)| inside.to_owned())
        .collect();
    let definition = prose.trim_start().strip_prefix('[').filter(|rest| !rest.starts_with('^'));
    targets.extend(definition.and_then(|rest| rest.split_once("]: ")).map(|(_, target)| target.to_owned()));
    targets
        .iter()
        .filter_map(|target| target.split_whitespace().next())
        .map(|t| t.trim_matches(['<', '>']).into())
        .collect()
}

fn leads_nowhere(path: &str, target: &str, known: &BTreeSet<&str>) -> bool {
    let file = target.split(['#', '?']).next().unwrap_or_default();
    if file.is_empty() || file.contains(':') {
        return false; // a heading of the same page, or an address with its scheme
    }
    let Some(wanted) = resolve(path, file) else { return true };
    let folder = format!("{wanted}/");
    !wanted.is_empty() && !known.contains(wanted.as_str()) && !known.iter().any(|file| file.starts_with(&folder))
}

/// Returns the path from the root, or nothing when it leaves the repository.
fn resolve(path: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = match target.strip_prefix('/') {
        Some(_) => Vec::new(),
        None => path.rsplit_once('/').map_or(Vec::new(), |(folder, _)| folder.split('/').collect()),
    };
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(text: &str) -> usize {
        let known = ["README.md", "protocol/README.md", "protocol/src/lib.rs"].into();
        dead_links("protocol/README.md", text, &known).len()
    }

    #[test]
    fn link_to_a_file_or_folder_of_the_tree_is_alive() {
        assert_eq!(dead("[a](src/lib.rs) [b](../README.md#top) [c](src) [d](/protocol/) [e](..)"), 0);
        assert_eq!(dead("[name]: src/lib.rs"), 0);
    }

    #[test]
    fn link_to_nothing_is_dead() {
        assert_eq!(dead("[a](src/main.rs) and ![b](picture.png \"title\")"), 2);
        assert_eq!(dead("[a](../../elsewhere.md)"), 1);
        assert_eq!(dead("[name]: lost.md"), 1);
    }

    #[test]
    fn addresses_headings_and_code_are_not_followed() {
        assert_eq!(dead("[a](https://example.org/x) [b](#here) `[c](lost.md)`\n```\n[d](lost.md)\n```"), 0);
    }
}
