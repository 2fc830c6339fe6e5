//! Keeps what was measured in the docs: each table in the page in place of the one of the same title, and in a document for
//! programs in place of the one of the same name. What was not measured this time stays as it is.

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::table::{self, Table};

/// The page, within the folder.
const PAGE: &str = "bench.md";

/// The document for programs.
const DOCUMENT: &str = "bench.json";

/// Keeps one in this folder.
pub fn keep(folder: &Path, table: &Table) {
    let page = folder.join(PAGE);
    let text = with(&fs::read_to_string(&page).unwrap(), table);
    fs::write(page, text).unwrap();
    let document = folder.join(DOCUMENT);
    let old =
        fs::read_to_string(&document).ok().map_or_else(|| json!({}), |old| serde_json::from_str(&old).unwrap());
    fs::write(
        document,
        serde_json::to_string_pretty(&merged(&old, table::json(std::slice::from_ref(table)))).unwrap() + "\n",
    )
    .unwrap();
}

/// The page with this table: in the place of the one with its title, or of the line that marks where new ones of its
/// database go.
fn with(page: &str, table: &Table) -> String {
    let heading = format!("### {}\n", table.title);
    if let Some(at) = page.find(&heading) {
        let after = &page[at + heading.len()..];
        let end = ["\n#", "\n<!-- "].iter().filter_map(|next| after.find(next)).min().unwrap_or(after.len());
        return format!("{}{}{}", &page[..at], table.text(), &after[end..]);
    }
    let database = table.name.split('-').next().unwrap_or_default();
    let mark = format!("<!-- more of {database} -->");
    let (before, after) = page.split_once(&mark).unwrap_or_else(|| panic!("{PAGE} has no {mark}"));
    format!("{before}{}\n{mark}{after}", table.text())
}

/// The old tables, those that are new in the place of the old ones of their names.
fn merged(old: &Value, new: Value) -> Value {
    let list = |value: &Value| value["tables"].as_array().cloned().unwrap_or_default();
    let mut tables = list(old);
    for table in list(&new) {
        match tables.iter_mut().find(|old| old["name"] == table["name"]) {
            Some(old) => *old = table,
            None => tables.push(table),
        }
    }
    json!({ "tables": tables })
}
