//! The seed's cases through the program, on PostgreSQL.

#[path = "seed_program.rs"]
mod postgres;
