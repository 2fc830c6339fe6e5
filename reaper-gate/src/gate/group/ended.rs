//! How a gate's command ended, and the verdict that it means.

use reaper_core::Verdict;

use super::tail::Tail;
use crate::gate::GateCommand;

/// How a command ended.
#[derive(Debug)]
pub(super) enum How {
    /// With this exit code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// It took too long and was stopped.
    OverTime,
    /// It took too long, and is still there after it was killed.
    Stuck,
    /// It was not started, or its end was not seen, for this reason.
    Failed(String),
}

/// A command's end, and the end of its output.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) how: How,
    pub(super) tail: Tail,
}

impl Ended {
    /// A command that never printed anything.
    pub(super) fn failed(why: String) -> Self {
        Self { how: How::Failed(why), tail: Tail::default() }
    }

    /// The verdict.
    pub(super) fn verdict(&self, command: &GateCommand) -> Verdict {
        let last_line = self.tail.last_line();
        let limit = command.limit;
        let what = match &self.how {
            How::Exited(0) => return Verdict::Green,
            How::Exited(1) => {
                return Verdict::Red(last_line.unwrap_or_else(|| "exit 1, and no word about why".to_owned()));
            }
            How::Exited(code) => format!("exit {code}, which is neither green (0) nor red (1)"),
            How::Signalled(signal) => format!("killed by signal {signal}"),
            How::OverTime => format!("took longer than {limit:?} and was stopped"),
            How::Stuck => format!("took longer than {limit:?}, was killed and has not ended yet"),
            How::Failed(why) => why.clone(),
        };
        Verdict::Undecided(match last_line {
            Some(line) => format!("{what}: {line}"),
            None => what,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_end_that_is_no_verdict_says_what_it_was() {
        let command = GateCommand::new(["true"]);
        for (how, expected) in [
            (How::OverTime, "took longer than 300s and was stopped"),
            (How::Stuck, "took longer than 300s, was killed and has not ended yet"),
            (How::Failed("its end was not seen".into()), "its end was not seen"),
            (How::Signalled(9), "killed by signal 9"),
        ] {
            let mut ended = Ended { how, tail: Tail::default() };
            assert_eq!(ended.verdict(&command), Verdict::Undecided(expected.into()));
            ended.tail.push(b"last words");
            assert_eq!(ended.verdict(&command), Verdict::Undecided(format!("{expected}: last words")));
        }
    }
}
