//! Waits for a command and hands on the signals that this program gets meanwhile.

use std::{
    io::{self, IsTerminal},
    os::unix::process::ExitStatusExt,
    process::{Child, ExitStatus},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// Begins to listen: from now on these signals no longer end this program.
///
/// # Errors
///
/// When the system refuses.
pub(super) fn listen() -> io::Result<Receiver<Signal>> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    let (sender, receiver) = channel();
    thread::spawn(move || {
        for signal in signals.forever() {
            let signal = match signal {
                SIGHUP => Signal::HUP,
                SIGINT => Signal::INT,
                _ => Signal::TERM,
            };
            if sender.send(signal).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Waits for the command's end.
///
/// # Errors
///
/// When it cannot be waited for.
pub(super) fn wait(mut child: Child, signals: &Receiver<Signal>) -> io::Result<ExitStatus> {
    let pid = Pid::from_child(&child);
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        match signals.recv_timeout(LOOK_AT_CHILD) {
            // The terminal has sent it to the command as well, and twice means something else to many programs.
            Ok(Signal::INT) if at_a_terminal() => {}
            // Nobody else has waited for it, so that its number is still its own.
            Ok(signal) => kill_process(pid, signal).unwrap_or_default(),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return child.wait(),
        }
    }
}

/// The code by which a shell would tell of this end.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| SIGNALLED + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

fn at_a_terminal() -> bool {
    io::stdin().is_terminal() || io::stdout().is_terminal() || io::stderr().is_terminal()
}

/// How often the command is looked at.
const LOOK_AT_CHILD: Duration = Duration::from_millis(20);

/// What a shell adds to the number of a signal.
const SIGNALLED: i32 = 128;

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn shell(script: &str) -> Child {
        Command::new("sh").args(["-c", script]).spawn().unwrap()
    }

    #[test]
    fn the_command_s_code_is_handed_on() {
        let (_sender, quiet) = channel();
        assert_eq!(exit_code(wait(shell("exit 7"), &quiet).unwrap()), 7);
        assert_eq!(exit_code(wait(shell("kill -9 $$"), &quiet).unwrap()), 137);
    }

    #[test]
    fn a_signal_reaches_the_command_also_if_it_came_before() {
        let (sender, signals) = channel();
        sender.send(Signal::TERM).unwrap();
        assert_eq!(exit_code(wait(shell("exec sleep 60"), &signals).unwrap()), 143);
    }
}
