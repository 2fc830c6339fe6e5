-- OUTSET
SELECT c.*, n.host, n.boot, n.state, n.beat, n.beat_at, n.ttl_ms, n.reaper FROM (SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), (SELECT value FROM reaper_settings WHERE key = :mode), (SELECT value FROM reaper_settings WHERE key = :breaker),
    EXISTS (SELECT 1 FROM reaper_outbox WHERE state = 'pending' AND due_at <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AND (leased_until IS NULL OR leased_until <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)))) c LEFT JOIN reaper_nodes n ON :nodes;

-- DATA_VERSION
PRAGMA data_version;

-- LOAD
SELECT c.now, p.part, p.k, j.id, j.reaper_fence, j.status, j.agent, j.repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id FROM (SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS now) c LEFT JOIN (
    SELECT * FROM (SELECT 0 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at IS NULL
            AND id > :after_timeless_exits
        ORDER BY id LIMIT :limit_timeless_exits + 0)
    UNION ALL SELECT * FROM (SELECT 1 AS part, reaper_exit_at AS k, id FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at <= :exits_until
            AND (reaper_exit_at, id) > (:key_exits, :after_exits)
        ORDER BY reaper_exit_at, id LIMIT :limit_exits + 0)
    UNION ALL SELECT * FROM (SELECT 2 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at IS NULL
            AND id > :after_timeless_starts
        ORDER BY id LIMIT :limit_timeless_starts + 0)
    UNION ALL SELECT * FROM (SELECT 3 AS part, reaper_started_at AS k, id FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at <= :started_until
            AND (reaper_started_at, id) > (:key_starts, :after_starts)
        ORDER BY reaper_started_at, id LIMIT :limit_starts + 0)
    UNION ALL SELECT * FROM (SELECT 4 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_late
        WHERE status = 'queued' AND reaper_exit_code = 0 AND id > :after_late
        ORDER BY id LIMIT :limit_late + 0)
    UNION ALL SELECT * FROM (SELECT 5 AS part, NULL AS k, id FROM jobs
        WHERE id IN (SELECT value FROM json_each(:suspects)) AND id > :after_suspects AND status = 'running' AND CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at > :started_until ELSE reaper_exit_at > :exits_until END
        ORDER BY id LIMIT :limit_suspects + 0)
    UNION ALL SELECT * FROM (SELECT 6 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_executor
        WHERE status = 'running' AND reaper_executor IS NOT NULL AND substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = :host AND id > :after_executors AND CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at > :started_until ELSE reaper_exit_at > :exits_until END AND id NOT IN (SELECT value FROM json_each(:suspects))
        ORDER BY id LIMIT :limit_executors + 0)
    UNION ALL SELECT * FROM (SELECT 7 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_monitor
        WHERE status = 'running' AND reaper_monitor IS NOT NULL AND substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = :host AND id > :after_monitors AND CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at > :started_until ELSE reaper_exit_at > :exits_until END AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) IS NOT :host
        ORDER BY id LIMIT :limit_monitors + 0)
    UNION ALL SELECT * FROM (SELECT 8 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_bare
        WHERE status = 'running' AND reaper_executor IS NULL AND pid IS NOT NULL AND id > :after_bare AND CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at > :started_until ELSE reaper_exit_at > :exits_until END AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND coalesce(reaper_inherited, 0) & 1 = 0 AND substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) IS NOT :host
        ORDER BY id LIMIT :limit_bare + 0)
    UNION ALL SELECT * FROM (SELECT 9 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_executor
        WHERE status = 'running' AND reaper_executor IS NOT NULL AND id > :after_lost_executors AND substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) IN (SELECT json_extract(value, '$[0]') FROM json_each(:lost))
            AND EXISTS (SELECT 1 FROM json_each(:lost) l
                WHERE substr(reaper_executor, 1, length(json_extract(l.value, '$[1]'))) = json_extract(l.value, '$[1]')
                    AND (json_extract(l.value, '$[2]') OR coalesce(reaper_node_bound, 0) = 1)) AND CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at > :started_until ELSE reaper_exit_at > :exits_until END AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND NOT ((coalesce(substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = :host, 0) OR coalesce(substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = :host, 0)
            OR (:bare AND reaper_executor IS NULL AND pid IS NOT NULL AND coalesce(reaper_inherited, 0) & 1 = 0)) AND (:since IS NULL
                OR CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at ELSE reaper_exit_at END >= :since))
        ORDER BY id LIMIT :limit_lost_executors + 0)
    UNION ALL SELECT * FROM (SELECT 10 AS part, NULL AS k, id FROM jobs INDEXED BY reaper_jobs_monitor
        WHERE status = 'running' AND reaper_monitor IS NOT NULL AND id > :after_lost_monitors AND substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) IN (SELECT json_extract(value, '$[0]') FROM json_each(:lost))
            AND EXISTS (SELECT 1 FROM json_each(:lost) l
                WHERE substr(reaper_monitor, 1, length(json_extract(l.value, '$[1]'))) = json_extract(l.value, '$[1]')
                    AND (json_extract(l.value, '$[2]') OR coalesce(reaper_node_bound, 0) = 1)) AND CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at > :started_until ELSE reaper_exit_at > :exits_until END AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND NOT ((coalesce(substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = :host, 0) OR coalesce(substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = :host, 0)
            OR (:bare AND reaper_executor IS NULL AND pid IS NOT NULL AND coalesce(reaper_inherited, 0) & 1 = 0)) AND (:since IS NULL
                OR CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at ELSE reaper_exit_at END >= :since)) AND NOT (reaper_executor IS NOT NULL AND substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) IN (SELECT json_extract(value, '$[0]') FROM json_each(:lost))
            AND EXISTS (SELECT 1 FROM json_each(:lost) l
                WHERE substr(reaper_executor, 1, length(json_extract(l.value, '$[1]'))) = json_extract(l.value, '$[1]')
                    AND (json_extract(l.value, '$[2]') OR coalesce(reaper_node_bound, 0) = 1)))
        ORDER BY id LIMIT :limit_lost_monitors + 0)
    UNION ALL SELECT * FROM (SELECT 11 AS part, reaper_started_at AS k, id FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL
            AND (reaper_started_at, id) > (:key_new_starts, :after_new_starts) AND +reaper_started_at > :started_until
            AND id NOT IN (SELECT value FROM json_each(:suspects)) AND (coalesce(substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = :host, 0) OR coalesce(substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = :host, 0)
            OR (:bare AND reaper_executor IS NULL AND pid IS NOT NULL AND coalesce(reaper_inherited, 0) & 1 = 0))
        ORDER BY reaper_started_at, id LIMIT :limit_new_starts + 0)
    UNION ALL SELECT * FROM (SELECT 12 AS part, reaper_exit_at AS k, id FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL
            AND (reaper_exit_at, id) > (:key_new_exits, :after_new_exits) AND +reaper_exit_at > :exits_until
            AND id NOT IN (SELECT value FROM json_each(:suspects)) AND (coalesce(substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = :host, 0) OR coalesce(substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = :host, 0)
            OR (:bare AND reaper_executor IS NULL AND pid IS NOT NULL AND coalesce(reaper_inherited, 0) & 1 = 0))
        ORDER BY reaper_exit_at, id LIMIT :limit_new_exits + 0)
    UNION ALL SELECT * FROM (SELECT 13 AS part, reaper_beat_at AS k, id FROM jobs INDEXED BY reaper_jobs_beat
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_beat_at <= :beats_until
            AND (reaper_beat_at, id) > (:key_beats, :after_beats) AND CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at > :started_until ELSE reaper_exit_at > :exits_until END AND id NOT IN (SELECT value FROM json_each(:suspects))
            AND NOT ((coalesce(substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = :host, 0) OR coalesce(substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = :host, 0)
            OR (:bare AND reaper_executor IS NULL AND pid IS NOT NULL AND coalesce(reaper_inherited, 0) & 1 = 0)) AND (:since IS NULL
                OR CASE WHEN reaper_exit_code IS NULL THEN reaper_started_at ELSE reaper_exit_at END >= :since)) AND NOT (reaper_executor IS NOT NULL AND substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) IN (SELECT json_extract(value, '$[0]') FROM json_each(:lost))
            AND EXISTS (SELECT 1 FROM json_each(:lost) l
                WHERE substr(reaper_executor, 1, length(json_extract(l.value, '$[1]'))) = json_extract(l.value, '$[1]')
                    AND (json_extract(l.value, '$[2]') OR coalesce(reaper_node_bound, 0) = 1))) AND NOT (reaper_monitor IS NOT NULL AND substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) IN (SELECT json_extract(value, '$[0]') FROM json_each(:lost))
            AND EXISTS (SELECT 1 FROM json_each(:lost) l
                WHERE substr(reaper_monitor, 1, length(json_extract(l.value, '$[1]'))) = json_extract(l.value, '$[1]')
                    AND (json_extract(l.value, '$[2]') OR coalesce(reaper_node_bound, 0) = 1)))
        ORDER BY reaper_beat_at, id LIMIT :limit_beats + 0)
) p LEFT JOIN jobs j ON j.id = p.id LEFT JOIN tasks t ON t.id = j.task_id;

-- UPCOMING
SELECT
    (SELECT reaper_exit_at FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_exit_at > :exits_until
        ORDER BY reaper_exit_at LIMIT 1),
    (SELECT reaper_started_at FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at > :started_until
        ORDER BY reaper_started_at LIMIT 1),
    (SELECT min(max(due_at, coalesce(leased_until, due_at))) FROM reaper_outbox WHERE state = 'pending');

-- JOB
SELECT j.id, j.reaper_fence, j.status, j.agent, j.repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id FROM jobs j LEFT JOIN tasks t ON t.id = j.task_id WHERE j.id = :job;

-- RUNNING
SELECT
    (SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL LIMIT :limit + 0))
    + (SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL LIMIT :limit + 0));

-- BEATING
SELECT count(*) FROM (SELECT 1 FROM jobs INDEXED BY reaper_jobs_beat
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_beat_at > :after AND NOT (coalesce(substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = :host, 0) OR coalesce(substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = :host, 0)
            OR (:bare AND reaper_executor IS NULL AND pid IS NOT NULL AND coalesce(reaper_inherited, 0) & 1 = 0)) LIMIT :limit + 0);

-- UNREADABLE_PAYLOADS
SELECT id FROM jobs INDEXED BY reaper_jobs_queued
    WHERE status = 'queued' AND reaper_payload IS NOT NULL
        AND (typeof(reaper_payload) <> 'text' OR length(CAST(reaper_payload AS BLOB)) > 262144)
    ORDER BY id LIMIT :limit + 0;

-- CENSUS
SELECT status, count(*) FROM jobs GROUP BY status;

-- OLDEST_RUNNING
SELECT id, k FROM (
    SELECT * FROM (SELECT reaper_started_at AS k, id FROM jobs INDEXED BY reaper_jobs_age
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at IS NOT NULL
        ORDER BY reaper_started_at, id LIMIT 1)
    UNION ALL SELECT * FROM (SELECT reaper_started_at AS k, id FROM jobs INDEXED BY reaper_jobs_exit
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_started_at IS NOT NULL
        ORDER BY reaper_started_at, id LIMIT 1)
    ) ORDER BY k, id LIMIT 1;

-- STALLED
SELECT t.id, t.work_item_id, t.stage FROM tasks t
    WHERE t.stage NOT IN (SELECT value FROM json_each(:final_stages))
        AND t.id NOT IN (SELECT task_id FROM jobs INDEXED BY reaper_jobs_live
            WHERE status IN ('queued', 'running') AND task_id IS NOT NULL)
        AND t.id NOT IN (SELECT task FROM (
            SELECT CASE WHEN json_valid(effect) THEN json_extract(effect, '$.advance.task') END AS task
            FROM reaper_outbox WHERE state = 'pending') WHERE task IS NOT NULL)
    ORDER BY t.id LIMIT :limit + 0;

-- CLAIM_DONE
UPDATE jobs SET status = 'done' WHERE id = :job AND status = :status AND coalesce(reaper_fence, 0) = :fence
    AND CASE WHEN coalesce(reaper_inherited, 0) & 2 = 0 THEN run_id END IS :run
    AND CASE WHEN coalesce(reaper_inherited, 0) & 1 = 0 THEN pid END IS :pid
    AND reaper_started_at IS :started_at AND reaper_exit_code IS :exit_code AND reaper_exit_at IS :exit_at
    AND reaper_attach IS :attach AND reaper_beat IS :beat AND reaper_terminating_at IS :terminating_at;

-- CLAIM_FAIL
UPDATE jobs SET status = 'failed', reaper_last_error = :reason WHERE id = :job AND status = :status AND coalesce(reaper_fence, 0) = :fence
    AND CASE WHEN coalesce(reaper_inherited, 0) & 2 = 0 THEN run_id END IS :run
    AND CASE WHEN coalesce(reaper_inherited, 0) & 1 = 0 THEN pid END IS :pid
    AND reaper_started_at IS :started_at AND reaper_exit_code IS :exit_code AND reaper_exit_at IS :exit_at
    AND reaper_attach IS :attach AND reaper_beat IS :beat AND reaper_terminating_at IS :terminating_at;

-- CLAIM_REQUEUE
UPDATE jobs SET status = 'queued', pid = NULL, reaper_exit_code = NULL, reaper_exit_at = NULL,
    reaper_attach = NULL, reaper_node_bound = NULL, reaper_executor = NULL, reaper_monitor = NULL, reaper_beat = NULL, reaper_beat_at = NULL,
    reaper_terminating_at = NULL, reaper_available_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) + :wait, reaper_last_error = :reason,
    reaper_rescues = min(coalesce(reaper_rescues, 0) * :keep + :add, 4294967295) WHERE id = :job AND status = :status AND coalesce(reaper_fence, 0) = :fence
    AND CASE WHEN coalesce(reaper_inherited, 0) & 2 = 0 THEN run_id END IS :run
    AND CASE WHEN coalesce(reaper_inherited, 0) & 1 = 0 THEN pid END IS :pid
    AND reaper_started_at IS :started_at AND reaper_exit_code IS :exit_code AND reaper_exit_at IS :exit_at
    AND reaper_attach IS :attach AND reaper_beat IS :beat AND reaper_terminating_at IS :terminating_at
    AND (:cap IS NULL OR (attempts < max_attempts AND coalesce(reaper_rescues, 0) < :cap));

-- CLAIM_TERMINATE
UPDATE jobs SET reaper_terminating_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) WHERE id = :job AND status = :status AND coalesce(reaper_fence, 0) = :fence
    AND CASE WHEN coalesce(reaper_inherited, 0) & 2 = 0 THEN run_id END IS :run
    AND CASE WHEN coalesce(reaper_inherited, 0) & 1 = 0 THEN pid END IS :pid
    AND reaper_started_at IS :started_at AND reaper_exit_code IS :exit_code AND reaper_exit_at IS :exit_at
    AND reaper_attach IS :attach AND reaper_beat IS :beat AND reaper_terminating_at IS :terminating_at
    AND NOT EXISTS (SELECT 1 FROM jobs o INDEXED BY reaper_jobs_executor
        WHERE o.status = 'running' AND o.reaper_executor IS NOT NULL AND substr(o.reaper_executor, 1, instr(o.reaper_executor, '/') - 1) = substr(jobs.reaper_executor, 1, instr(jobs.reaper_executor, '/') - 1)
            AND o.reaper_executor = jobs.reaper_executor AND o.id <> jobs.id);

-- CLAIM_DISMISS
UPDATE jobs SET reaper_exit_code = NULL, reaper_exit_at = NULL WHERE id = :job AND status = :status AND coalesce(reaper_fence, 0) = :fence
    AND CASE WHEN coalesce(reaper_inherited, 0) & 2 = 0 THEN run_id END IS :run
    AND CASE WHEN coalesce(reaper_inherited, 0) & 1 = 0 THEN pid END IS :pid
    AND reaper_started_at IS :started_at AND reaper_exit_code IS :exit_code AND reaper_exit_at IS :exit_at
    AND reaper_attach IS :attach AND reaper_beat IS :beat AND reaper_terminating_at IS :terminating_at;

-- EVENT
INSERT INTO reaper_events
    (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence, agent, signature,
    run_id, young)
VALUES (:id, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job, :fence, :actor, :action, :rule, :reason, :from_status, :to_status, :evidence, :agent, :signature, :run, :young);

-- EVENTS
INSERT INTO reaper_events
    (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence, agent, signature,
    run_id, young)
VALUES (:id_a, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_a, :fence_a, :actor_a, :action_a, :rule_a, :reason_a, :from_status_a, :to_status_a, :evidence_a, :agent_a, :signature_a, :run_a, :young_a), (:id_b, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_b, :fence_b, :actor_b, :action_b, :rule_b, :reason_b, :from_status_b, :to_status_b, :evidence_b, :agent_b, :signature_b, :run_b, :young_b), (:id_c, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_c, :fence_c, :actor_c, :action_c, :rule_c, :reason_c, :from_status_c, :to_status_c, :evidence_c, :agent_c, :signature_c, :run_c, :young_c), (:id_d, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_d, :fence_d, :actor_d, :action_d, :rule_d, :reason_d, :from_status_d, :to_status_d, :evidence_d, :agent_d, :signature_d, :run_d, :young_d), (:id_e, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_e, :fence_e, :actor_e, :action_e, :rule_e, :reason_e, :from_status_e, :to_status_e, :evidence_e, :agent_e, :signature_e, :run_e, :young_e), (:id_f, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_f, :fence_f, :actor_f, :action_f, :rule_f, :reason_f, :from_status_f, :to_status_f, :evidence_f, :agent_f, :signature_f, :run_f, :young_f), (:id_g, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_g, :fence_g, :actor_g, :action_g, :rule_g, :reason_g, :from_status_g, :to_status_g, :evidence_g, :agent_g, :signature_g, :run_g, :young_g), (:id_h, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_h, :fence_h, :actor_h, :action_h, :rule_h, :reason_h, :from_status_h, :to_status_h, :evidence_h, :agent_h, :signature_h, :run_h, :young_h), (:id_i, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_i, :fence_i, :actor_i, :action_i, :rule_i, :reason_i, :from_status_i, :to_status_i, :evidence_i, :agent_i, :signature_i, :run_i, :young_i), (:id_j, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_j, :fence_j, :actor_j, :action_j, :rule_j, :reason_j, :from_status_j, :to_status_j, :evidence_j, :agent_j, :signature_j, :run_j, :young_j), (:id_k, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_k, :fence_k, :actor_k, :action_k, :rule_k, :reason_k, :from_status_k, :to_status_k, :evidence_k, :agent_k, :signature_k, :run_k, :young_k), (:id_l, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_l, :fence_l, :actor_l, :action_l, :rule_l, :reason_l, :from_status_l, :to_status_l, :evidence_l, :agent_l, :signature_l, :run_l, :young_l), (:id_m, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_m, :fence_m, :actor_m, :action_m, :rule_m, :reason_m, :from_status_m, :to_status_m, :evidence_m, :agent_m, :signature_m, :run_m, :young_m), (:id_n, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_n, :fence_n, :actor_n, :action_n, :rule_n, :reason_n, :from_status_n, :to_status_n, :evidence_n, :agent_n, :signature_n, :run_n, :young_n), (:id_o, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_o, :fence_o, :actor_o, :action_o, :rule_o, :reason_o, :from_status_o, :to_status_o, :evidence_o, :agent_o, :signature_o, :run_o, :young_o), (:id_p, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :job_p, :fence_p, :actor_p, :action_p, :rule_p, :reason_p, :from_status_p, :to_status_p, :evidence_p, :agent_p, :signature_p, :run_p, :young_p);

-- EVENTS_KNOWN
SELECT count(*) FROM reaper_events WHERE id IN (SELECT value FROM json_each(:ids));

-- REQUEUE_ALL_EVENTS
INSERT INTO reaper_events
        (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence)
    SELECT max(1, random() & 9223372036854775807), CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), id, coalesce(reaper_fence, 0), :actor, 'requeue_all', '', :reason, 'running', 'queued', 'null'
    FROM jobs WHERE status = 'running' ORDER BY id;

-- REQUEUE_ALL
UPDATE jobs SET status = 'queued', pid = NULL, reaper_exit_code = NULL, reaper_exit_at = NULL,
    reaper_attach = NULL, reaper_node_bound = NULL, reaper_executor = NULL, reaper_monitor = NULL, reaper_beat = NULL, reaper_beat_at = NULL,
    reaper_terminating_at = NULL, reaper_available_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) WHERE status = 'running';

-- BEAT_NODE
INSERT INTO reaper_nodes (host, boot, state, beat, beat_at, ttl_ms, reaper)
    VALUES (:host, :boot, 'up', 1, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :ttl, :reaper)
    ON CONFLICT (host, boot) DO UPDATE SET state = 'up', beat = beat + 1, beat_at = excluded.beat_at,
        ttl_ms = excluded.ttl_ms, reaper = excluded.reaper
    WHERE state <> 'declared_dead';

-- BOOTS
SELECT boot FROM reaper_nodes WHERE host = :host
    UNION SELECT substr(rest, 1, instr(rest, '/') - 1) FROM (
        SELECT substr(reaper_executor, length(:host) + 2) AS rest FROM jobs INDEXED BY reaper_jobs_executor
        WHERE status = 'running' AND reaper_executor IS NOT NULL AND substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = :host
        UNION ALL SELECT substr(reaper_monitor, length(:host) + 2) FROM jobs INDEXED BY reaper_jobs_monitor
        WHERE status = 'running' AND reaper_monitor IS NOT NULL AND substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = :host)
    ORDER BY 1;

-- NODES
SELECT host, boot, state, beat, beat_at, ttl_ms, reaper FROM reaper_nodes ORDER BY host, boot;

-- PRUNE_NODES
DELETE FROM reaper_nodes WHERE beat_at < :before
        AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY reaper_jobs_executor
            WHERE status = 'running' AND reaper_executor IS NOT NULL AND substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = reaper_nodes.host
                AND substr(reaper_executor, 1, length(host) + length(boot) + 2) = host || '/' || boot || '/')
        AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY reaper_jobs_monitor
            WHERE status = 'running' AND reaper_monitor IS NOT NULL AND substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = reaper_nodes.host
                AND substr(reaper_monitor, 1, length(host) + length(boot) + 2) = host || '/' || boot || '/')
        AND NOT EXISTS (SELECT 1 FROM reaper_events INDEXED BY reaper_events_job
            WHERE job_id IS NULL AND action = 'declare_dead' AND reason = host || '/' || boot);

-- REGISTER
INSERT INTO reaper_incarnations (host, boot, pid_namespace, instance, at)
    VALUES (:host, :boot, :pid_namespace, :instance, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))
    ON CONFLICT (host, boot, pid_namespace) DO UPDATE
        SET instance = excluded.instance, at = excluded.at, superseded_at = NULL, seen_start = NULL
    WHERE instance <> excluded.instance OR superseded_at IS NOT NULL;

-- FORGET_INCARNATIONS
DELETE FROM reaper_incarnations AS i WHERE superseded_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY reaper_jobs_executor
            WHERE status = 'running' AND reaper_executor IS NOT NULL AND substr(reaper_executor, 1, instr(reaper_executor, '/') - 1) = i.host
                AND substr(reaper_executor, 1, length(i.host) + length(i.boot) + length(i.pid_namespace) + 3)
                    = i.host || '/' || i.boot || '/' || i.pid_namespace || '/')
        AND NOT EXISTS (SELECT 1 FROM jobs INDEXED BY reaper_jobs_monitor
            WHERE status = 'running' AND reaper_monitor IS NOT NULL AND substr(reaper_monitor, 1, instr(reaper_monitor, '/') - 1) = i.host
                AND substr(reaper_monitor, 1, length(i.host) + length(i.boot) + length(i.pid_namespace) + 3)
                    = i.host || '/' || i.boot || '/' || i.pid_namespace || '/');

-- INCARNATIONS
SELECT host, boot, pid_namespace, instance, at, superseded_at, seen_start FROM reaper_incarnations
    ORDER BY instance, at, host, boot, pid_namespace;

-- POST
INSERT INTO reaper_outbox (key, job_id, effect, created_at, due_at)
    SELECT :key, :job, :effect, at, at FROM (SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AS at) WHERE true ON CONFLICT (key) DO NOTHING;

-- ANY_DUE
SELECT EXISTS (SELECT 1 FROM reaper_outbox WHERE state = 'pending' AND due_at <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AND (leased_until IS NULL OR leased_until <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)));

-- DUE
SELECT seq, key, effect, tries FROM reaper_outbox WHERE state = 'pending' AND due_at <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AND (leased_until IS NULL OR leased_until <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)) ORDER BY seq LIMIT :limit + 0;

-- DUE_ADVANCES
SELECT seq, key, effect, tries FROM reaper_outbox WHERE substr(effect, 1, 11) = '{"advance":' AND state = 'pending' AND due_at <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AND (leased_until IS NULL OR leased_until <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)) ORDER BY seq LIMIT :limit + 0;

-- DUE_KEYS
SELECT seq, key, effect, tries FROM reaper_outbox WHERE key IN (SELECT value FROM json_each(:keys)) AND state = 'pending' AND due_at <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) AND (leased_until IS NULL OR leased_until <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)) ORDER BY seq LIMIT :limit + 0;

-- LEASE
UPDATE reaper_outbox SET lease_token = :token, leased_until = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) + :lease, tries = min(tries + 1, 4294967295) WHERE seq = :seq;

-- NOW
SELECT CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER);

-- SETTING
SELECT value FROM reaper_settings WHERE key = :key;

-- SETTING_HELD
SELECT value FROM reaper_settings WHERE key = :key;

-- SET
INSERT INTO reaper_settings (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- HISTORY
SELECT id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence,
    agent, signature, late_code, late_at FROM reaper_events WHERE at >= :since ORDER BY seq DESC LIMIT :limit + 0;

-- HISTORY_OF_JOB
SELECT id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence,
    agent, signature, late_code, late_at FROM reaper_events WHERE job_id = :job AND at >= :since ORDER BY seq DESC LIMIT :limit + 0;

-- CRASHES
SELECT at FROM reaper_events WHERE young = 1 AND agent = :agent AND at >= :since
    ORDER BY at DESC LIMIT :limit + 0;

-- DEATHS
SELECT agent, signature, n, first_at, last_at, job_id FROM (
        SELECT agent, signature, job_id, count(*) OVER whole AS n, min(at) OVER whole AS first_at,
            max(at) OVER whole AS last_at, row_number() OVER (PARTITION BY agent, signature ORDER BY seq DESC) AS place
        FROM reaper_events WHERE at >= :since AND at <= :until AND signature IS NOT NULL AND (:agent IS NULL OR agent = :agent)
        WINDOW whole AS (PARTITION BY agent, signature)) AS d
    WHERE place <= :examples ORDER BY n DESC, agent, signature, place;

-- RESCUES
SELECT
        (SELECT count(*) FROM reaper_events WHERE at >= :since AND at <= :until AND action = 'requeue'
            AND actor = 'reaper'),
        (SELECT count(*) FROM reaper_events WHERE action = 'done' AND from_status = 'queued' AND at >= :since);

-- LATE_EXITS
SELECT id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence,
    agent, signature, late_code, late_at FROM reaper_events WHERE late_at >= :since ORDER BY late_at DESC, seq DESC LIMIT :limit + 0;

-- PRUNE_EVENTS
DELETE FROM reaper_events WHERE at < :before;

-- DELIVERED
UPDATE reaper_outbox SET state = 'done', note = :note, lease_token = NULL, leased_until = NULL, done_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) WHERE key = :key AND state = 'pending' AND lease_token = :token;

-- DELIVER_AGAIN
UPDATE reaper_outbox SET note = :note, lease_token = NULL, leased_until = NULL, due_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) + :wait WHERE key = :key AND state = 'pending' AND lease_token = :token;

-- DELIVERY_DEAD
UPDATE reaper_outbox SET state = 'dead', note = :note, lease_token = NULL, leased_until = NULL WHERE key = :key AND state = 'pending' AND lease_token = :token;

-- REVIVE
UPDATE reaper_outbox SET state = 'pending', tries = 0, due_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) WHERE key = :key AND state = 'dead';

-- DISCARD
UPDATE reaper_outbox SET state = 'done', note = 'dropped by a person', lease_token = NULL, leased_until = NULL, done_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER) WHERE key = :key AND state IN ('pending', 'dead');

-- UNDELIVERED
SELECT key, effect, state, tries, created_at, due_at, note FROM reaper_outbox
    WHERE state IN ('pending', 'dead') ORDER BY seq LIMIT :limit + 0;

-- PRUNE_OUTBOX
DELETE FROM reaper_outbox WHERE state = 'done' AND done_at < :before;

-- PRUNE_ADVANCES
DELETE FROM reaper_advances WHERE at < :before
        AND NOT EXISTS (SELECT 1 FROM reaper_outbox WHERE state IN ('pending', 'dead'));

-- RETIRE_NODE
UPDATE reaper_nodes SET state = 'retired' WHERE host = :host AND boot = :boot AND state = 'up';

-- REVIVE_NODE
UPDATE reaper_nodes SET state = 'up'
    WHERE host = :host AND boot = :boot AND state = 'declared_dead';

-- NODE_STATE
SELECT state FROM reaper_nodes WHERE host = :host AND boot = :boot;

-- DECLARE_NODE
INSERT INTO reaper_nodes (host, boot, state, beat, beat_at, ttl_ms, reaper)
    VALUES (:host, :boot, 'declared_dead', 0, CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), :ttl, '')
    ON CONFLICT (host, boot) DO UPDATE SET state = 'declared_dead';

-- SUPERSEDE
UPDATE reaper_incarnations SET superseded_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)
    WHERE instance = :instance AND superseded_at IS NULL
        AND NOT (host = :host AND boot = :boot AND pid_namespace = :pid_namespace)
    RETURNING host, boot, pid_namespace;

-- NOTE_START
UPDATE reaper_incarnations SET seen_start = :start
    WHERE host = :host AND boot = :boot AND pid_namespace = :pid_namespace
        AND (seen_start IS NULL OR seen_start < :start);

-- JOB_OF_SOURCE_KEY
SELECT id FROM jobs WHERE reaper_source_key = :source_key;

-- PAYLOAD
SELECT reaper_payload FROM jobs WHERE id = :job;

-- ATTACH
UPDATE jobs SET reaper_executor = :executor, reaper_attach = 'done', pid = :pid WHERE id = :job AND status = 'running' AND reaper_fence = :fence;

-- BEAT
UPDATE jobs SET reaper_beat_at = CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER), reaper_beat = CASE WHEN reaper_beat < 9223372036854775807 THEN reaper_beat + 1
        ELSE coalesce(reaper_beat, 1) END WHERE id = :job AND status = 'running' AND reaper_fence = :fence;

-- DROP_MIGRATIONS
DROP TABLE IF EXISTS reaper_migrations;

-- NOTE_MIGRATION
INSERT INTO reaper_migrations (version) VALUES (:version) ON CONFLICT (version) DO NOTHING;

-- FORGET_MIGRATION
DELETE FROM reaper_migrations WHERE version = :version;

-- APPLIED
SELECT version FROM reaper_migrations ORDER BY version DESC;

-- ADD_TASK
INSERT INTO tasks (work_item_id, repo, branch, stage)
    VALUES (:work_item, :repo, :branch, :stage);

-- LAST_ID
SELECT last_insert_rowid();

-- ENQUEUE
INSERT INTO jobs
        (agent, repo, task_id, status, attempts, max_attempts, reaper_source_key, reaper_payload)
    VALUES (:agent, :repo, :task, 'queued', 0, :max_attempts, :source_key, :payload)
    ON CONFLICT (reaper_source_key) WHERE reaper_source_key IS NOT NULL DO NOTHING;

-- TAKEABLE
SELECT j.id, j.reaper_fence, j.status, j.agent, j.repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id FROM (SELECT * FROM jobs INDEXED BY reaper_jobs_queued WHERE status = 'queued' AND reaper_exit_code IS NOT 0
        AND (reaper_available_at IS NULL OR reaper_available_at <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)) AND id > :after AND (:agent IS NULL OR agent = :agent)
        ORDER BY id LIMIT :limit + 0) j LEFT JOIN tasks t ON t.id = j.task_id ORDER BY j.id;

-- TAKEABLE_JOB
SELECT j.id, j.reaper_fence, j.status, j.agent, j.repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id FROM (SELECT * FROM jobs WHERE id = :job AND status = 'queued' AND reaper_exit_code IS NOT 0
        AND (reaper_available_at IS NULL OR reaper_available_at <= CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER))) j LEFT JOIN tasks t ON t.id = j.task_id;

-- BEGIN_RUN
INSERT INTO agent_runs (task_id, agent, started_at) VALUES (:task, :agent, datetime('now'));

-- FORGET_RUN
UPDATE jobs SET run_id = NULL WHERE id = :job AND run_id = :run;

-- TAKE
UPDATE jobs SET status = 'running', attempts = min(attempts + 1, 4294967295),
    run_id = :run, pid = NULL, started_at = datetime('now'), reaper_attach = 'pending', reaper_monitor = :monitor,
    reaper_node_bound = :node_bound
    WHERE id = :job AND status = 'queued';

-- RECORD_EXIT
UPDATE agent_runs SET exit_code = :code, finished_at = datetime('now')
    WHERE id = :run AND exit_code IS NULL;

-- RECORD_WITNESSED
UPDATE agent_runs SET exit_code = :code, finished_at = datetime('now')
    WHERE exit_code IS NULL AND id = (SELECT run_id FROM jobs WHERE id = :job AND status = 'running' AND reaper_fence = :fence AND reaper_exit_code IS NULL AND coalesce(reaper_inherited, 0) & 2 = 0);

-- RUN_EXISTS
SELECT EXISTS (SELECT 1 FROM agent_runs WHERE id = :run);

-- BEGIN
BEGIN DEFERRED;

-- END
COMMIT;

-- SCHEMA_VERSION
PRAGMA schema_version;

-- VERSION
SELECT max(version) FROM reaper_migrations;

-- CREATE_MIGRATIONS
CREATE TABLE IF NOT EXISTS reaper_migrations (
    version TEXT PRIMARY KEY,
    run_on TEXT NOT NULL DEFAULT (datetime('now'))
);

-- OBJECT
SELECT type, sql FROM sqlite_master WHERE lower(name) = :name
    AND type IN ('table', 'view');

-- OBJECTS
SELECT lower(tbl_name), lower(name) FROM sqlite_master;

-- COLUMNS
SELECT lower(name), upper(type), pk FROM pragma_table_info(:table);

