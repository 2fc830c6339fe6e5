//! Running jobs: the worker that takes a job, runs its command, records the exit and finishes the job by the same
//! claim as a reaper.
//!
//! Three processes take part. The **monitor** (the program that holds a [`Worker`]) takes jobs, beats, and finishes
//! them. For each attempt it starts a **supervisor** (`reaper hold`), which is the executor that the attempt's row
//! names: it leads a session of its own, waits until its identity is stored, and runs the **command** as its child. When
//! the command ends the supervisor writes the exit to a [`Spool`] file, synced to the disk, and ends in the same way.
//! So an executor that is dead has left its exit behind, whatever has become of its monitor or of the database.
//!
//! The supervisor stays instead of becoming the command, because whoever becomes it can write nothing when it ends.

#[cfg(all(unix, feature = "program"))]
pub(crate) mod hold;
pub mod spool;
#[cfg(unix)]
pub mod ticket;

#[cfg(unix)]
mod clock;
#[cfg(unix)]
mod execution;
#[cfg(unix)]
mod finish;
#[cfg(unix)]
mod orders;
#[cfg(unix)]
mod pool;
#[cfg(unix)]
mod pulse;
#[cfg(unix)]
mod running;
#[cfg(unix)]
mod settings;
#[cfg(unix)]
mod worker;

#[cfg(all(unix, feature = "program"))]
pub(crate) use running::RAN_NOTHING;
pub use spool::{Spool, SpooledExit};

#[cfg(unix)]
pub use self::{
    execution::{End, Execution},
    orders::Orders,
    settings::{Prints, Program, WorkerSettings},
    worker::{Worker, WorkerError},
};
