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

/// A page whose lines fit: one that is too long goes on in the next, indented. What is not ASCII may be two wide.
pub(super) fn fold(page: &str) -> String {
    const INDENT: &str = "            ";
    let mut text = String::with_capacity(page.len());
    for line in page.lines() {
        let mut columns = 0;
        for c in line.chars() {
            let wide = if c.is_ascii() || c == '…' || c == '→' { 1 } else { 2 };
            if columns + wide > usize::from(WIDTH) {
                text.push('\n');
                text.push_str(INDENT);
                columns = INDENT.len();
            }
            text.push(c);
            columns += wide;
        }
        text.push('\n');
    }
    text
}
