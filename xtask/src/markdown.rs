//! As much of Markdown as the checks need: fenced blocks, code spans, links and headings.

/// A Markdown text, taken apart. Line numbers count from 1.
#[derive(Debug, Default)]
pub(crate) struct Markdown {
    /// The fenced blocks in order.
    pub(crate) fences: Vec<Fence>,
    /// What stands between single backticks outside the fences.
    pub(crate) spans: Vec<(usize, String)>,
    /// The targets of links, of images and of reference definitions outside the fences.
    pub(crate) links: Vec<(usize, String)>,
    /// The anchors of the headings, as code hosts make them.
    pub(crate) anchors: Vec<String>,
}

/// A fenced block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fence {
    /// The number of its first line inside.
    pub(crate) line: usize,
    /// The first word after the opening marks, in lower case; may be empty.
    pub(crate) language: String,
    /// The lines inside.
    pub(crate) lines: Vec<String>,
}

impl Markdown {
    /// Takes `text` apart.
    pub(crate) fn of(text: &str) -> Self {
        let mut markdown = Self::default();
        let mut open: Option<(String, Fence)> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let trimmed = line.trim_start();
            if let Some((mark, fence)) = &mut open {
                if trimmed.trim_end() == mark {
                    markdown.fences.extend(open.take().map(|(_, fence)| fence));
                } else {
                    fence.lines.push(line.to_owned());
                }
            } else if let Some(mark) = fence_mark(trimmed) {
                let info = trimmed.strip_prefix(&mark).unwrap_or_default();
                let language = info.trim().split([' ', ',', '{']).next().unwrap_or_default().to_lowercase();
                open = Some((mark, Fence { line: number + 1, language, lines: Vec::new() }));
            } else {
                markdown.prose(number, line);
            }
        }
        markdown.fences.extend(open.map(|(_, fence)| fence));
        markdown
    }

    fn prose(&mut self, number: usize, line: &str) {
        if line.starts_with('#') {
            self.heading(line.trim_start_matches('#').trim());
        }
        let mut text = String::new();
        for (at, part) in line.split('`').enumerate() {
            if at % 2 == 0 {
                text.push_str(part);
            } else if !part.is_empty() {
                self.spans.push((number, part.to_owned()));
            }
        }
        for opening in ["](", "href=\"", "src=\""] {
            for after in text.split(opening).skip(1) {
                let target = after.split([')', '"', ' ']).next().unwrap_or_default();
                self.links.push((number, target.trim_matches(['<', '>']).to_owned()));
            }
        }
        if let Some((_, target)) = text.trim_start().strip_prefix('[').and_then(|text| text.split_once("]: ")) {
            let target = target.split_whitespace().next().unwrap_or_default();
            self.links.push((number, target.trim_matches(['<', '>']).to_owned()));
        }
    }

    fn heading(&mut self, text: &str) {
        let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        let slug = kept.collect::<String>().to_lowercase().replace(' ', "-");
        let same = |anchor: &&String| {
            let rest = anchor.strip_prefix(&slug);
            rest.is_some_and(|rest| rest.is_empty() || rest.trim_start_matches('-').parse::<u32>().is_ok())
        };
        match self.anchors.iter().filter(same).count() {
            0 => self.anchors.push(slug),
            count => self.anchors.push(format!("{slug}-{count}")),
        }
    }
}

/// The marks that open a fence, at least three of one kind.
fn fence_mark(line: &str) -> Option<String> {
    ['`', '~'].into_iter().find_map(|mark| {
        let marks: String = line.chars().take_while(|c| *c == mark).collect();
        (marks.len() >= 3 && !line.trim_start_matches(mark).contains('`')).then_some(marks)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fences_have_a_language_and_their_lines() {
        let markdown = Markdown::of("a\n```sh ignore\nreaper run\n\n# no heading\n```\n~~~\n```\n~~~\n````\nopen");
        assert_eq!(markdown.fences.len(), 3);
        assert_eq!(
            markdown.fences[0],
            Fence {
                line: 3,
                language: "sh".to_owned(),
                lines: vec!["reaper run".to_owned(), String::new(), "# no heading".to_owned()],
            }
        );
        assert_eq!(markdown.fences[1].lines, ["```"]);
        assert_eq!(markdown.fences[2].lines, ["open"]);
        assert!(markdown.anchors.is_empty());
    }

    #[test]
    fn links_of_every_kind_outside_code() {
        let markdown = Markdown::of(
            "[a](b.md) and [`c`](<d.md#e> \"title\") ![i](i.png) `[no](no.md)`\n[ref]: f.md \"t\"\n\
             <a href=\"g.md\">\n```\n[no](no.md)\n```\n",
        );
        let targets: Vec<_> = markdown.links.iter().map(|(line, target)| (*line, target.as_str())).collect();
        assert_eq!(targets, [(1, "b.md"), (1, "d.md#e"), (1, "i.png"), (2, "f.md"), (3, "g.md")]);
        assert_eq!(markdown.spans, [(1, "c".to_owned()), (1, "[no](no.md)".to_owned())]);
    }

    #[test]
    fn headings_become_anchors_and_twins_are_numbered() {
        let markdown = Markdown::of("# The `reap` rule, 1st!\n## Why\ntext\n## Why\n## Why not\n");
        assert_eq!(markdown.anchors, ["the-reap-rule-1st", "why", "why-1", "why-not"]);
    }
}
