-- OUTSET
SELECT c.*, n.host, n.boot, n.state, n.beat, n.beat_at, n.ttl_ms, n.reaper FROM (SELECT (SELECT max(version) FROM reaper_migrations),
    (SELECT count(*) FROM pg_trigger
        WHERE tgrelid = ANY((SELECT ARRAY[to_regclass('jobs')::oid, to_regclass('agent_runs'), to_regclass('tasks')])::oid[])
            AND tgname >= 'reaper_' AND tgname < 'reaper`' AND tgenabled IN ('O', 'A')),
    floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint, (SELECT value FROM reaper_settings WHERE key = :mode), (SELECT value FROM reaper_settings WHERE key = :breaker),
    CASE WHEN EXISTS (SELECT FROM reaper_outbox WHERE state = 'pending' AND due_at <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint AND (leased_until IS NULL OR leased_until <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint)) THEN 1 ELSE 0 END) AS c (version, triggers, now, mode, breaker, due) LEFT JOIN reaper_nodes n ON :nodes = 1;

-- LOAD
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT (SELECT max(version) FROM reaper_migrations),
    (SELECT count(*) FROM pg_trigger
        WHERE tgrelid = ANY((SELECT ARRAY[to_regclass('jobs')::oid, to_regclass('agent_runs'), to_regclass('tasks')])::oid[])
            AND tgname >= 'reaper_' AND tgname < 'reaper`' AND tgenabled IN ('O', 'A')), floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    UNION ALL (SELECT 5 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.id = ANY(:suspects) AND j.id > :after_suspects
            AND CASE WHEN j.status IS DISTINCT FROM 'running' THEN false ELSE CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END END
        ORDER BY j.id LIMIT :limit_suspects)
    UNION ALL (SELECT 6 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_executor IS NOT NULL AND split_part(j.reaper_executor, '/', 1) = :host
            AND j.id > :after_executors AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
        ORDER BY j.id LIMIT :limit_executors)
    UNION ALL (SELECT 7 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_monitor IS NOT NULL AND split_part(j.reaper_monitor, '/', 1) = :host
            AND j.id > :after_monitors AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND split_part(j.reaper_executor, '/', 1) IS DISTINCT FROM :host
        ORDER BY j.id LIMIT :limit_monitors)
    UNION ALL (SELECT 8 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_executor IS NULL AND j.pid IS NOT NULL AND j.id > :after_bare
            AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND coalesce(j.reaper_inherited, 0) & 1 = 0 AND split_part(j.reaper_monitor, '/', 1) IS DISTINCT FROM :host
        ORDER BY j.id LIMIT :limit_bare)
    UNION ALL (SELECT 9 AS part, NULL::bigint AS k, j.id
        FROM unnest(:lost_hosts, :lost_prefixes, :lost_whole) AS l (host, prefix, whole) CROSS JOIN LATERAL (
            SELECT j.id FROM jobs j WHERE j.status = 'running' AND j.reaper_executor IS NOT NULL AND split_part(j.reaper_executor, '/', 1) = l.host AND j.id > :after_lost_executors
            AND starts_with(j.reaper_executor, l.prefix) AND (l.whole = 1 OR j.reaper_node_bound = 1)
            AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND NOT ((coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0)) AND (:since IS NULL
                OR CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at ELSE j.reaper_exit_at END >= :since))
            ORDER BY j.id LIMIT :limit_lost_executors) j ORDER BY j.id LIMIT :limit_lost_executors)
    UNION ALL (SELECT 10 AS part, NULL::bigint AS k, j.id
        FROM unnest(:lost_hosts, :lost_prefixes, :lost_whole) AS l (host, prefix, whole) CROSS JOIN LATERAL (
            SELECT j.id FROM jobs j WHERE j.status = 'running' AND j.reaper_monitor IS NOT NULL AND split_part(j.reaper_monitor, '/', 1) = l.host AND j.id > :after_lost_monitors
            AND starts_with(j.reaper_monitor, l.prefix) AND (l.whole = 1 OR j.reaper_node_bound = 1)
            AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND NOT ((coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0)) AND (:since IS NULL
                OR CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at ELSE j.reaper_exit_at END >= :since))
            AND NOT EXISTS (SELECT FROM unnest(:lost_prefixes, :lost_whole) AS e (prefix, whole)
                WHERE starts_with(j.reaper_executor, e.prefix) AND (e.whole = 1 OR j.reaper_node_bound = 1))
            ORDER BY j.id LIMIT :limit_lost_monitors) j ORDER BY j.id LIMIT :limit_lost_monitors)
    UNION ALL (SELECT 11 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') > :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_new_starts, :after_new_starts) AND j.id NOT IN (SELECT unnest(:suspects))
            AND (coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_new_starts)
    UNION ALL (SELECT 12 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') > :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_new_exits, :after_new_exits) AND j.id NOT IN (SELECT unnest(:suspects))
            AND (coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_new_exits)
    UNION ALL (SELECT 13 AS part, j.reaper_beat_at::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND j.reaper_beat_at <= :beats_until
            AND (j.reaper_beat_at, j.id) > (:key_beats, :after_beats) AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND NOT ((coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0)) AND (:since IS NULL OR j.reaper_started_at >= :since))
            AND NOT EXISTS (SELECT FROM unnest(:lost_prefixes, :lost_whole) AS e (prefix, whole)
                WHERE (starts_with(j.reaper_executor, e.prefix) OR starts_with(j.reaper_monitor, e.prefix))
                    AND (e.whole = 1 OR j.reaper_node_bound = 1))
        ORDER BY j.reaper_beat_at, j.id LIMIT :limit_beats)
    ) j ON true;

-- LOAD_HEALTHY
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT (SELECT max(version) FROM reaper_migrations),
    (SELECT count(*) FROM pg_trigger
        WHERE tgrelid = ANY((SELECT ARRAY[to_regclass('jobs')::oid, to_regclass('agent_runs'), to_regclass('tasks')])::oid[])
            AND tgname >= 'reaper_' AND tgname < 'reaper`' AND tgenabled IN ('O', 'A')), floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    UNION ALL (SELECT 6 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_executor IS NOT NULL AND split_part(j.reaper_executor, '/', 1) = :host
            AND j.id > :after_executors AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END
        ORDER BY j.id LIMIT :limit_executors)
    UNION ALL (SELECT 7 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_monitor IS NOT NULL AND split_part(j.reaper_monitor, '/', 1) = :host
            AND j.id > :after_monitors AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END
            AND split_part(j.reaper_executor, '/', 1) IS DISTINCT FROM :host
        ORDER BY j.id LIMIT :limit_monitors)
    ) j ON true;

-- LOAD_WATCHED
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT (SELECT max(version) FROM reaper_migrations),
    (SELECT count(*) FROM pg_trigger
        WHERE tgrelid = ANY((SELECT ARRAY[to_regclass('jobs')::oid, to_regclass('agent_runs'), to_regclass('tasks')])::oid[])
            AND tgname >= 'reaper_' AND tgname < 'reaper`' AND tgenabled IN ('O', 'A')), floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    UNION ALL (SELECT 5 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.id = ANY(:suspects) AND j.id > :after_suspects
            AND CASE WHEN j.status IS DISTINCT FROM 'running' THEN false ELSE CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END END
        ORDER BY j.id LIMIT :limit_suspects)
    UNION ALL (SELECT 11 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') > :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_new_starts, :after_new_starts) AND j.id NOT IN (SELECT unnest(:suspects))
            AND (coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_new_starts)
    UNION ALL (SELECT 12 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') > :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_new_exits, :after_new_exits) AND j.id NOT IN (SELECT unnest(:suspects))
            AND (coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_new_exits)
    ) j ON true;

-- LOAD_NAMED
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT (SELECT max(version) FROM reaper_migrations),
    (SELECT count(*) FROM pg_trigger
        WHERE tgrelid = ANY((SELECT ARRAY[to_regclass('jobs')::oid, to_regclass('agent_runs'), to_regclass('tasks')])::oid[])
            AND tgname >= 'reaper_' AND tgname < 'reaper`' AND tgenabled IN ('O', 'A')), floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    UNION ALL (SELECT 5 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.id = ANY(:suspects) AND j.id > :after_suspects
            AND CASE WHEN j.status IS DISTINCT FROM 'running' THEN false ELSE CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END END
        ORDER BY j.id LIMIT :limit_suspects)
    ) j ON true;

-- LOAD_DUE
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT (SELECT max(version) FROM reaper_migrations),
    (SELECT count(*) FROM pg_trigger
        WHERE tgrelid = ANY((SELECT ARRAY[to_regclass('jobs')::oid, to_regclass('agent_runs'), to_regclass('tasks')])::oid[])
            AND tgname >= 'reaper_' AND tgname < 'reaper`' AND tgenabled IN ('O', 'A')), floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    ) j ON true;

-- LOAD_ON
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT NULL::text, NULL::bigint, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    UNION ALL (SELECT 5 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.id = ANY(:suspects) AND j.id > :after_suspects
            AND CASE WHEN j.status IS DISTINCT FROM 'running' THEN false ELSE CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END END
        ORDER BY j.id LIMIT :limit_suspects)
    UNION ALL (SELECT 6 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_executor IS NOT NULL AND split_part(j.reaper_executor, '/', 1) = :host
            AND j.id > :after_executors AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
        ORDER BY j.id LIMIT :limit_executors)
    UNION ALL (SELECT 7 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_monitor IS NOT NULL AND split_part(j.reaper_monitor, '/', 1) = :host
            AND j.id > :after_monitors AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND split_part(j.reaper_executor, '/', 1) IS DISTINCT FROM :host
        ORDER BY j.id LIMIT :limit_monitors)
    UNION ALL (SELECT 8 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_executor IS NULL AND j.pid IS NOT NULL AND j.id > :after_bare
            AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND coalesce(j.reaper_inherited, 0) & 1 = 0 AND split_part(j.reaper_monitor, '/', 1) IS DISTINCT FROM :host
        ORDER BY j.id LIMIT :limit_bare)
    UNION ALL (SELECT 9 AS part, NULL::bigint AS k, j.id
        FROM unnest(:lost_hosts, :lost_prefixes, :lost_whole) AS l (host, prefix, whole) CROSS JOIN LATERAL (
            SELECT j.id FROM jobs j WHERE j.status = 'running' AND j.reaper_executor IS NOT NULL AND split_part(j.reaper_executor, '/', 1) = l.host AND j.id > :after_lost_executors
            AND starts_with(j.reaper_executor, l.prefix) AND (l.whole = 1 OR j.reaper_node_bound = 1)
            AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND NOT ((coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0)) AND (:since IS NULL
                OR CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at ELSE j.reaper_exit_at END >= :since))
            ORDER BY j.id LIMIT :limit_lost_executors) j ORDER BY j.id LIMIT :limit_lost_executors)
    UNION ALL (SELECT 10 AS part, NULL::bigint AS k, j.id
        FROM unnest(:lost_hosts, :lost_prefixes, :lost_whole) AS l (host, prefix, whole) CROSS JOIN LATERAL (
            SELECT j.id FROM jobs j WHERE j.status = 'running' AND j.reaper_monitor IS NOT NULL AND split_part(j.reaper_monitor, '/', 1) = l.host AND j.id > :after_lost_monitors
            AND starts_with(j.reaper_monitor, l.prefix) AND (l.whole = 1 OR j.reaper_node_bound = 1)
            AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND NOT ((coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0)) AND (:since IS NULL
                OR CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at ELSE j.reaper_exit_at END >= :since))
            AND NOT EXISTS (SELECT FROM unnest(:lost_prefixes, :lost_whole) AS e (prefix, whole)
                WHERE starts_with(j.reaper_executor, e.prefix) AND (e.whole = 1 OR j.reaper_node_bound = 1))
            ORDER BY j.id LIMIT :limit_lost_monitors) j ORDER BY j.id LIMIT :limit_lost_monitors)
    UNION ALL (SELECT 11 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') > :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_new_starts, :after_new_starts) AND j.id NOT IN (SELECT unnest(:suspects))
            AND (coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_new_starts)
    UNION ALL (SELECT 12 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') > :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_new_exits, :after_new_exits) AND j.id NOT IN (SELECT unnest(:suspects))
            AND (coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_new_exits)
    UNION ALL (SELECT 13 AS part, j.reaper_beat_at::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND j.reaper_beat_at <= :beats_until
            AND (j.reaper_beat_at, j.id) > (:key_beats, :after_beats) AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END AND j.id NOT IN (SELECT unnest(:suspects))
            AND NOT ((coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0)) AND (:since IS NULL OR j.reaper_started_at >= :since))
            AND NOT EXISTS (SELECT FROM unnest(:lost_prefixes, :lost_whole) AS e (prefix, whole)
                WHERE (starts_with(j.reaper_executor, e.prefix) OR starts_with(j.reaper_monitor, e.prefix))
                    AND (e.whole = 1 OR j.reaper_node_bound = 1))
        ORDER BY j.reaper_beat_at, j.id LIMIT :limit_beats)
    ) j ON true;

-- LOAD_HEALTHY_ON
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT NULL::text, NULL::bigint, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    UNION ALL (SELECT 6 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_executor IS NOT NULL AND split_part(j.reaper_executor, '/', 1) = :host
            AND j.id > :after_executors AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END
        ORDER BY j.id LIMIT :limit_executors)
    UNION ALL (SELECT 7 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_monitor IS NOT NULL AND split_part(j.reaper_monitor, '/', 1) = :host
            AND j.id > :after_monitors AND CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END
            AND split_part(j.reaper_executor, '/', 1) IS DISTINCT FROM :host
        ORDER BY j.id LIMIT :limit_monitors)
    ) j ON true;

-- LOAD_WATCHED_ON
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT NULL::text, NULL::bigint, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    UNION ALL (SELECT 5 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.id = ANY(:suspects) AND j.id > :after_suspects
            AND CASE WHEN j.status IS DISTINCT FROM 'running' THEN false ELSE CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END END
        ORDER BY j.id LIMIT :limit_suspects)
    UNION ALL (SELECT 11 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') > :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_new_starts, :after_new_starts) AND j.id NOT IN (SELECT unnest(:suspects))
            AND (coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_new_starts)
    UNION ALL (SELECT 12 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') > :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_new_exits, :after_new_exits) AND j.id NOT IN (SELECT unnest(:suspects))
            AND (coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_new_exits)
    ) j ON true;

-- LOAD_NAMED_ON
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT NULL::text, NULL::bigint, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    UNION ALL (SELECT 5 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.id = ANY(:suspects) AND j.id > :after_suspects
            AND CASE WHEN j.status IS DISTINCT FROM 'running' THEN false ELSE CASE WHEN j.reaper_exit_code IS NULL THEN j.reaper_started_at > :started_until ELSE j.reaper_exit_at > :exits_until END END
        ORDER BY j.id LIMIT :limit_suspects)
    ) j ON true;

-- LOAD_DUE_ON
SELECT c.version, c.triggers, c.now, j.part, j.k, j.id
    FROM (SELECT NULL::text, NULL::bigint, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS c (version, triggers, now) LEFT JOIN (
    (SELECT 1 AS part, coalesce(j.reaper_exit_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NOT NULL AND coalesce(j.reaper_exit_at, '-9223372036854775808') <= :exits_until
            AND (coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id) > (:key_exits, :after_exits)
        ORDER BY coalesce(j.reaper_exit_at, '-9223372036854775808'), j.id LIMIT :limit_exits)
    UNION ALL (SELECT 3 AS part, coalesce(j.reaper_started_at, '-9223372036854775808')::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND coalesce(j.reaper_started_at, '-9223372036854775808') <= :started_until
            AND (coalesce(j.reaper_started_at, '-9223372036854775808'), j.id) > (:key_starts, :after_starts)
        ORDER BY coalesce(j.reaper_started_at, '-9223372036854775808'), j.id LIMIT :limit_starts)
    UNION ALL (SELECT 4 AS part, NULL::bigint AS k, j.id FROM jobs j
        WHERE j.status = 'queued' AND j.reaper_exit_code = 0 AND j.id > :after_late
        ORDER BY j.id LIMIT :limit_late)
    ) j ON true;

-- JOBS
SELECT j.id, j.reaper_fence, CASE WHEN octet_length(j.status::text) > 262144 THEN left(j.status::text, 262144) || octet_length(j.status::text) ELSE j.status::text END AS status, CASE WHEN octet_length(j.agent::text) > 262144 THEN left(j.agent::text, 262144) || octet_length(j.agent::text) ELSE j.agent::text END AS agent, CASE WHEN octet_length(j.repo::text) > 262144 THEN left(j.repo::text, 262144) || octet_length(j.repo::text) ELSE j.repo::text END AS repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id FROM jobs j LEFT JOIN LATERAL (SELECT t.id, CASE WHEN octet_length(t.stage::text) > 262144 THEN left(t.stage::text, 262144) || octet_length(t.stage::text) ELSE t.stage::text END AS stage, t.reaper_stage_version, CASE WHEN octet_length(t.branch::text) > 262144 THEN left(t.branch::text, 262144) || octet_length(t.branch::text) ELSE t.branch::text END AS branch, CASE WHEN octet_length(t.work_item_id::text) > 262144 THEN left(t.work_item_id::text, 262144) || octet_length(t.work_item_id::text) ELSE t.work_item_id::text END AS work_item_id FROM tasks t WHERE t.id = j.task_id OFFSET 0) t ON true WHERE j.id = ANY(:jobs);

-- JOB
SELECT j.id, j.reaper_fence, CASE WHEN octet_length(j.status::text) > 262144 THEN left(j.status::text, 262144) || octet_length(j.status::text) ELSE j.status::text END AS status, CASE WHEN octet_length(j.agent::text) > 262144 THEN left(j.agent::text, 262144) || octet_length(j.agent::text) ELSE j.agent::text END AS agent, CASE WHEN octet_length(j.repo::text) > 262144 THEN left(j.repo::text, 262144) || octet_length(j.repo::text) ELSE j.repo::text END AS repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id FROM jobs j LEFT JOIN LATERAL (SELECT t.id, CASE WHEN octet_length(t.stage::text) > 262144 THEN left(t.stage::text, 262144) || octet_length(t.stage::text) ELSE t.stage::text END AS stage, t.reaper_stage_version, CASE WHEN octet_length(t.branch::text) > 262144 THEN left(t.branch::text, 262144) || octet_length(t.branch::text) ELSE t.branch::text END AS branch, CASE WHEN octet_length(t.work_item_id::text) > 262144 THEN left(t.work_item_id::text, 262144) || octet_length(t.work_item_id::text) ELSE t.work_item_id::text END AS work_item_id FROM tasks t WHERE t.id = j.task_id OFFSET 0) t ON true WHERE j.id = :job;

-- RUNNING
SELECT
    (SELECT count(*) FROM (SELECT FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NULL
        ORDER BY coalesce(reaper_started_at, '-9223372036854775808'), id LIMIT :limit) AS unexited)
    + (SELECT count(*) FROM (SELECT FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL
        ORDER BY coalesce(reaper_exit_at, '-9223372036854775808'), id LIMIT :limit) AS exited);

-- UNREADABLE_PAYLOADS
SELECT id FROM jobs WHERE status = 'queued' AND octet_length(reaper_payload) > 262144
    ORDER BY id LIMIT :limit;

-- BEATING
SELECT count(*) FROM (SELECT FROM jobs j
        WHERE j.status = 'running' AND j.reaper_exit_code IS NULL AND j.reaper_beat_at > :after AND NOT (coalesce(split_part(j.reaper_executor, '/', 1) = :host, false) OR coalesce(split_part(j.reaper_monitor, '/', 1) = :host, false) OR (:bare = 1 AND j.reaper_executor IS NULL AND j.pid IS NOT NULL
                AND coalesce(j.reaper_inherited, 0) & 1 = 0))
        ORDER BY j.reaper_beat_at, j.id LIMIT :limit) AS beating;

-- CENSUS
SELECT status::text, count(*) FROM jobs GROUP BY status;

-- OLDEST_RUNNING
SELECT id, k FROM (
    (SELECT reaper_started_at AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NULL AND reaper_started_at IS NOT NULL
        ORDER BY coalesce(reaper_started_at, '-9223372036854775808'), id LIMIT 1)
    UNION ALL (SELECT reaper_started_at AS k, id FROM jobs
        WHERE status = 'running' AND reaper_exit_code IS NOT NULL AND reaper_started_at IS NOT NULL
        ORDER BY reaper_started_at, id LIMIT 1)
    ) AS oldest ORDER BY k, id LIMIT 1;

-- STALLED
SELECT t.id, t.work_item_id::text, t.stage::text FROM tasks t
    WHERE t.stage::text <> ALL(:final_stages)
        AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.status IN ('queued', 'running') AND j.task_id = t.id)
        AND NOT EXISTS (SELECT 1 FROM reaper_outbox o WHERE o.state = 'pending'
            AND substring(o.effect FROM
                '^\s*[{]\s*"advance"\s*.\s*[{]\s*"task"\s*.\s*([0-9]{1,18})\s*,')::bigint = t.id)
    ORDER BY t.id LIMIT :limit;

-- LOCK_FREE
SELECT id FROM jobs WHERE id = ANY(:jobs) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED;

-- LOCK
SELECT id FROM jobs WHERE id = ANY(:jobs) ORDER BY id FOR NO KEY UPDATE;

-- CLAIM_DONE
UPDATE jobs AS j SET status = 'done' FROM unnest(:event, :job, :status, :fence, :run, :pid, :started_at, :exit_code, :exit_at,
        :attach, :beat, :terminating_at) AS c (event, job, status, fence, run, pid, started_at, exit_code, exit_at,
        attach, beat, terminating_at)
    WHERE j.id = c.job AND j.status::text = c.status AND coalesce(j.reaper_fence, 0) = c.fence
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 2 = 0 THEN j.run_id END IS NOT DISTINCT FROM c.run
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 1 = 0 THEN j.pid END IS NOT DISTINCT FROM c.pid
        AND j.reaper_started_at IS NOT DISTINCT FROM c.started_at
        AND j.reaper_exit_code IS NOT DISTINCT FROM c.exit_code AND j.reaper_exit_at IS NOT DISTINCT FROM c.exit_at
        AND j.reaper_attach IS NOT DISTINCT FROM c.attach AND j.reaper_beat IS NOT DISTINCT FROM c.beat
        AND j.reaper_terminating_at IS NOT DISTINCT FROM c.terminating_at
    RETURNING c.event;

-- CLAIM_FAIL
UPDATE jobs AS j SET status = 'failed', reaper_last_error = c.reason FROM unnest(:event, :job, :status, :fence, :run, :pid, :started_at, :exit_code, :exit_at,
        :attach, :beat, :terminating_at, :reason) AS c (event, job, status, fence, run, pid, started_at, exit_code, exit_at,
        attach, beat, terminating_at, reason)
    WHERE j.id = c.job AND j.status::text = c.status AND coalesce(j.reaper_fence, 0) = c.fence
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 2 = 0 THEN j.run_id END IS NOT DISTINCT FROM c.run
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 1 = 0 THEN j.pid END IS NOT DISTINCT FROM c.pid
        AND j.reaper_started_at IS NOT DISTINCT FROM c.started_at
        AND j.reaper_exit_code IS NOT DISTINCT FROM c.exit_code AND j.reaper_exit_at IS NOT DISTINCT FROM c.exit_at
        AND j.reaper_attach IS NOT DISTINCT FROM c.attach AND j.reaper_beat IS NOT DISTINCT FROM c.beat
        AND j.reaper_terminating_at IS NOT DISTINCT FROM c.terminating_at
    RETURNING c.event;

-- CLAIM_REQUEUE
UPDATE jobs AS j SET status = 'queued', pid = NULL, reaper_exit_code = NULL, reaper_exit_at = NULL,
        reaper_attach = NULL, reaper_node_bound = NULL, reaper_executor = NULL, reaper_monitor = NULL, reaper_beat = NULL, reaper_beat_at = NULL,
        reaper_terminating_at = NULL, reaper_available_at = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint + c.wait, reaper_last_error = c.reason,
        reaper_rescues = least(coalesce(j.reaper_rescues, 0) * c.keep + c.add, 4294967295) FROM unnest(:event, :job, :status, :fence, :run, :pid, :started_at, :exit_code, :exit_at,
        :attach, :beat, :terminating_at, :reason, :wait, :keep, :add, :cap) AS c (event, job, status, fence, run, pid, started_at, exit_code, exit_at,
        attach, beat, terminating_at, reason, wait, keep, add, cap)
    WHERE j.id = c.job AND j.status::text = c.status AND coalesce(j.reaper_fence, 0) = c.fence
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 2 = 0 THEN j.run_id END IS NOT DISTINCT FROM c.run
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 1 = 0 THEN j.pid END IS NOT DISTINCT FROM c.pid
        AND j.reaper_started_at IS NOT DISTINCT FROM c.started_at
        AND j.reaper_exit_code IS NOT DISTINCT FROM c.exit_code AND j.reaper_exit_at IS NOT DISTINCT FROM c.exit_at
        AND j.reaper_attach IS NOT DISTINCT FROM c.attach AND j.reaper_beat IS NOT DISTINCT FROM c.beat
        AND j.reaper_terminating_at IS NOT DISTINCT FROM c.terminating_at
        AND (c.cap IS NULL OR (j.attempts < j.max_attempts AND coalesce(j.reaper_rescues, 0) < c.cap))
    RETURNING c.event;

-- CLAIM_TERMINATE
UPDATE jobs AS j SET reaper_terminating_at = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint FROM unnest(:event, :job, :status, :fence, :run, :pid, :started_at, :exit_code, :exit_at,
        :attach, :beat, :terminating_at) AS c (event, job, status, fence, run, pid, started_at, exit_code, exit_at,
        attach, beat, terminating_at)
    WHERE j.id = c.job AND j.status::text = c.status AND coalesce(j.reaper_fence, 0) = c.fence
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 2 = 0 THEN j.run_id END IS NOT DISTINCT FROM c.run
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 1 = 0 THEN j.pid END IS NOT DISTINCT FROM c.pid
        AND j.reaper_started_at IS NOT DISTINCT FROM c.started_at
        AND j.reaper_exit_code IS NOT DISTINCT FROM c.exit_code AND j.reaper_exit_at IS NOT DISTINCT FROM c.exit_at
        AND j.reaper_attach IS NOT DISTINCT FROM c.attach AND j.reaper_beat IS NOT DISTINCT FROM c.beat
        AND j.reaper_terminating_at IS NOT DISTINCT FROM c.terminating_at
        AND NOT EXISTS (SELECT 1 FROM jobs o
            WHERE o.status = 'running' AND o.reaper_executor IS NOT NULL AND split_part(o.reaper_executor, '/', 1) = split_part(j.reaper_executor, '/', 1)
                AND o.reaper_executor = j.reaper_executor AND o.id <> j.id)
    RETURNING c.event;

-- CLAIM_DISMISS
UPDATE jobs AS j SET reaper_exit_code = NULL, reaper_exit_at = NULL FROM unnest(:event, :job, :status, :fence, :run, :pid, :started_at, :exit_code, :exit_at,
        :attach, :beat, :terminating_at) AS c (event, job, status, fence, run, pid, started_at, exit_code, exit_at,
        attach, beat, terminating_at)
    WHERE j.id = c.job AND j.status::text = c.status AND coalesce(j.reaper_fence, 0) = c.fence
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 2 = 0 THEN j.run_id END IS NOT DISTINCT FROM c.run
        AND CASE WHEN coalesce(j.reaper_inherited, 0) & 1 = 0 THEN j.pid END IS NOT DISTINCT FROM c.pid
        AND j.reaper_started_at IS NOT DISTINCT FROM c.started_at
        AND j.reaper_exit_code IS NOT DISTINCT FROM c.exit_code AND j.reaper_exit_at IS NOT DISTINCT FROM c.exit_at
        AND j.reaper_attach IS NOT DISTINCT FROM c.attach AND j.reaper_beat IS NOT DISTINCT FROM c.beat
        AND j.reaper_terminating_at IS NOT DISTINCT FROM c.terminating_at
    RETURNING c.event;

-- EVENTS
INSERT INTO reaper_events
        (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence, agent, signature,
        run_id, young)
    SELECT c.id, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint, c.job, c.fence, c.actor, c.action, c.rule, c.reason, c.from_status, c.to_status, c.evidence, c.agent, c.signature,
        c.run, c.young
    FROM unnest(:id, :job, :fence, :actor, :action, :rule, :reason, :from_status, :to_status, :evidence, :agent,
        :signature, :run, :young)
        AS c (id, job, fence, actor, action, rule, reason, from_status, to_status, evidence, agent, signature, run,
            young);

-- AWAIT
SELECT id FROM jobs WHERE id = ANY(:jobs) ORDER BY id FOR SHARE;

-- EVENTS_KNOWN
SELECT count(*) FROM reaper_events WHERE id = ANY(:ids);

-- REQUEUE_ALL
WITH requeued AS (UPDATE jobs AS j SET status = 'queued', pid = NULL, reaper_exit_code = NULL, reaper_exit_at = NULL,
        reaper_attach = NULL, reaper_node_bound = NULL, reaper_executor = NULL, reaper_monitor = NULL, reaper_beat = NULL, reaper_beat_at = NULL,
        reaper_terminating_at = NULL, reaper_available_at = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint
        WHERE j.status = 'running' RETURNING j.id, coalesce(j.reaper_fence, 0) AS fence)
    INSERT INTO reaper_events
        (id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence)
    SELECT reaper_draw(), floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint, id, fence, :actor, 'requeue_all', '', :reason, 'running', 'queued', 'null' FROM requeued ORDER BY id;

-- BEAT_NODE
INSERT INTO reaper_nodes (host, boot, state, beat, beat_at, ttl_ms, reaper)
    VALUES (:host, :boot, 'up', 1, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint, :ttl, :reaper)
    ON CONFLICT (host, boot) DO UPDATE SET state = 'up', beat = reaper_nodes.beat + 1, beat_at = excluded.beat_at,
        ttl_ms = excluded.ttl_ms, reaper = excluded.reaper
    WHERE reaper_nodes.state <> 'declared_dead';

-- BOOTS
SELECT boot FROM reaper_nodes WHERE host = :host
    UNION SELECT split_part(reaper_executor, '/', 2) FROM jobs
        WHERE status = 'running' AND reaper_executor IS NOT NULL AND split_part(reaper_executor, '/', 1) = :host
    UNION SELECT split_part(reaper_monitor, '/', 2) FROM jobs
        WHERE status = 'running' AND reaper_monitor IS NOT NULL AND split_part(reaper_monitor, '/', 1) = :host
    ORDER BY 1;

-- NODES
SELECT host, boot, state, beat, beat_at, ttl_ms, reaper FROM reaper_nodes ORDER BY host COLLATE "C", boot COLLATE "C";

-- PRUNE_NODES
DELETE FROM reaper_nodes AS n WHERE n.beat_at < :before
        AND NOT EXISTS (SELECT 1 FROM jobs
            WHERE status = 'running' AND reaper_executor IS NOT NULL AND split_part(reaper_executor, '/', 1) = n.host
                AND split_part(reaper_executor, '/', 2) = n.boot)
        AND NOT EXISTS (SELECT 1 FROM jobs
            WHERE status = 'running' AND reaper_monitor IS NOT NULL AND split_part(reaper_monitor, '/', 1) = n.host
                AND split_part(reaper_monitor, '/', 2) = n.boot)
        AND NOT EXISTS (SELECT 1 FROM reaper_events
            WHERE job_id IS NULL AND action = 'declare_dead' AND reason = n.host || '/' || n.boot);

-- REGISTER
INSERT INTO reaper_incarnations AS i (host, boot, pid_namespace, instance, at)
    VALUES (:host, :boot, :pid_namespace, :instance, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint)
    ON CONFLICT (host, boot, pid_namespace) DO UPDATE
        SET instance = excluded.instance, at = excluded.at, superseded_at = NULL, seen_start = NULL
    WHERE i.instance <> excluded.instance OR i.superseded_at IS NOT NULL;

-- FORGET_INCARNATIONS
DELETE FROM reaper_incarnations AS i WHERE superseded_at IS NOT NULL
        AND NOT EXISTS (SELECT FROM jobs
            WHERE status = 'running' AND reaper_executor IS NOT NULL AND split_part(reaper_executor, '/', 1) = i.host
                AND starts_with(reaper_executor, i.host || '/' || i.boot || '/' || i.pid_namespace || '/'))
        AND NOT EXISTS (SELECT FROM jobs
            WHERE status = 'running' AND reaper_monitor IS NOT NULL AND split_part(reaper_monitor, '/', 1) = i.host
                AND starts_with(reaper_monitor, i.host || '/' || i.boot || '/' || i.pid_namespace || '/'));

-- INCARNATIONS
SELECT host, boot, pid_namespace, instance, at, superseded_at, seen_start FROM reaper_incarnations
    ORDER BY instance COLLATE "C", at, host COLLATE "C", boot COLLATE "C", pid_namespace;

-- POST
INSERT INTO reaper_outbox (key, job_id, effect, created_at, due_at)
    SELECT c.key, c.job, c.effect, n.at, n.at
    FROM unnest(:key, :job, :effect) AS c (key, job, effect), (SELECT floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AS n (at)
    ON CONFLICT (key) DO NOTHING;

-- ANY_DUE
SELECT count(*) FROM (SELECT FROM reaper_outbox WHERE state = 'pending' AND due_at <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint AND (leased_until IS NULL OR leased_until <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) LIMIT 1) AS due;

-- DUE
SELECT seq, key, effect, tries FROM reaper_outbox WHERE state = 'pending' AND due_at <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint AND (leased_until IS NULL OR leased_until <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) ORDER BY seq LIMIT :limit FOR UPDATE SKIP LOCKED;

-- DUE_ADVANCES
SELECT seq, key, effect, tries FROM reaper_outbox WHERE starts_with(effect, '{"advance":') AND state = 'pending' AND due_at <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint AND (leased_until IS NULL OR leased_until <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) ORDER BY seq LIMIT :limit FOR UPDATE SKIP LOCKED;

-- DUE_KEYS
SELECT seq, key, effect, tries FROM reaper_outbox WHERE key = ANY(:keys) AND state = 'pending' AND due_at <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint AND (leased_until IS NULL OR leased_until <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) ORDER BY seq LIMIT :limit FOR UPDATE SKIP LOCKED;

-- LEASE
UPDATE reaper_outbox AS o SET lease_token = c.token, leased_until = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint + :lease, tries = least(o.tries + 1, 4294967295)
    FROM unnest(:seq, :token) AS c (seq, token) WHERE o.seq = c.seq;

-- NOW
SELECT floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint;

-- SETTING
SELECT value FROM reaper_settings WHERE key = :key;

-- SETTING_HELD
SELECT value FROM reaper_settings WHERE key = :key FOR SHARE;

-- SET
INSERT INTO reaper_settings (key, value) VALUES (:key, :value)
    ON CONFLICT (key) DO UPDATE SET value = excluded.value;

-- HISTORY
SELECT id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence,
    agent, signature, late_code, late_at FROM reaper_events WHERE at >= :since ORDER BY seq DESC LIMIT :limit;

-- HISTORY_OF_JOB
SELECT id, at, job_id, fence, actor, action, rule, reason, from_status, to_status, evidence,
    agent, signature, late_code, late_at FROM reaper_events WHERE job_id = :job AND at >= :since ORDER BY seq DESC LIMIT :limit;

-- CRASHES
SELECT at FROM reaper_events WHERE young = 1 AND agent = :agent AND at >= :since
    ORDER BY at DESC LIMIT :limit;

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
    agent, signature, late_code, late_at FROM reaper_events WHERE late_at >= :since ORDER BY late_at DESC, seq DESC LIMIT :limit;

-- PRUNE_EVENTS
DELETE FROM reaper_events WHERE at < :before;

-- DELIVERED
UPDATE reaper_outbox SET state = 'done', note = :note, lease_token = NULL, leased_until = NULL, done_at = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint WHERE key = :key AND state = 'pending' AND lease_token = :token;

-- DELIVER_AGAIN
UPDATE reaper_outbox SET note = :note, lease_token = NULL, leased_until = NULL, due_at = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint + :wait WHERE key = :key AND state = 'pending' AND lease_token = :token;

-- DELIVERY_DEAD
UPDATE reaper_outbox SET state = 'dead', note = :note, lease_token = NULL, leased_until = NULL WHERE key = :key AND state = 'pending' AND lease_token = :token;

-- REVIVE
UPDATE reaper_outbox SET state = 'pending', tries = 0, due_at = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint WHERE key = :key AND state = 'dead';

-- DISCARD
UPDATE reaper_outbox SET state = 'done', note = 'dropped by a person', lease_token = NULL, leased_until = NULL, done_at = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint WHERE key = :key AND state IN ('pending', 'dead');

-- UNDELIVERED
SELECT key, effect, state, tries, created_at, due_at, note FROM reaper_outbox
    WHERE state IN ('pending', 'dead') ORDER BY seq LIMIT :limit;

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
    VALUES (:host, :boot, 'declared_dead', 0, floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint, :ttl, '')
    ON CONFLICT (host, boot) DO UPDATE SET state = 'declared_dead';

-- SUPERSEDE
UPDATE reaper_incarnations SET superseded_at = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint
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
UPDATE jobs SET reaper_beat_at = floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint, reaper_beat = CASE WHEN reaper_beat < 9223372036854775807 THEN reaper_beat + 1
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
INSERT INTO tasks (work_item_id, repo, branch, stage) VALUES ((jsonb_populate_record(NULL::tasks, jsonb_build_object('work_item_id', :work_item))).work_item_id, (jsonb_populate_record(NULL::tasks, jsonb_build_object('repo', :repo))).repo, (jsonb_populate_record(NULL::tasks, jsonb_build_object('branch', :branch))).branch, (jsonb_populate_record(NULL::tasks, jsonb_build_object('stage', :stage))).stage) RETURNING id;

-- ENQUEUE
INSERT INTO jobs
        (agent, repo, task_id, status, attempts, max_attempts, reaper_source_key, reaper_payload)
    VALUES ((jsonb_populate_record(NULL::jobs, jsonb_build_object('agent', :agent))).agent, (jsonb_populate_record(NULL::jobs, jsonb_build_object('repo', :repo))).repo, :task, 'queued', 0, :max_attempts, :source_key, :payload)
    ON CONFLICT (reaper_source_key) WHERE reaper_source_key IS NOT NULL DO NOTHING RETURNING id;

-- TAKEABLE
SELECT j.id, j.reaper_fence, CASE WHEN octet_length(j.status::text) > 262144 THEN left(j.status::text, 262144) || octet_length(j.status::text) ELSE j.status::text END AS status, CASE WHEN octet_length(j.agent::text) > 262144 THEN left(j.agent::text, 262144) || octet_length(j.agent::text) ELSE j.agent::text END AS agent, CASE WHEN octet_length(j.repo::text) > 262144 THEN left(j.repo::text, 262144) || octet_length(j.repo::text) ELSE j.repo::text END AS repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id FROM jobs j LEFT JOIN LATERAL (SELECT t.id, CASE WHEN octet_length(t.stage::text) > 262144 THEN left(t.stage::text, 262144) || octet_length(t.stage::text) ELSE t.stage::text END AS stage, t.reaper_stage_version, CASE WHEN octet_length(t.branch::text) > 262144 THEN left(t.branch::text, 262144) || octet_length(t.branch::text) ELSE t.branch::text END AS branch, CASE WHEN octet_length(t.work_item_id::text) > 262144 THEN left(t.work_item_id::text, 262144) || octet_length(t.work_item_id::text) ELSE t.work_item_id::text END AS work_item_id FROM tasks t WHERE t.id = j.task_id OFFSET 0) t ON true
    WHERE j.status = 'queued' AND j.reaper_exit_code IS DISTINCT FROM 0
        AND (j.reaper_available_at IS NULL OR j.reaper_available_at <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AND (j.reaper_payload IS NULL OR octet_length(j.reaper_payload) <= 262144) AND j.id > :after AND (:agent IS NULL OR j.agent::text = :agent)
    ORDER BY j.id LIMIT :limit;

-- TAKEABLE_JOB
SELECT j.id, j.reaper_fence, CASE WHEN octet_length(j.status::text) > 262144 THEN left(j.status::text, 262144) || octet_length(j.status::text) ELSE j.status::text END AS status, CASE WHEN octet_length(j.agent::text) > 262144 THEN left(j.agent::text, 262144) || octet_length(j.agent::text) ELSE j.agent::text END AS agent, CASE WHEN octet_length(j.repo::text) > 262144 THEN left(j.repo::text, 262144) || octet_length(j.repo::text) ELSE j.repo::text END AS repo, j.task_id, j.attempts, j.max_attempts, j.reaper_rescues, j.run_id, j.pid, j.reaper_inherited, j.reaper_started_at, j.reaper_exit_code, j.reaper_exit_at, j.reaper_executor, j.reaper_monitor, j.reaper_attach, j.reaper_node_bound, j.reaper_beat, j.reaper_beat_at, j.reaper_terminating_at, t.id, t.stage, t.reaper_stage_version, t.branch, t.work_item_id FROM jobs j LEFT JOIN LATERAL (SELECT t.id, CASE WHEN octet_length(t.stage::text) > 262144 THEN left(t.stage::text, 262144) || octet_length(t.stage::text) ELSE t.stage::text END AS stage, t.reaper_stage_version, CASE WHEN octet_length(t.branch::text) > 262144 THEN left(t.branch::text, 262144) || octet_length(t.branch::text) ELSE t.branch::text END AS branch, CASE WHEN octet_length(t.work_item_id::text) > 262144 THEN left(t.work_item_id::text, 262144) || octet_length(t.work_item_id::text) ELSE t.work_item_id::text END AS work_item_id FROM tasks t WHERE t.id = j.task_id OFFSET 0) t ON true WHERE j.id = :job AND j.status = 'queued' AND j.reaper_exit_code IS DISTINCT FROM 0
        AND (j.reaper_available_at IS NULL OR j.reaper_available_at <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AND (j.reaper_payload IS NULL OR octet_length(j.reaper_payload) <= 262144);

-- TAKE_ONE
SELECT j.id, j.task_id, j.run_id, j.agent::text FROM jobs j WHERE j.id = ANY(:jobs) AND j.status = 'queued' AND j.reaper_exit_code IS DISTINCT FROM 0
        AND (j.reaper_available_at IS NULL OR j.reaper_available_at <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AND (j.reaper_payload IS NULL OR octet_length(j.reaper_payload) <= 262144) ORDER BY j.id LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;

-- BEGIN_RUN
INSERT INTO agent_runs (task_id, agent, started_at) VALUES (:task, (jsonb_populate_record(NULL::agent_runs, jsonb_build_object('agent', :agent))).agent, (jsonb_populate_record(NULL::agent_runs, jsonb_build_object('started_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00'))).started_at) RETURNING id;

-- FORGET_RUN
UPDATE jobs SET run_id = NULL WHERE id = :job;

-- TAKE
UPDATE jobs AS j SET status = 'running',
        attempts = least(j.attempts::bigint + 1, greatest(j.attempts::bigint, 2147483647)),
        run_id = :run, pid = NULL, started_at = (jsonb_populate_record(NULL::jobs, jsonb_build_object('started_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00'))).started_at,
        reaper_attach = 'pending', reaper_monitor = :monitor, reaper_node_bound = :node_bound
    WHERE j.id = :job AND j.status = 'queued' AND j.reaper_exit_code IS DISTINCT FROM 0
        AND (j.reaper_available_at IS NULL OR j.reaper_available_at <= floor(extract(epoch FROM statement_timestamp()) * 1000)::bigint) AND (j.reaper_payload IS NULL OR octet_length(j.reaper_payload) <= 262144);

-- HAS_BEGUN
SELECT count(*) FROM jobs WHERE id = :job AND reaper_fence = :fence;

-- RECORD_EXIT
UPDATE agent_runs SET exit_code = :code, finished_at = (jsonb_populate_record(NULL::agent_runs, jsonb_build_object('finished_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00'))).finished_at WHERE id = :run AND exit_code IS NULL;

-- HOLD_RUN
SELECT (SELECT count(*) FROM agent_runs WHERE id = :run)
        - (SELECT count(*) FROM (SELECT 1 FROM agent_runs WHERE id = :run FOR NO KEY UPDATE SKIP LOCKED) AS free)
        + (SELECT count(*) FROM jobs WHERE status IN ('queued', 'running') AND run_id = :run)
        - (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE status IN ('queued', 'running') AND run_id = :run FOR NO KEY UPDATE SKIP LOCKED) AS free);

-- HOLD_WITNESSED
SELECT (SELECT count(*) FROM agent_runs WHERE id = (SELECT run_id FROM jobs WHERE id = :job AND status = 'running' AND reaper_fence = :fence))
        - (SELECT count(*) FROM (SELECT 1 FROM agent_runs WHERE id = (SELECT run_id FROM jobs WHERE id = :job AND status = 'running' AND reaper_fence = :fence) FOR NO KEY UPDATE SKIP LOCKED) AS free)
        + (SELECT count(*) FROM jobs WHERE status IN ('queued', 'running') AND run_id = (SELECT run_id FROM jobs WHERE id = :job AND status = 'running' AND reaper_fence = :fence))
        - (SELECT count(*) FROM (SELECT 1 FROM jobs WHERE status IN ('queued', 'running') AND run_id = (SELECT run_id FROM jobs WHERE id = :job AND status = 'running' AND reaper_fence = :fence) FOR NO KEY UPDATE SKIP LOCKED) AS free);

-- RECORD_WITNESSED
UPDATE agent_runs SET exit_code = :code, finished_at = (jsonb_populate_record(NULL::agent_runs, jsonb_build_object('finished_at', to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') || '+00'))).finished_at WHERE exit_code IS NULL AND id = (SELECT run_id FROM jobs WHERE id = :job AND status = 'running' AND reaper_fence = :fence AND reaper_exit_code IS NULL AND coalesce(reaper_inherited, 0) & 2 = 0);

-- RUN_EXISTS
SELECT count(*) FROM agent_runs WHERE id = :run;

-- CHECK
SELECT (SELECT max(version) FROM reaper_migrations),
    (SELECT count(*) FROM pg_trigger
        WHERE tgrelid = ANY((SELECT ARRAY[to_regclass('jobs')::oid, to_regclass('agent_runs'), to_regclass('tasks')])::oid[])
            AND tgname >= 'reaper_' AND tgname < 'reaper`' AND tgenabled IN ('O', 'A'));

-- PREPARE
SELECT (SELECT max(version) FROM reaper_migrations),
    (SELECT count(*) FROM pg_trigger
        WHERE tgrelid = ANY((SELECT ARRAY[to_regclass('jobs')::oid, to_regclass('agent_runs'), to_regclass('tasks')])::oid[])
            AND tgname >= 'reaper_' AND tgname < 'reaper`' AND tgenabled IN ('O', 'A')),
    CASE WHEN current_setting('synchronous_commit') IN ('off', 'local', 'remote_write') THEN set_config('synchronous_commit', 'on', true) END,
    set_config('plan_cache_mode', 'force_generic_plan', true), set_config('lock_timeout', :lock_timeout, true), set_config('statement_timeout', :statement_timeout, true),
    set_config('idle_in_transaction_session_timeout', :idle, true);

-- WAIT_AT_MOST
SELECT set_config('lock_timeout', :lock_timeout, true);

-- SCHEMA
SELECT coalesce((SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.oid = to_regclass('jobs')), current_schema())::text;

-- SEARCH_SCHEMA
SELECT set_config('search_path', quote_ident(:schema), true);

-- MIGRATION_LOCK
SELECT pg_advisory_xact_lock(8243112110417199731)::text;

-- HAS_MIGRATIONS
SELECT to_regclass('reaper_migrations')::text;

-- CREATE_MIGRATIONS
CREATE TABLE IF NOT EXISTS reaper_migrations (
    version text PRIMARY KEY,
    run_on timestamptz NOT NULL DEFAULT now()
);

-- TABLE
SELECT c.relkind::text, c.relpersistence::text, n.nspname::text
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass(:name);

-- COLUMNS
SELECT a.attname::text, format_type(b.oid, NULL), b.typcategory::text,
        (SELECT count(*) FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY(i.indkey)),
        format_type(a.atttypid, a.atttypmod)
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        JOIN pg_type b ON b.oid = CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE t.oid END
    WHERE a.attrelid = to_regclass(:name) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attnum;

-- OBJECTS
WITH here AS (SELECT c.oid, c.relnamespace FROM pg_class c
        WHERE c.oid IN (to_regclass('jobs'), to_regclass('tasks'), to_regclass('agent_runs')))
    SELECT CASE c.relkind WHEN 'i' THEN 'index' ELSE 'table' END,
        coalesce((SELECT t.relname FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid WHERE i.indexrelid = c.oid)::text, ''),
        c.relname::text
        FROM pg_class c
        WHERE c.relkind IN ('r', 'i') AND (starts_with(c.relname::text, 'reaper_') OR c.oid IN (SELECT oid FROM here))
            AND c.relnamespace IN (SELECT relnamespace FROM here)
    UNION ALL SELECT 'column', (SELECT c.relname::text FROM pg_class c WHERE c.oid = a.attrelid), a.attname::text
        FROM pg_attribute a
        WHERE a.attrelid IN (SELECT oid FROM here) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL SELECT 'trigger', (SELECT c.relname::text FROM pg_class c WHERE c.oid = t.tgrelid), t.tgname::text
        FROM pg_trigger t
        WHERE t.tgrelid IN (SELECT oid FROM here) AND t.tgenabled IN ('O', 'A')
    UNION ALL SELECT 'function', '', p.proname::text FROM pg_proc p
        WHERE starts_with(p.proname::text, 'reaper_') AND p.pronamespace IN (SELECT relnamespace FROM here);

