//! An attempt that runs: its supervisor, started, let go, watched and reaped.

use std::{
    env,
    io::{self, Write as _},
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use reaper_core::{Attempt, ProcessIdentity};
use reaper_gate::{gate::job_fields, liveness::LocalProbe};
use reaper_store::{
    StoreError,
    attempts::{Taken, Written},
};
use rustix::{
    io::Errno,
    process::{Pid, Signal, WaitId, WaitIdOptions, waitid},
};

use super::{
    End, Execution, Orders, SpooledExit, Worker,
    clock::boottime,
    orders::{Enlisted, News},
    settings::Prints,
    spool::{self, StoppedFor},
    ticket::{Renewal, Ticket},
    worker::look_every,
};

/// How a command ended, as far as its monitor knows.
#[derive(Debug)]
pub(super) struct Exit {
    pub(super) code: i32,
    pub(super) stopped_for: Option<StoppedFor>,
    pub(super) out_of_memory: bool,
    pub(super) tail: String,
}

/// A supervisor that waits to be let go, or runs.
#[derive(Debug)]
struct Supervisor {
    child: Child,
    /// Open for as long as the monitor cares.
    orders: Option<ChildStdin>,
    identity: ProcessIdentity,
}

impl Worker {
    /// Runs an attempt that was taken.
    pub(super) fn run(
        &self,
        taken: Taken,
        orders: &Orders,
        patience: Option<Duration>,
        trouble: &mut Option<String>,
    ) -> Execution {
        let attempt = taken.job.attempt.clone();
        let file = self.settings.spool.file_of(&attempt);
        let ended = |code, exit, end| Execution::of(&taken, code, exit, end);
        let mut supervisor = match self.start(&taken) {
            Ok(supervisor) => supervisor,
            Err(why) => {
                tracing::error!(%attempt, why, "the command could not be started");
                *trouble = Some(why.clone());
                let exit = Exit { code: CANNOT_START, stopped_for: None, out_of_memory: false, tail: why };
                self.spool(&taken, &file, &self.monitor, &exit);
                return self.conclude(&taken, exit, &file, orders, patience);
            }
        };
        let attached =
            self.persist("attach", orders, patience, || self.parts.store.attach(&attempt, &supervisor.identity));
        match attached {
            Ok(Written::Yes) => {}
            Ok(Written::NotMine) => {
                supervisor.abandon();
                return ended(None, None, End::TakenAway);
            }
            Err(error) => {
                supervisor.abandon();
                // Nothing was let go, which the reaper of this host learns from the spool.
                let why = format!("its executor could not be attached: {error}");
                let exit = Exit { code: CANNOT_START, stopped_for: None, out_of_memory: false, tail: why.clone() };
                self.spool(&taken, &file, &self.monitor, &exit);
                return ended(None, Some(exit), End::Left(why));
            }
        }
        let (exit, fate) = self.watch(&mut supervisor, &taken, &file, orders, trouble);
        let executor = supervisor.identity;
        if fate == Fate::TakenAway {
            let code = exit.code;
            // Its own run's exit, whatever its job's row says by now. One that cannot be told stays in the spool.
            if let Err(error) = self.record(&taken, &exit, &file, orders, patience) {
                tracing::warn!(%attempt, %error, "its exit is spooled");
            }
            return ended(Some(code), Some(exit), End::TakenAway);
        }
        let recorded = self.record(&taken, &exit, &file, orders, patience);
        // Whatever the command has left behind in its session would stand in the way of another attempt.
        let stopped = self.parts.stop.stop(&attempt, &executor, self.settings.grace);
        tracing::debug!(%attempt, ?stopped, "looked for what was left of the session");
        match recorded {
            Ok(()) => self.finish(&taken, exit, orders, patience),
            Err(error) => {
                let code = exit.code;
                ended(Some(code), Some(exit), End::Left(format!("its exit is spooled: {error}")))
            }
        }
    }

    /// An attempt that has an exit without ever having run.
    fn conclude(
        &self,
        taken: &Taken,
        exit: Exit,
        file: &Path,
        orders: &Orders,
        patience: Option<Duration>,
    ) -> Execution {
        match self.record(taken, &exit, file, orders, patience) {
            Ok(()) => self.finish(taken, exit, orders, patience),
            Err(error) => {
                let end = End::Left(format!("its exit is spooled: {error}"));
                Execution::of(taken, Some(exit.code), Some(exit), end)
            }
        }
    }

    /// Records the exit with the database, and takes it out of the spool.
    fn record(
        &self,
        taken: &Taken,
        exit: &Exit,
        file: &Path,
        orders: &Orders,
        patience: Option<Duration>,
    ) -> Result<(), StoreError> {
        let recorded = self.persist("record the exit", orders, patience, || {
            self.parts.store.record_exit(&taken.run, exit.code)
        })?;
        tracing::info!(attempt = %taken.job.attempt, code = exit.code, ?recorded, "the exit is recorded");
        spool::remove(file);
        Ok(())
    }

    /// Spools an exit that no supervisor has.
    fn spool(&self, taken: &Taken, file: &Path, executor: &ProcessIdentity, exit: &Exit) {
        let spooled = SpooledExit {
            attempt: taken.job.attempt.clone(),
            run: taken.run.clone(),
            executor: executor.clone(),
            code: exit.code,
            stopped_for: exit.stopped_for,
            out_of_memory: exit.out_of_memory,
            at: self.parts.time.wall(),
            tail: exit.tail.clone(),
        };
        if let Err(error) = spool::write(file, &spooled) {
            tracing::error!(path = %file.display(), %error, "the exit could not be spooled");
        }
    }

    /// Starts a supervisor. It waits to be let go.
    fn start(&self, taken: &Taken) -> Result<Supervisor, String> {
        let (hold, command) = (&self.settings.hold, &self.settings.command);
        let mut start = Command::new(&hold.program);
        start.args(&hold.arguments).arg("--").arg(&command.program).args(&command.arguments).stdin(Stdio::piped());
        if self.settings.prints == Prints::ToError {
            start.stdout(Stdio::from(io::stderr()));
        }
        // Reaper's own settings are nobody else's business, and secrets may be among them.
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"REAPER_") {
                start.env_remove(name);
            }
        }
        start.envs(job_fields(&taken.job)?);
        let mut child =
            start.spawn().map_err(|error| format!("cannot start {}: {error}", hold.program.to_string_lossy()))?;
        let orders = child.stdin.take();
        match identified(&self.probe, &child) {
            Ok(identity) => Ok(Supervisor { child, orders, identity }),
            Err(why) => {
                drop(orders);
                // It ends by itself at the end of its input.
                child.wait().ok();
                Err(why)
            }
        }
    }

    /// Lets the command go, and watches over it until its supervisor has ended.
    fn watch(
        &self,
        supervisor: &mut Supervisor,
        taken: &Taken,
        file: &Path,
        orders: &Orders,
        trouble: &mut Option<String>,
    ) -> (Exit, Fate) {
        let attempt = &taken.job.attempt;
        let (tell, news) = mpsc::channel();
        let pid = Pid::from_child(&supervisor.child);
        let enlisted = orders.enlist(pid, tell.clone());
        watch_for_end(pid, tell);
        let ticket = Ticket {
            payload: taken.payload.as_ref().map(String::len),
            limit: self.settings.limit,
            grace: self.settings.grace,
            bound_until: self.pulse.as_ref().map(|pulse| pulse.until().unwrap_or_default()),
            file: file.to_owned(),
            attempt: attempt.clone(),
            run: taken.run.clone(),
            executor: supervisor.identity.clone(),
        };
        let said = supervisor.say(&ticket, taken.payload.as_deref().unwrap_or_default());
        match &said {
            Ok(()) => tracing::info!(%attempt, pid = supervisor.identity.pid, "let go"),
            // One that is there waits for the line: at the end of its input it runs nothing, and ends.
            Err(error) => {
                tracing::warn!(%attempt, %error, "the supervisor could not be let go");
                drop(supervisor.orders.take());
            }
        }
        let fate = self.until_ended(supervisor, attempt, ticket.bound_until, &news, enlisted);
        let exit = self.exit_of(supervisor, taken, file, said.err(), trouble);
        (exit, fate)
    }

    /// Beats until the supervisor has ended, and stops it where the attempt is not this worker's any more.
    fn until_ended(
        &self,
        supervisor: &mut Supervisor,
        attempt: &Attempt,
        mut bound_until: Option<Duration>,
        news: &Receiver<News>,
        enlisted: Enlisted<'_>,
    ) -> Fate {
        let time = &self.parts.time;
        let mut next_beat = time.monotonic().saturating_add(self.settings.beat);
        let mut fate = Fate::Ours;
        loop {
            let until_beat = next_beat.saturating_sub(time.monotonic());
            let look = self.settings.bond.as_ref().map_or(until_beat, look_every);
            match news.recv_timeout(until_beat.min(look)) {
                // Signals must not reach whoever has its number next.
                Ok(News::Ended) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(News::Stop) => self.stop(attempt, &supervisor.identity, "it was ordered to"),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if let (Some(pulse), Fate::Ours) = (&self.pulse, fate) {
                if let Err(error) = pulse.read(self.parts.store.as_ref(), boottime()) {
                    tracing::warn!(%error, "the node's beat could not be read");
                }
                if pulse.until() != bound_until {
                    bound_until = pulse.until();
                    match bound_until {
                        Some(until) => supervisor.say(&Renewal { until }, "").unwrap_or_default(),
                        // Others settle what is bound to a node that was declared dead, at once.
                        None => self.stop(attempt, &supervisor.identity, "its node was declared dead"),
                    }
                }
            }
            if fate == Fate::Ours && time.monotonic() >= next_beat {
                next_beat = time.monotonic().saturating_add(self.settings.beat);
                match self.parts.store.beat(attempt) {
                    Ok(Written::Yes) => {}
                    Ok(Written::NotMine) => {
                        fate = Fate::TakenAway;
                        self.stop(attempt, &supervisor.identity, "the attempt was taken away");
                    }
                    Err(error) => tracing::warn!(%attempt, %error, "could not beat"),
                }
            }
        }
        drop(enlisted);
        fate
    }

    fn stop(&self, attempt: &Attempt, executor: &ProcessIdentity, why: &str) {
        let how = self.parts.stop.stop(attempt, executor, self.settings.grace);
        tracing::warn!(%attempt, ?how, why, "stopped the command");
    }

    /// The exit of a supervisor that has ended: what it has spooled, else its own. `unsaid` is why it could not be let go.
    fn exit_of(
        &self,
        supervisor: &mut Supervisor,
        taken: &Taken,
        file: &Path,
        unsaid: Option<io::Error>,
        trouble: &mut Option<String>,
    ) -> Exit {
        drop(supervisor.orders.take());
        let ended = supervisor.child.wait().ok().and_then(code_of);
        let ran_nothing = ended == Some(RAN_NOTHING.wrapping_neg());
        match spool::read(file) {
            Ok(spooled) if spooled.attempt == taken.job.attempt => {
                let SpooledExit { code, stopped_for, out_of_memory, tail, .. } = spooled;
                // Where it is the command that cannot be started, it ends with that code.
                if ran_nothing && code == CANNOT_START {
                    *trouble = Some(tail.clone());
                }
                Exit { code, stopped_for, out_of_memory, tail }
            }
            read => {
                if let Err(error) = read {
                    tracing::warn!(attempt = %taken.job.attempt, %error, "the supervisor has spooled no exit");
                }
                // A child that was waited for by somebody else was not ours to lose: its end is as good as a kill.
                let code = ended.unwrap_or(KILLED);
                // What a supervisor ends with that has run nothing is not its command's code.
                let code = if unsaid.is_some() && (code >= 0 || ran_nothing) { CANNOT_START } else { code };
                let tail = unsaid.map(|error| format!("its supervisor could not be let go: {error}"));
                let tail = tail.unwrap_or_default();
                let exit = Exit { code, stopped_for: None, out_of_memory: false, tail };
                self.spool(taken, file, &supervisor.identity, &exit);
                exit
            }
        }
    }
}

/// Whose the attempt is when its command has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Ours,
    TakenAway,
}

impl Supervisor {
    /// Says a line, and what follows it.
    fn say(&mut self, line: &impl serde::Serialize, and: &str) -> io::Result<()> {
        let Some(orders) = &mut self.orders else {
            return Ok(());
        };
        let mut said = serde_json::to_vec(line)?;
        said.push(b'\n');
        said.extend_from_slice(and.as_bytes());
        orders.write_all(&said)?;
        orders.flush()
    }

    /// Ends a supervisor that was never let go: at the end of its input it runs nothing.
    fn abandon(mut self) {
        drop(self.orders.take());
        if let Err(error) = self.child.wait() {
            tracing::debug!(%error, "a supervisor that was not let go was not seen to end");
        }
    }
}

/// The identity of a supervisor that was just started. Where executors have cgroups it is in its own by then.
pub(super) fn identified(probe: &LocalProbe, child: &Child) -> Result<ProcessIdentity, String> {
    let cannot = |error| format!("the supervisor cannot be identified: {error}");
    let identity = probe.identify(child.id()).map_err(cannot)?;
    if let Some(cgroups) = probe.cgroups() {
        let has_none = |error| format!("the supervisor has no cgroup of its own: {error}");
        cgroups.enter(&identity).map_err(has_none)?;
    }
    Ok(identity)
}

/// Tells when a child has ended, and leaves it unreaped, so that its number stays its own.
fn watch_for_end(pid: Pid, tell: Sender<News>) {
    let otherwise = tell.clone();
    let watch = move || {
        while let Err(Errno::INTR) = waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT) {}
        // Nobody may be listening any more.
        tell.send(News::Ended).ok();
    };
    if let Err(error) = thread::Builder::new().name("reaper-exec-wait".into()).spawn(watch) {
        tracing::error!(%error, "no thread to watch a command: it is waited for without beats and signals");
        otherwise.send(News::Ended).ok();
    }
}

/// The code that an exit status stands for; `-n` for signal `n`.
pub(super) fn code_of(status: ExitStatus) -> Option<i32> {
    status.code().or_else(|| status.signal().map(i32::wrapping_neg))
}

/// The signal by which a supervisor ends that has run nothing, because it was never let go or cannot watch a command: a
/// code would be the work's to whoever witnesses it.
pub(crate) const RAN_NOTHING: i32 = Signal::HUP.as_raw();

/// As a shell says it of a command that cannot be run.
pub(super) const CANNOT_START: i32 = 126;

/// Killed by SIGKILL.
const KILLED: i32 = -9;
