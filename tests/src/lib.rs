//! What the whole-system tests share: a database of their own each, jobs made with plain SQL, fakes behind the traits.

pub mod database;
pub mod fakes;
pub mod jobs;
pub mod processes;
pub mod program;
