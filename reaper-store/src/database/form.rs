//! The form of a statement: its text taken apart at the named places for values. The databases' statements share it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A value and its name.
pub(crate) type Named<V> = (&'static str, V);

/// A text with named places (`:job`; `::` is a cast), taken apart, and which value of a list stands at each. A name may
/// stand at several places.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pieces: Arc<Pieces>,
    /// For each place, where its value stands in the list; nothing where none has its name.
    order: Vec<Option<usize>>,
}

#[derive(Debug)]
struct Pieces {
    /// The text before each place, and the name at it.
    places: Vec<(String, &'static str)>,
    end: &'static str,
}

impl Form {
    /// Takes a text apart, for lists of values with these names in this order. Each text is taken apart once.
    pub(crate) fn new<V>(sql: &'static str, values: &[Named<V>]) -> Self {
        static KNOWN: Mutex<BTreeMap<(usize, usize), Arc<Pieces>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        // A text that is never freed is known by where it lies.
        let pieces = known.entry((sql.as_ptr().addr(), sql.len())).or_insert_with(|| Arc::new(Pieces::of(sql)));
        let mut form = Self { pieces: Arc::clone(pieces), order: Vec::new() };
        drop(known);
        form.arrange(values);
        form
    }

    /// The same text for another list.
    pub(crate) fn arrange<V>(&mut self, values: &[Named<V>]) {
        let at = |name: &str| values.iter().position(|(known, _)| *known == name);
        self.order = self.pieces.places.iter().map(|(_, name)| at(name)).collect();
    }

    /// The text before each place, the name at it, and where its value stands in the list.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&str, &'static str, Option<usize>)> {
        self.pieces.places.iter().zip(&self.order).map(|((before, name), at)| (before.as_str(), *name, *at))
    }

    /// The text after the last place.
    pub(crate) fn end(&self) -> &'static str {
        self.pieces.end
    }
}

impl Pieces {
    fn of(sql: &'static str) -> Self {
        let (mut places, mut before, mut rest) = (Vec::new(), String::new(), sql);
        while let Some((text, after)) = rest.split_once(':') {
            before.push_str(text);
            let end = after.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(after.len());
            let (name, tail) = after.split_at(end);
            if !name.is_empty() {
                places.push((std::mem::take(&mut before), name));
                rest = tail;
            } else if let Some(tail) = after.strip_prefix(':') {
                before.push_str("::");
                rest = tail;
            } else {
                // A colon in a literal.
                before.push(':');
                rest = after;
            }
        }
        if before.is_empty() {
            return Self { places, end: rest };
        }
        before.push_str(rest);
        // What follows the last place is borrowed: the end of the text, with whatever casts are in it.
        let end = sql.get(sql.len().saturating_sub(before.len())..).unwrap_or_default();
        Self { places, end }
    }
}
