//! Stories that are told once and shown on both databases.

/// The same story on both databases, told with a `Ground` of the caller's; on PostgreSQL where there is a server.
#[macro_export]
macro_rules! on_both {
    ($($(#[$doc:meta])* fn $name:ident($ground:ident: &Ground) $story:block)*) => {
        $(
            mod $name {
                use super::*;

                fn story($ground: &Ground) $story

                $(#[$doc])*
                #[test]
                fn sqlite() {
                    story(&Ground::on($crate::database::Kind::Sqlite).unwrap());
                }

                $(#[$doc])*
                #[test]
                fn postgres() {
                    if let Some(ground) = Ground::on($crate::database::Kind::Postgres) {
                        story(&ground);
                    }
                }
            }
        )*
    };
}
