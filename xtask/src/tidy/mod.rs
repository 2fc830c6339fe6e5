//! `cargo xtask tidy`: what the compiler does not look at. One file a kind of check.

mod commands;
mod faults;
mod golden;
mod help;
mod layout;
mod links;
mod manifests;
mod rust_files;
mod seed;
mod shell;

use crate::{
    files::files,
    markdown::Markdown,
    run::Run,
    step::{Failed, Output, Step},
    workspace::Workspace,
};

/// Runs every check and says all that they found.
pub(crate) const STEP: Step = Step {
    name: "tidy",
    about: "Headers, sizes, layout, links, and what the README claims against the code",
    output: Output::Kept,
    run,
};

fn run(run: &mut Run<'_>) -> Result<String, Failed> {
    let tree = Tree::read(run.workspace)?;
    let mut faults = layout::faults(&tree.files);
    faults.extend(manifests::faults(run.workspace, &tree.files)?);
    faults.extend(rust_files::faults(&tree.rust));
    faults.extend(seed::faults(&tree.rust));
    faults.extend(faults::faults(run.workspace, &tree.rust)?);
    faults.extend(crate::guards::faults(run.workspace)?);
    faults.extend(links::faults(&tree.markdown, &tree.files));
    faults.extend(golden::faults(run.workspace, &tree)?);
    faults.extend(commands::faults(run, &tree.markdown)?);
    run.judge(&faults)?;
    Ok(format!("{} files", tree.files.len()))
}

/// The project's files and the text of those that are looked into.
#[derive(Debug)]
struct Tree {
    /// Every file, named from the root.
    files: Vec<String>,
    /// The Rust sources: name and text.
    rust: Vec<(String, String)>,
    /// The Markdown files, taken apart.
    markdown: Vec<(String, Markdown)>,
}

impl Tree {
    fn read(workspace: &Workspace) -> Result<Self, Failed> {
        let mut tree = Self { files: files(workspace)?, rust: Vec::new(), markdown: Vec::new() };
        for file in &tree.files {
            if file.ends_with(".rs") {
                tree.rust.push((file.clone(), workspace.read(file)?));
            } else if file.ends_with(".md") {
                tree.markdown.push((file.clone(), Markdown::of(&workspace.read(file)?)));
            }
        }
        Ok(tree)
    }
}
