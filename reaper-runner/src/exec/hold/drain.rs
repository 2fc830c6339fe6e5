//! What a command prints: passed on, and its end kept.

use std::{
    io::{self, PipeReader, PipeWriter, Write},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender},
    },
    thread,
    time::Duration,
};

use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::{OFlags, fcntl_getfl, fcntl_setfl},
    io::Errno,
};

use super::tail::Tail;

/// The pipes of a command's output and error, and the threads that drain them.
#[derive(Debug)]
pub(super) struct Drains {
    tail: Arc<Mutex<Tail>>,
    out: PipeWriter,
    err: PipeWriter,
    /// Closing it ends the threads, even if a child of the command still holds a pipe.
    halt: PipeWriter,
    /// Says when both have ended: nobody can send any more.
    ended: Receiver<()>,
}

impl Drains {
    pub(super) fn new() -> io::Result<Self> {
        let tail = Arc::new(Mutex::new(Tail::default()));
        let (halted, halt) = io::pipe()?;
        let (tell, ended) = mpsc::channel();
        let out = drain(&tail, halted.try_clone()?, io::stdout(), tell.clone())?;
        let err = drain(&tail, halted, io::stderr(), tell)?;
        Ok(Self { tail, out, err, halt, ended })
    }

    /// The ends that the command writes to.
    pub(super) fn writers(&self) -> io::Result<(PipeWriter, PipeWriter)> {
        Ok((self.out.try_clone()?, self.err.try_clone()?))
    }

    /// Adds a line of the supervisor's own to the tail.
    pub(super) fn note(&self, line: &str) {
        locked(&self.tail, |tail| {
            tail.push(line.as_bytes());
            tail.push(b"\n");
        });
    }

    /// The tail so far.
    pub(super) fn so_far(&self) -> String {
        locked(&self.tail, |tail| tail.text())
    }

    /// The tail when the command has ended. What is still in the pipes is read first; whoever takes it from this process
    /// and does not read is not waited for.
    pub(super) fn end(self) -> String {
        let Self { tail, out, err, halt, ended } = self;
        drop((out, err, halt));
        ended.recv_timeout(LAST_WORDS).ok();
        locked(&tail, |tail| tail.text())
    }
}

fn locked<T>(tail: &Mutex<Tail>, use_it: impl FnOnce(&mut Tail) -> T) -> T {
    use_it(&mut tail.lock().unwrap_or_else(PoisonError::into_inner))
}

fn drain(
    tail: &Arc<Mutex<Tail>>,
    halted: PipeReader,
    onto: impl Write + Send + 'static,
    ended: Sender<()>,
) -> io::Result<PipeWriter> {
    let (reader, writer) = io::pipe()?;
    fcntl_setfl(&reader, fcntl_getfl(&reader)? | OFlags::NONBLOCK)?;
    let tail = Arc::clone(tail);
    let drain = move || {
        run(&reader, &halted, &tail, onto);
        drop(ended);
    };
    thread::Builder::new().name("hold-drain".into()).spawn(drain)?;
    Ok(writer)
}

/// Reads until the end of the output, or until it is halted and nothing is left to read.
fn run(output: &PipeReader, halted: &PipeReader, tail: &Mutex<Tail>, onto: impl Write) {
    let mut onto = Some(onto);
    let mut piece = vec![0; 64 * 1024];
    let mut left = READ_AFTER_END;
    while left > 0 {
        let mut watched = [PollFd::new(output, PollFlags::IN), PollFd::new(halted, PollFlags::IN)];
        match poll(&mut watched, None) {
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(_) => return,
        }
        let [_, halt] = &watched;
        let has_ended = !halt.revents().is_empty();
        match rustix::io::read(output, &mut piece) {
            Ok(0) => return,
            Ok(length) => {
                let read = piece.get(..length).unwrap_or_default();
                locked(tail, |tail| tail.push(read));
                // The monitor may be gone, and what it passed the output on to with it: the command goes on.
                if let Some(to) = &mut onto
                    && to.write_all(read).and_then(|()| to.flush()).is_err()
                {
                    onto = None;
                }
                if has_ended {
                    left = left.saturating_sub(length);
                }
            }
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) if !has_ended => {}
            Err(_) => return,
        }
    }
}

/// How long the last output may take to be passed on when the command has ended.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// How much is read of it then: as much as the largest pipe holds. A child that is left may write for ever.
const READ_AFTER_END: usize = 1 << 20;
