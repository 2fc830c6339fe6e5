//! The connections of a store: how they are kept, used for a call, and thrown away.

use std::{
    fmt,
    sync::{Mutex, PoisonError},
};

use diesel::{
    PgConnection,
    result::{DatabaseErrorKind, Error},
};

use super::{
    connection::establish,
    fault::{Named, is_gone},
    options::{Options, Pooling},
    url::Url,
};
use crate::{
    StoreError,
    database::{Failed, Fault, Phase},
};

/// A connection, and whether all that it must find was looked through on it.
struct Link {
    connection: PgConnection,
    is_verified: bool,
}

impl Link {
    fn session(&mut self) -> Session<'_> {
        Session { connection: &mut self.connection, is_verified: &mut self.is_verified }
    }
}

/// A connection for the time of a call.
pub(super) struct Session<'c> {
    pub(super) connection: &'c mut PgConnection,
    /// Whether all that a migration makes was found there once.
    pub(super) is_verified: &'c mut bool,
}

/// A few connections to one database. A caller takes one for the time of a call; more callers at once make more.
///
/// One that saw a panic or any error is dropped. Where it broke, so are those that are kept: the server that they were
/// to is most likely gone.
pub(super) struct Pool {
    url: Url,
    options: Options,
    named: Named,
    idle: Mutex<Vec<Link>>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("url", &self.url).field("options", &self.options).finish_non_exhaustive()
    }
}

/// As many connections are kept.
const KEPT: usize = 4;

impl Pool {
    pub(super) fn new(url: &str, options: Options) -> Result<Self, StoreError> {
        let url = Url::parse(url, &options)?;
        let named = Named::of(&url, &options);
        Ok(Self { url, options, named, idle: Mutex::new(Vec::new()) })
    }

    pub(super) const fn named(&self) -> &Named {
        &self.named
    }

    pub(super) const fn options(&self) -> &Options {
        &self.options
    }

    /// Reads. Each statement sees one state of the database; two may see two. Without a transaction of its own, save
    /// behind a pooler.
    pub(super) fn read<T>(&self, read: impl FnOnce(Session<'_>) -> Result<T, Fault>) -> Result<T, StoreError> {
        let mut link = self.link()?;
        let result = match self.options.pooling {
            Pooling::Session => read(link.session()),
            Pooling::Transaction => {
                let Link { connection, is_verified } = &mut link;
                let mut inner = None;
                let result = connection.build_transaction().read_committed().read_only().run(|connection| {
                    read(Session { connection, is_verified }).map_err(|fault| {
                        inner = Some(fault);
                        Error::RollbackTransaction
                    })
                });
                result.map_err(|error| inner.unwrap_or(Fault::Driver(error)))
            }
        };
        self.answer(link, result)
    }

    /// Writes in one transaction: all of it is kept, or nothing.
    pub(super) fn write<T>(&self, write: impl FnOnce(Session<'_>) -> Result<T, Fault>) -> Result<T, Failed> {
        let before = Failed::before;
        if self.options.read_only {
            return Err(before(StoreError::ReadOnly(self.named.database.clone())));
        }
        let mut link = self.link().map_err(before)?;
        let Link { connection, is_verified } = &mut link;
        let mut inner = None;
        let mut committing = false;
        // Whatever the role's default is: a guard is checked again against the newest row in this mode alone.
        let written = connection.build_transaction().read_committed().run(|connection| {
            match write(Session { connection, is_verified }) {
                Ok(value) => {
                    committing = true;
                    Ok(value)
                }
                Err(fault) => {
                    inner = Some(fault);
                    Err(Error::RollbackTransaction)
                }
            }
        });
        match (written, inner) {
            (Ok(value), _) => {
                self.keep(link);
                Ok(value)
            }
            (Err(error), Some(fault)) => {
                if error == Error::RollbackTransaction {
                    self.keep(link);
                }
                self.forget_where_broken(&fault);
                Err(before(self.named.error(fault)))
            }
            (Err(error), None) => {
                let phase = if !committing {
                    Phase::Before
                } else if is_answer(&error) {
                    Phase::Refused
                } else {
                    Phase::Commit
                };
                let fault = Fault::Driver(error);
                self.forget_where_broken(&fault);
                Err(Failed { error: self.named.error(fault), phase })
            }
        }
    }

    /// Does something on a connection of its own, in a transaction, and drops it.
    pub(super) fn apart<T>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, Fault>,
    ) -> Result<T, StoreError> {
        let mut connection = establish(&self.url, self.options.pooling, &self.named)?;
        let mut inner = None;
        let result = connection.build_transaction().read_committed().run(|connection| {
            work(connection).map_err(|fault| {
                inner = Some(fault);
                Error::RollbackTransaction
            })
        });
        result.map_err(|error| self.named.error(inner.unwrap_or(Fault::Driver(error))))
    }

    fn answer<T>(&self, link: Link, result: Result<T, Fault>) -> Result<T, StoreError> {
        match result {
            Ok(value) => {
                self.keep(link);
                Ok(value)
            }
            Err(fault) => {
                self.forget_where_broken(&fault);
                Err(self.named.error(fault))
            }
        }
    }

    fn forget_where_broken(&self, fault: &Fault) {
        let is_broken = match fault {
            Fault::Driver(error) => !is_answer(error),
            Fault::Store(error) => matches!(error, StoreError::Unreachable { .. }),
        };
        if is_broken {
            self.forget();
        }
    }

    fn link(&self) -> Result<Link, StoreError> {
        let kept = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match kept {
            Some(link) => Ok(link),
            None => {
                let connection = establish(&self.url, self.options.pooling, &self.named)?;
                Ok(Link { connection, is_verified: false })
            }
        }
    }

    fn keep(&self, link: Link) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(link);
        }
    }

    /// Drops the connections that are kept.
    pub(super) fn forget(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many are kept.
    #[cfg(all(test, feature = "contract"))]
    pub(super) fn idle(&self) -> usize {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// Whether the server has answered with this error, on a connection that still stands.
fn is_answer(error: &Error) -> bool {
    let Error::DatabaseError(kind, information) = error else {
        return *error == Error::RollbackTransaction;
    };
    let is_closed = matches!(kind, DatabaseErrorKind::ClosedConnection | DatabaseErrorKind::UnableToSendCommand);
    // A server that shuts down says so and closes; libpq notices it with the next call.
    !is_closed && !is_gone(information.message())
}
