//! The mode, the breaker, the note of the latest pass: one row of `reaper_settings` each.

use reaper_core::{Breakers, Mode};

use super::{
    Database, Driver, Fault, Statement,
    books::{self, Note, clock, json},
    row::{Raw, RawRow},
};
use crate::{
    Control, StoreError,
    control::{Ask, Follow, Opening, Outset, PassNote},
};

const MODE: &str = "mode";
const BREAKER: &str = "breaker";
const LATEST_PASS: &str = "latest_pass";

impl<S: Database> Control for S {
    fn outset(&self) -> Result<Option<Outset>, StoreError> {
        self.begin(&outset::<S::Driver>(Follow::Nodes), |_, rows, _| read_outset(rows, Follow::Nodes)).map(Some)
    }

    /// Two statements, which may see two states of the database: the load's is the later one.
    fn open<'a>(&self, follow: Follow, ask: &'a mut Ask<'a>) -> Result<Option<Opening>, StoreError> {
        let opening = self.begin(&outset::<S::Driver>(follow), |connection, rows, version| {
            let outset = read_outset(rows, follow)?;
            let page = match ask(&outset) {
                Some((wanted, limit)) => Some(connection.load(&wanted, limit)?),
                None => None,
            };
            Ok(Opening { version, outset, page })
        });
        opening.map(Some)
    }

    fn mode(&self) -> Result<Mode, StoreError> {
        self.read(mode)
    }

    fn set_mode(&self, new: Mode) -> Result<Mode, StoreError> {
        self.write(|connection| {
            // One that cannot be read allowed nothing, and a person must be able to set it right.
            let before = match mode(connection) {
                Err(Fault::Store(StoreError::Corrupt { .. })) => Mode::Off,
                mode => mode?,
            };
            set(connection, MODE, new.as_str())?;
            connection.note_all(&[Note::of_mode(before, new)])?;
            Ok(before)
        })
    }

    fn breaker(&self) -> Result<Breakers, StoreError> {
        Ok(self.read(|connection| parsed(connection, BREAKER, "breaker"))?.unwrap_or_default())
    }

    fn set_breaker(&self, breaker: &Breakers) -> Result<(), StoreError> {
        self.write(|connection| set(connection, BREAKER, &json(breaker)?))
    }

    fn latest_pass(&self) -> Result<Option<PassNote>, StoreError> {
        self.read(|connection| parsed(connection, LATEST_PASS, "note of the latest pass"))
    }

    fn note_pass(&self, note: &PassNote) -> Result<(), StoreError> {
        self.write(|connection| set(connection, LATEST_PASS, &json(note)?))
    }
}

/// What a pass has to know first: a row for each node, or one row where none is asked for or there is none.
fn outset<D: Driver>(follow: Follow) -> Statement<'static> {
    let nodes = i64::from(follow == Follow::Nodes);
    Statement::new(D::OUTSET, [("mode", MODE.into()), ("breaker", BREAKER.into()), ("nodes", nodes.into())])
}

fn read_outset(rows: Vec<RawRow>, follow: Follow) -> Result<Outset, Fault> {
    let (mut known, mut nodes) = (None, Vec::new());
    for mut row in rows {
        let (now, mode, breaker, due) = (row.next_int(), row.next(), row.next(), row.next_int());
        if known.is_none() {
            let breaker = books::setting(text(breaker), "breaker")?.unwrap_or_default();
            known = Some((clock(now)?, books::mode(text(mode))?, breaker, due != Some(0)));
        }
        nodes.extend(books::node_beside(row)?);
    }
    let none = || StoreError::Corrupt { what: "outset", problem: "no row stands for it".into() };
    let (now, mode, breaker, effects_due) = known.ok_or_else(none)?;
    Ok(Outset { now, mode, breaker, effects_due, nodes: (follow == Follow::Nodes).then_some(nodes) })
}

/// The stored mode.
fn mode(connection: &mut impl Driver) -> Result<Mode, Fault> {
    Ok(books::mode(text(setting(connection, MODE)?))?)
}

/// The stored mode, in a transaction that it binds: whoever sets another one is answered when that has ended.
pub(super) fn binding_mode<D: Driver>(connection: &mut D) -> Result<Mode, Fault> {
    Ok(books::mode(text(value(connection, D::SETTING_HELD, MODE)?))?)
}

/// The stored value; NULL where there is none, for the column takes none.
fn setting<D: Driver>(connection: &mut D, key: &str) -> Result<Raw, Fault> {
    value(connection, D::SETTING, key)
}

fn value<D: Driver>(connection: &mut D, read: &'static str, key: &str) -> Result<Raw, Fault> {
    let row = Statement::new(read, [("key", key.into())]).first_row(connection)?;
    Ok(row.map(|mut row| row.next()).unwrap_or_default())
}

/// A value's text; an empty one where it is something else, which no setting is.
fn text(stored: Raw) -> Option<String> {
    match stored {
        Raw::Null => None,
        Raw::Text(text) => Some(text),
        Raw::Int(_) | Raw::Real(_) | Raw::Bytes(..) | Raw::Long(_) => Some(String::new()),
    }
}

fn set<D: Driver>(connection: &mut D, key: &str, value: &str) -> Result<(), Fault> {
    Statement::new(D::SET, [("key", key.into()), ("value", value.into())]).run(connection)?;
    Ok(())
}

fn parsed<T: serde::de::DeserializeOwned>(
    connection: &mut impl Driver,
    key: &str,
    what: &'static str,
) -> Result<Option<T>, Fault> {
    Ok(books::setting(text(setting(connection, key)?), what)?)
}
