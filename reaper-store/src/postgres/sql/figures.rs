//! Figures about the table, for people.

statements! {
    /// The longest payload is [`LONGEST_PAYLOAD`](crate::attempts::LONGEST_PAYLOAD).
    UNREADABLE_PAYLOADS = "SELECT id FROM jobs WHERE status = 'queued' AND octet_length(reaper_payload) > 262144
    ORDER BY id LIMIT :limit";

    CENSUS = "SELECT status::text, count(*) FROM jobs GROUP BY status";

    /// Tasks in no final stage that have neither a live job nor an advance on its way. An effect is a text: one that is
    /// no JSON hinders nobody.
    STALLED = "SELECT t.id, t.work_item_id::text, t.stage::text FROM tasks t
    WHERE t.stage::text <> ALL(:final_stages)
        AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.status IN ('queued', 'running') AND j.task_id = t.id)
        AND NOT EXISTS (SELECT 1 FROM reaper_outbox o WHERE o.state = 'pending'
            AND substring(o.effect FROM '^[{]\"advance\".[{]\"task\".([0-9]{1,18}),')::bigint = t.id)
    ORDER BY t.id LIMIT :limit";
}
