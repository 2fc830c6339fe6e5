//! The seed's cases on PostgreSQL.

#[path = "seed.rs"]
mod postgres;
