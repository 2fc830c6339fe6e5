//! The instances: a table of a few rows.

use reaper_core::{Incarnation, instance::Place};

use super::{
    Database, Driver as _, Named, Statement, Texts,
    books::{Note, incarnation, place},
};
use crate::{Instances, StoreError};

impl<S: Database> Instances for S {
    fn register(&self, instance: &str, at: &Place) -> Result<(), StoreError> {
        self.write(|connection| {
            let of = |sql| Statement::new(sql, named(at)).with([("instance", instance.into())]);
            // The ones before those: a take of the container before may still be on its way to be seen.
            Statement::new(S::Driver::FORGET_INCARNATIONS, []).run(connection)?;
            let mut notes = Vec::new();
            for mut row in of(S::Driver::SUPERSEDE).rows(connection)? {
                notes.push(Note::of_superseded(instance, &place(&mut row)?));
            }
            connection.note_all(&notes)?;
            Ok(of(S::Driver::REGISTER).run(connection).map(drop)?)
        })
    }

    fn note_start(&self, at: &Place, start: u64) -> Result<(), StoreError> {
        let start = i64::try_from(start).unwrap_or(i64::MAX);
        self.write(|connection| {
            let note = Statement::new(S::Driver::NOTE_START, named(at)).with([("start", start.into())]);
            Ok(note.run(connection).map(drop)?)
        })
    }

    fn incarnations(&self) -> Result<Vec<Incarnation>, StoreError> {
        self.read(|connection| {
            let rows = Statement::new(S::Driver::INCARNATIONS, []).rows(connection)?;
            Ok(rows.into_iter().map(incarnation).collect::<Result<_, _>>()?)
        })
    }
}

fn named(place: &Place) -> [Named<'_>; 3] {
    // An inode of a namespace is a number of 32 bits.
    let inode = i64::try_from(place.pid_namespace).unwrap_or(i64::MAX);
    [("host", (&place.host).into()), ("boot", (&place.boot).into()), ("pid_namespace", inode.into())]
}
