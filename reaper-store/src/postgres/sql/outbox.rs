//! The outbox.

statements! {
    POST = concat!(
    "INSERT INTO reaper_outbox (key, job_id, effect, created_at, due_at)
    SELECT c.key, c.job, c.effect, n.at, n.at
    FROM unnest(:key, :job, :effect) AS c (key, job, effect), (SELECT ",
    now!(),
    ") AS n (at)
    ON CONFLICT (key) DO NOTHING"
);

    /// Whether anything is due: asked without a transaction.
    ANY_DUE = concat!("SELECT count(*) FROM (SELECT FROM reaper_outbox WHERE ", due!(), " LIMIT 1) AS due");

    /// What is due and nobody else is leasing at this moment. The guard is looked at again once a row is locked.
    DUE = concat!(
    "SELECT seq, key, effect, tries FROM reaper_outbox WHERE ",
    due!(),
    " ORDER BY seq LIMIT :limit FOR UPDATE SKIP LOCKED"
);

    DUE_ADVANCES = concat!(
    "SELECT seq, key, effect, tries FROM reaper_outbox WHERE starts_with(effect, '{\"advance\":') AND ",
    due!(),
    " ORDER BY seq LIMIT :limit FOR UPDATE SKIP LOCKED"
);

    DUE_KEYS = concat!(
    "SELECT seq, key, effect, tries FROM reaper_outbox WHERE key = ANY(:keys) AND ",
    due!(),
    " ORDER BY seq LIMIT :limit FOR UPDATE SKIP LOCKED"
);

    LEASE = concat!(
    "UPDATE reaper_outbox AS o SET lease_token = c.token, leased_until = ",
    now!(),
    " + :lease, tries = least(o.tries + 1, 4294967295)
    FROM unnest(:seq, :token) AS c (seq, token) WHERE o.seq = c.seq"
);
}
