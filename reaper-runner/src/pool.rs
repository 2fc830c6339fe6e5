//! A bounded number of threads for what may block: gates and stops.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread::{self, JoinHandle},
};

type Work = Box<dyn FnOnce() + Send>;

/// Threads that take work from one queue. Work that panics harms neither the thread nor the rest.
#[derive(Debug)]
pub(crate) struct Pool {
    queue: Option<mpsc::Sender<Work>>,
    threads: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Starts `size` threads, one at least. Where the system gives fewer, work waits longer.
    pub(crate) fn new(size: usize) -> Self {
        let (queue, work) = mpsc::channel::<Work>();
        let work = Arc::new(Mutex::new(work));
        let threads = (0..size.max(1))
            .filter_map(|n| {
                let work = Arc::clone(&work);
                let run = move || {
                    // The lock is held while waiting, and given up before the work is done.
                    let next = || work.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    while let Ok(work) = next() {
                        if catch_unwind(AssertUnwindSafe(work)).is_err() {
                            tracing::error!("work on the pool panicked");
                        }
                    }
                };
                thread::Builder::new().name(format!("reaper-pool-{n}")).spawn(run).ok()
            })
            .collect();
        Self { queue: Some(queue), threads }
    }

    /// Queues work. Without any thread it is done here and now.
    pub(crate) fn submit(&self, work: impl FnOnce() + Send + 'static) {
        match &self.queue {
            Some(queue) if !self.threads.is_empty() => {
                if let Err(mpsc::SendError(work)) = queue.send(Box::new(work)) {
                    work();
                }
            }
            Some(_) | None => work(),
        }
    }
}

impl Drop for Pool {
    /// Lets the threads finish what is queued. They are not waited for: a gate has a time limit of its own, and
    /// whoever stops a reaper has said how long to wait for it.
    fn drop(&mut self) {
        self.queue = None;
    }
}
