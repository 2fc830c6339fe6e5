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
