//! The outbox.

statements! {
    POST = concat!(
    "INSERT INTO reaper_outbox (key, job_id, effect, created_at, due_at)
    SELECT :key, :job, :effect, at, at FROM (SELECT ",
    now!(),
    " AS at) WHERE true ON CONFLICT (key) DO NOTHING"
);

    /// Whether anything is due: asked before the database's lock is taken for it.
    ANY_DUE = concat!("SELECT EXISTS (SELECT 1 FROM reaper_outbox WHERE ", due!(), ")");

    DUE = concat!("SELECT seq, key, effect, tries FROM reaper_outbox WHERE ", due!(), " ORDER BY seq LIMIT :limit + 0");

    DUE_ADVANCES = concat!(
    "SELECT seq, key, effect, tries FROM reaper_outbox WHERE substr(effect, 1, 11) = '{\"advance\":' AND ",
    due!(),
    " ORDER BY seq LIMIT :limit + 0"
);

    DUE_KEYS = concat!(
    "SELECT seq, key, effect, tries FROM reaper_outbox WHERE key IN (SELECT value FROM json_each(:keys)) AND ",
    due!(),
    " ORDER BY seq LIMIT :limit + 0"
);

    LEASE = concat!(
    "UPDATE reaper_outbox SET lease_token = :token, leased_until = ",
    now!(),
    " + :lease, tries = min(tries + 1, 4294967295) WHERE seq = :seq"
);
}
