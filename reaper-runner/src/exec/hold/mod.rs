//! The supervisor: what `reaper hold` does.
//!
//! 1. It leads a session of its own, so that whatever the command starts can be found by it.
//! 2. It waits for a line on standard input. At its end nothing is run, and this process ends by a signal: it has no exit
//!    of the work to tell.
//! 3. It makes all that watches the command. Where it cannot, for want of threads, nothing is run: it spools that, and
//!    ends by that signal too.
//! 4. It runs the command in its own process group, with the payload on standard input, and passes what the command
//!    prints on. That its own outputs are gone does not hinder the command.
//! 5. It stops the command when its time is up, or when it was bound to a node or a monitor that is gone.
//! 6. It spools the exit, and ends in the same way as the command did, by the same signal too: whoever witnesses its end
//!    learns the command's.
//!
//! Signals that ask a process to end are caught and change nothing: whoever sends one sends it to the whole group, the
//! command included, and the supervisor has to stay for the exit. A TERM or INT that comes before the command runs has
//! nobody else to take it: the command is not started, and its exit is that signal.

mod drain;
mod kills;
mod stop;
mod tail;
mod threads;

use std::{
    ffi::OsString,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::RecvTimeoutError,
    },
};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit, setsid};
use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};

use self::{
    kills::Kills,
    stop::Stopping,
    threads::{Event, Threads},
};
use super::{
    running::{CANNOT_START, code_of},
    spool::{self, SpooledExit, StoppedFor},
    ticket::Ticket,
};
use crate::{SystemTime, Time as _};

/// How a supervisor ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// It was never let go, and nothing ran.
    NotLetGo,
    /// The command has ended with this code, or by a signal (`-n`).
    Ended(i32),
}

/// Holds a command back until it is let go, and sees it to its end.
///
/// # Errors
///
/// What the operating system says where there can be no supervisor at all; nothing was run.
pub(crate) fn hold(command: &[OsString]) -> io::Result<Held> {
    // Who leads a group already, as under a shell's job control, cannot lead a session; then the group must do.
    if let Err(error) = setsid() {
        tracing::debug!(%error, "the supervisor leads no session of its own");
    }
    let asked = Asked::listen()?;
    let mut orders = BufReader::new(io::stdin());
    let Some((ticket, payload)) = let_go(&mut orders)? else {
        return Ok(Held::NotLetGo);
    };
    let not_run = |code| Exit { code, stopped_for: None, out_of_memory: false };
    let threads = Threads::new(orders, payload).inspect_err(|error| {
        if let Some(ticket) = &ticket {
            spool_exit(ticket, &not_run(CANNOT_START), format!("the command cannot be watched: {error}"));
        }
    })?;
    let kills = Kills::so_far();
    let mut code = match asked.to_end() {
        Some(signal) => not_run(signal.as_raw().wrapping_neg()),
        None => match start(command, &threads) {
            Ok(child) => {
                // Until it was the command, the child took a signal as this process does.
                if let Some(signal) = asked.to_end() {
                    kill_process(Pid::from_child(&child), signal).ok();
                }
                threads.watch(child);
                Run { ticket: ticket.as_ref(), threads: &threads }.to_its_end()
            }
            Err((code, why)) => {
                threads.drains.note(&why);
                writeln!(io::stderr(), "reaper: {why}").ok();
                not_run(code)
            }
        },
    };
    // Whoever is stopped for its time and says that all is well has not done all of it.
    if code.stopped_for.is_some() && code.code == 0 {
        code.code = OVER_TIME;
    }
    let explained = kills.is_some_and(|kills| kills.explain(code.code));
    code.out_of_memory = explained && code.stopped_for.is_none();
    let tail = threads.drains.end();
    if let Some(ticket) = &ticket {
        spool_exit(ticket, &code, tail);
    }
    Ok(Held::Ended(code.code))
}

/// The signals that this process has caught.
#[derive(Debug, Default)]
struct Asked {
    term: Arc<AtomicBool>,
    int: Arc<AtomicBool>,
}

impl Asked {
    fn listen() -> io::Result<Self> {
        let asked = Self::default();
        signal_hook::flag::register(SIGTERM, Arc::clone(&asked.term))?;
        signal_hook::flag::register(SIGINT, Arc::clone(&asked.int))?;
        let others = Arc::new(AtomicBool::new(false));
        for signal in [SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM] {
            signal_hook::flag::register(signal, Arc::clone(&others))?;
        }
        Ok(asked)
    }

    /// By which signal it was asked to end, if it was.
    fn to_end(&self) -> Option<Signal> {
        let caught = |flag: &AtomicBool| flag.load(Ordering::SeqCst);
        if caught(&self.term) {
            Some(Signal::TERM)
        } else if caught(&self.int) {
            Some(Signal::INT)
        } else {
            None
        }
    }
}

/// Ends this process by a signal, as its command ended. Where it cannot, the code that it is given back says so.
pub(crate) fn end_by(signal: i32) -> u8 {
    // Its own memory is of no use to anybody.
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).ok();
    if let Err(error) = signal_hook::low_level::emulate_default_handler(signal) {
        tracing::debug!(%error, signal, "could not end by a signal");
    }
    u8::try_from(signal).unwrap_or(0).saturating_add(128)
}

/// What ended the command.
#[derive(Clone, Copy, Debug)]
struct Exit {
    code: i32,
    stopped_for: Option<StoppedFor>,
    out_of_memory: bool,
}

/// What a supervisor was let go with: its ticket, and the payload.
type LetGo = (Option<Ticket>, Option<Vec<u8>>);

/// Waits for the line, and reads the payload behind it. A bare `go` runs the command with nothing: no spool, no limit.
fn let_go(orders: &mut impl io::BufRead) -> io::Result<Option<LetGo>> {
    let mut line = String::new();
    orders.take(LONGEST_LINE).read_line(&mut line)?;
    if line == "go\n" {
        return Ok(Some((None, None)));
    }
    let Some(line) = line.strip_suffix('\n') else {
        return Ok(None);
    };
    let ticket: Ticket = serde_json::from_str(line).map_err(io::Error::other)?;
    let Some(length) = ticket.payload else {
        return Ok(Some((Some(ticket), None)));
    };
    let mut payload = Vec::new();
    orders.take(u64::try_from(length).unwrap_or(u64::MAX)).read_to_end(&mut payload)?;
    Ok((payload.len() == length).then_some((Some(ticket), Some(payload))))
}

/// Starts the command; else the code that a shell would end with, and why.
fn start(command: &[OsString], threads: &Threads) -> Result<Child, (i32, String)> {
    let cannot = |error: io::Error, what: &OsString| {
        let code = if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { CANNOT_START };
        (code, format!("cannot start {}: {error}", what.to_string_lossy()))
    };
    let Some((program, arguments)) = command.split_first() else {
        return Err((CANNOT_START, "there is no command".into()));
    };
    let (out, err) = threads.drains.writers().map_err(|error| cannot(error, program))?;
    let mut start = Command::new(program);
    start.args(arguments).stdout(out).stderr(err);
    start.stdin(if threads.feeds() { Stdio::piped() } else { Stdio::null() });
    start.spawn().map_err(|error| cannot(error, program))
}

/// A command that runs.
#[derive(Debug)]
struct Run<'r> {
    ticket: Option<&'r Ticket>,
    threads: &'r Threads,
}

impl Run<'_> {
    /// Waits for its end, and stops it where it must end before.
    fn to_its_end(&self) -> Exit {
        let time = SystemTime::new();
        let mut stopping = Stopping::new(self.ticket);
        loop {
            match self.threads.events.recv_timeout(stopping.next(time.monotonic())) {
                Ok(Event::Ended(status)) => {
                    let code = status.ok().and_then(code_of);
                    // A child that cannot be waited for has not been seen to end well.
                    let code = code.unwrap_or(CANNOT_START);
                    return Exit { code, stopped_for: stopping.cause(), out_of_memory: false };
                }
                Ok(Event::Until(until)) => stopping.renew(until),
                Ok(Event::MonitorGone) => stopping.monitor_is_gone(time.monotonic()),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
            }
            if stopping.must_kill(time.monotonic()) {
                // This process is of the group, and goes with it: the exit is spooled first.
                let exit = Exit { code: -9, stopped_for: stopping.cause(), out_of_memory: false };
                if let Some(ticket) = self.ticket {
                    spool_exit(ticket, &exit, self.threads.drains.so_far());
                }
                stop::kill_group();
            }
        }
    }
}

fn spool_exit(ticket: &Ticket, exit: &Exit, tail: String) {
    let spooled = SpooledExit {
        attempt: ticket.attempt.clone(),
        run: ticket.run.clone(),
        executor: ticket.executor.clone(),
        code: exit.code,
        stopped_for: exit.stopped_for,
        out_of_memory: exit.out_of_memory,
        at: SystemTime::new().wall(),
        tail,
    };
    if let Err(error) = spool::write(&ticket.file, &spooled) {
        // The way in which it ends still tells its monitor, and whoever witnesses it.
        tracing::error!(path = %ticket.file.display(), %error, "the exit could not be spooled");
    }
}

/// As `timeout(1)` says it.
pub(crate) const OVER_TIME: i32 = 124;

/// As a shell says it of a command that it does not find.
const NOT_FOUND: i32 = 127;

/// The longest line that is read, in bytes.
const LONGEST_LINE: u64 = 1 << 16;
