//! The texts as a golden file, and how PostgreSQL goes about them.
