//! A command that a document tells one to type is one that the program or this one understands.

use std::{collections::BTreeMap, env, path::PathBuf, process::Command};

use super::{
    help::{Help, misunderstood},
    shell::{Typed, What, typed},
};
use crate::{
    markdown::Markdown,
    run::Run,
    step::{APART, Failed, STEPS},
};

/// Commands and options in the documents that do not exist. The program is built and asked only where a document
/// uses it. The changelog may speak of what is no more.
///
/// # Errors
///
/// When the program that a document uses does not build.
pub(super) fn faults(run: &mut Run<'_>, markdown: &[(String, Markdown)]) -> Result<Vec<String>, Failed> {
    let documents = markdown.iter().filter(|(file, _)| !file.ends_with("CHANGELOG.md"));
    let used: Vec<(&String, Typed)> =
        documents.flat_map(|(file, text)| typed(text).into_iter().map(move |typed| (file, typed))).collect();
    let mut faults = Vec::new();
    let mut program = Program::default();
    if used.iter().any(|(_, typed)| typed.what == What::Program) {
        run.cargo(&["build", "--package", "reaper-runner", "--bin", "reaper"])?;
        program.path = run.workspace.target.join(format!("debug/reaper{}", env::consts::EXE_SUFFIX));
    }
    for (file, Typed { line, what, words }) in used {
        let found = match what {
            What::Program => misunderstood("reaper", &words, &mut |path| program.help(path)),
            What::Chore => chore_faults(&words),
        };
        faults.extend(found.iter().map(|fault| format!("{file}:{line}: {fault}")));
    }
    Ok(faults)
}

fn chore_faults(words: &[String]) -> Vec<String> {
    let known =
        |word: &str| ["ci", "pg"].contains(&word) || STEPS.iter().chain(APART).any(|step| step.name == word);
    match words.first() {
        Some(word) if !word.starts_with(['-', '<']) && !known(word) => {
            vec![format!("`cargo xtask` has no step `{word}`")]
        }
        _ => Vec::new(),
    }
}

/// The built program, and what it said so far.
#[derive(Debug, Default)]
struct Program {
    path: PathBuf,
    said: BTreeMap<Vec<String>, Option<Help>>,
}

impl Program {
    /// The help of a command, or nothing if the program does not know the command.
    fn help(&mut self, path: &[String]) -> Option<Help> {
        if let Some(said) = self.said.get(path) {
            return said.clone();
        }
        let mut command = Command::new(&self.path);
        // A wide screen, so that no option is broken over two lines.
        command.args(path).arg("--help").env("COLUMNS", "200").env("NO_COLOR", "1");
        let output = command.output().ok().filter(|output| output.status.success());
        let help = output.and_then(|output| Help::of(&String::from_utf8_lossy(&output.stdout)));
        self.said.insert(path.to_vec(), help.clone());
        help
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chore_is_ci_or_a_step() {
        let check = |word: &str| chore_faults(&[word.to_owned()]);
        for word in ["ci", "tidy", "--help", "<step>"] {
            assert_eq!(check(word), [""; 0]);
        }
        assert_eq!(check("tidi"), ["`cargo xtask` has no step `tidi`"]);
        assert_eq!(chore_faults(&[]), [""; 0]);
    }
}
