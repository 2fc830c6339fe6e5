//! `reaper exec` with real processes: what becomes of a job whichever of the three processes ends first, and how.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by a panic, its helpers too")]

mod bond;
mod ends;
mod ground;
mod hold;
mod lost;
mod memory;
mod overrun;
mod pool;
mod said;
mod spool;
mod stopped;
mod stops;

/// The same story on both databases; on PostgreSQL where there is a server.
macro_rules! on_both {
    ($($(#[$doc:meta])* fn $name:ident($ground:ident: &Ground) $story:block)*) => {
        $(
            mod $name {
                use super::*;

                fn story($ground: &Ground) $story

                $(#[$doc])*
                #[test]
                fn sqlite() {
                    story(&Ground::on(reaper_tests::database::Kind::Sqlite).unwrap());
                }

                $(#[$doc])*
                #[test]
                fn postgres() {
                    if let Some(ground) = Ground::on(reaper_tests::database::Kind::Postgres) {
                        story(&ground);
                    }
                }
            }
        )*
    };
}
pub(crate) use on_both;
