//! What is told in the same words on every database.

same_texts!();
