//! The mode, the breaker, the note of the latest pass: one row of `reaper_settings` each.

use diesel::PgConnection;
use reaper_core::{Breakers, Mode};

use super::{
    PostgresStore, claims::note_all, fault::Fault, load::load_on, pool::Session, schema, sql, statement::Statement,
};
use crate::{
    Control, StoreError,
    books::{self, Note, clock, json},
    control::{Ask, Follow, Opening, Outset, PassNote},
};

const MODE: &str = "mode";
const BREAKER: &str = "breaker";
const LATEST_PASS: &str = "latest_pass";

impl Control for PostgresStore {
    fn outset(&self) -> Result<Option<Outset>, StoreError> {
        self.pool.read(|mut session| outset(&mut session, self.database(), Follow::Nodes)).map(Some)
    }

    /// Two statements, which see two states of the database: the load's is the later one.
    fn open<'a>(&self, follow: Follow, ask: &'a mut Ask<'a>) -> Result<Option<Opening>, StoreError> {
        let opening = self.pool.read(|mut session| {
            let outset = outset(&mut session, self.database(), follow)?;
            let page = match ask(&outset) {
                Some((wanted, limit)) => Some(load_on(session.connection, &wanted, limit)?),
                None => None,
            };
            Ok(Opening { version: None, outset, page })
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
            note_all(connection, &[Note::of_mode(before, new)])?;
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
fn outset(session: &mut Session<'_>, database: &str, follow: Follow) -> Result<Outset, Fault> {
    let follows = follow == Follow::Nodes;
    let values = [("mode", MODE.into()), ("breaker", BREAKER.into()), ("nodes", i64::from(follows).into())];
    let (mut known, mut nodes) = (None, Vec::new());
    for mut row in Statement::new(sql::OUTSET, values).rows(session.connection)? {
        if known.is_none() {
            schema::check_row(session, Some(&mut row), database)?;
            let (now, mode) = (clock(row.next_int())?, books::mode(row.next_text())?);
            let breaker = books::setting(row.next_text(), "breaker")?.unwrap_or_default();
            known = Some((now, mode, breaker, row.next_int() != Some(0)));
        } else {
            (0..6).for_each(|_| drop(row.next()));
        }
        nodes.extend(books::node_beside(row)?);
    }
    let none = || StoreError::Corrupt { what: "outset", problem: "no row stands for it".into() };
    let (now, mode, breaker, effects_due) = known.ok_or_else(none)?;
    Ok(Outset { now, mode, breaker, effects_due, nodes: follows.then_some(nodes) })
}

/// The stored mode.
pub(super) fn mode(connection: &mut PgConnection) -> Result<Mode, Fault> {
    Ok(books::mode(setting(connection, MODE)?)?)
}

fn setting(connection: &mut PgConnection, key: &str) -> Result<Option<String>, Fault> {
    let row = Statement::new(sql::SETTING, [("key", key.into())]).first_row(connection)?;
    Ok(row.map(|mut row| row.next_text().unwrap_or_default()))
}

fn set(connection: &mut PgConnection, key: &str, value: &str) -> Result<(), Fault> {
    Statement::new(sql::SET, [("key", key.into()), ("value", value.into())]).run(connection)?;
    Ok(())
}

fn parsed<T: serde::de::DeserializeOwned>(
    connection: &mut PgConnection,
    key: &str,
    what: &'static str,
) -> Result<Option<T>, Fault> {
    Ok(books::setting(setting(connection, key)?, what)?)
}
