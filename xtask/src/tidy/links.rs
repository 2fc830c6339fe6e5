//! Every link inside the project leads somewhere. What lies outside is not asked for: checks need no network.

use crate::markdown::Markdown;

/// Links to files that are not there, or to headings that their file has not.
pub(super) fn faults(markdown: &[(String, Markdown)], files: &[String]) -> Vec<String> {
    let mut faults = Vec::new();
    for (file, text) in markdown {
        for (line, link) in text.links.iter().filter(|(_, link)| is_ours(link, file)) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { Some(file.clone()) } else { resolve(file, path) };
            let exists = target.as_deref().is_some_and(|target| {
                let folder = format!("{}/", target.trim_end_matches('/'));
                target.is_empty() || files.iter().any(|file| file == target || file.starts_with(&folder))
            });
            let headings = markdown.iter().find(|(file, _)| Some(file) == target.as_ref());
            let has_anchor = headings.is_none_or(|(_, text)| text.anchors.iter().any(|known| known == anchor));
            if !exists {
                faults.push(format!("{file}:{line}: links to `{link}`, which does not exist"));
            } else if !anchor.is_empty() && !has_anchor {
                faults.push(format!("{file}:{line}: links to `{link}`, a heading which does not exist"));
            }
        }
    }
    faults
}

/// Whether the link stays in the project. In a crate's README, which is its documentation too, a bare name is a
/// link to an item; rustdoc looks after those.
fn is_ours(link: &str, file: &str) -> bool {
    let item = link.contains("::") || (file.ends_with("/README.md") && !link.contains(['/', '.', '#']));
    let elsewhere = link.contains("://") || link.starts_with("mailto:");
    !link.is_empty() && !item && !elsewhere
}

/// `path` as seen from `file`, named from the root; nothing where it leads out of the project.
fn resolve(file: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    if path.starts_with('/') {
        parts.clear();
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: &str, text: &str) -> Vec<String> {
        let files = ["README.md", "LICENSE-MIT", "reaper-core/README.md", "reaper-core/docs/adr-1.md"];
        let files: Vec<String> = files.map(str::to_owned).to_vec();
        let other = ("reaper-core/docs/adr-1.md".to_owned(), Markdown::of("# Claim before act\n"));
        faults(&[(file.to_owned(), Markdown::of(text)), other], &files)
    }

    #[test]
    fn files_folders_and_headings_are_found_from_where_the_link_stands() {
        let text = "# Top\n[a](LICENSE-MIT) [b](reaper-core/) [c](./reaper-core/docs/adr-1.md#claim-before-act) [d](#top)\n\
                    [e](https://example.org/x) [f](mailto:a@example.org) [g](/README.md)\n";
        assert_eq!(check("README.md", text), [""; 0]);
        assert_eq!(
            check("reaper-core/README.md", "[a](../README.md) [b](docs/adr-1.md) [c](decide) [d](a::b)"),
            [""; 0]
        );
    }

    #[test]
    fn what_leads_nowhere_is_named_with_its_line() {
        let found = check(
            "README.md",
            "\n[a](docs/none.md)\n[b](reaper-core/docs/adr-1.md#act)\n[c](../out.md)\n[d](#x)\n",
        );
        assert_eq!(found.len(), 4, "{found:?}");
        assert_eq!(found[0], "README.md:2: links to `docs/none.md`, which does not exist");
        assert!(found[1].starts_with("README.md:3: ") && found[1].ends_with("a heading which does not exist"));
        assert_eq!(check("README.md", "[a](LICENSE)").len(), 1);
    }
}
