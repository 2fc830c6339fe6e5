//! Tables that fit a terminal.

use comfy_table::{ContentArrangement, Table, presets};

/// No table is wider than this, so that it can be read in any terminal and pasted anywhere.
const WIDTH: u16 = 80;

/// A table with these headings.
pub(super) fn table(headings: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(headings.to_vec());
    table
}

/// A table as text, without spaces at the ends of its lines.
pub(super) fn render(table: &Table) -> String {
    let mut text = String::new();
    for line in table.to_string().lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A page whose lines fit: one that is too long goes on in the next, indented, with the word that does not fit; a word that
/// is longer than a line is broken. What is not ASCII may be two wide.
pub(super) fn fold(page: &str) -> String {
    const INDENT: &str = "            ";
    let mut text = String::with_capacity(page.len());
    for line in page.lines() {
        let (mut columns, mut word) = (0, None);
        for c in line.chars() {
            if columns + wide(c) > usize::from(WIDTH) {
                let begins = word.take().filter(|_| c != ' ').unwrap_or(text.len());
                let rest = text.split_off(begins);
                text.truncate(text.trim_end().len());
                text.push('\n');
                text.push_str(INDENT);
                text.push_str(&rest);
                columns = INDENT.len() + rest.chars().map(wide).sum::<usize>();
                if c == ' ' {
                    continue;
                }
            }
            text.push(c);
            columns += wide(c);
            if c == ' ' && columns > INDENT.len() + 1 {
                word = Some(text.len());
            }
        }
        text.push('\n');
    }
    text
}

fn wide(c: char) -> usize {
    if c.is_ascii() || c == '…' || c == '→' { 1 } else { 2 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_folded_between_words() {
        let (first, second) = ("a".repeat(40), "b".repeat(39));
        assert_eq!(fold(&format!("x\n{first} {second}\n")), format!("x\n{first} {second}\n"), "it just fits");
        let indent = " ".repeat(12);
        assert_eq!(fold(&format!("{first} {second} c d")), format!("{first} {second}\n{indent}c d\n"));
        assert_eq!(fold(&format!("{first} {second}b")), format!("{first}\n{indent}{second}b\n"));
        let long = "c".repeat(100);
        let (head, tail) = long.split_at(80);
        assert_eq!(fold(&long), format!("{head}\n{indent}{tail}\n"), "a word that fits nowhere");
        assert_eq!(fold(&"世".repeat(41)), format!("{}\n{indent}世\n", "世".repeat(40)));
    }
}
