//! The outbox.

macro_rules! leased {
    () => {
        " WHERE key = :key AND state = 'pending' AND lease_token = :token"
    };
}

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

    DELIVERED = concat!(
    "UPDATE reaper_outbox SET state = 'done', note = :note, lease_token = NULL, leased_until = NULL, done_at = ",
    now!(),
    leased!()
);

    DELIVER_AGAIN = concat!(
    "UPDATE reaper_outbox SET note = :note, lease_token = NULL, leased_until = NULL, due_at = ",
    now!(),
    " + :wait",
    leased!()
);

    DELIVERY_DEAD = concat!(
    "UPDATE reaper_outbox SET state = 'dead', note = :note, lease_token = NULL, leased_until = NULL",
    leased!()
);

    REVIVE = concat!("UPDATE reaper_outbox SET state = 'pending', tries = 0, due_at = ", now!(), " WHERE key = :key AND state = 'dead'");

    DISCARD = concat!(
    "UPDATE reaper_outbox SET state = 'done', note = 'dropped by a person', lease_token = NULL, leased_until = NULL, done_at = ",
    now!(),
    " WHERE key = :key AND state IN ('pending', 'dead')"
);

    UNDELIVERED = "SELECT key, effect, state, tries, created_at, due_at, note FROM reaper_outbox
    WHERE state IN ('pending', 'dead') ORDER BY seq LIMIT :limit";
}
