-- A schedule says what becomes of firings that overlap, come late or fail; a run waits for its turn as
-- a row; each attempt is a row of its own.

ALTER TABLE koyalite.scheduled_tasks
    DROP CONSTRAINT scheduled_tasks_overlap_check,
    DROP CONSTRAINT scheduled_tasks_catch_up_check,
    ADD CONSTRAINT scheduled_tasks_overlap_check CHECK (overlap IN ('skip', 'queue', 'allow')),
    ADD CONSTRAINT scheduled_tasks_catch_up_check CHECK (catch_up IN ('latest', 'all', 'none')),
    -- Who made it: a deploy touches only those of manifests.
    ADD COLUMN origin text NOT NULL DEFAULT 'manifest' CHECK (origin IN ('manifest', 'api')),
    ADD COLUMN catch_up_window_s bigint NOT NULL DEFAULT 604800 CHECK (catch_up_window_s > 0),
    ADD COLUMN retries integer NOT NULL DEFAULT 0 CHECK (retries >= 0),
    ADD COLUMN backoff_s bigint NOT NULL DEFAULT 10 CHECK (backoff_s > 0),
    ADD COLUMN backoff_max_s bigint NOT NULL DEFAULT 600 CHECK (backoff_max_s > 0),
    -- NULL: as long as the function's own limit.
    ADD COLUMN timeout_s bigint CHECK (timeout_s > 0),
    ADD COLUMN jitter_s bigint NOT NULL DEFAULT 0 CHECK (jitter_s >= 0);

ALTER TABLE koyalite.runs
    DROP CONSTRAINT runs_task_id_scheduled_for_key,
    DROP CONSTRAINT runs_status_check,
    DROP CONSTRAINT runs_check1,
    ADD COLUMN project_id uuid,
    -- What set it off.
    ADD COLUMN trigger text NOT NULL DEFAULT 'schedule'
        CHECK (trigger IN ('schedule', 'catch_up', 'manual', 'backfill')),
    -- While it waits: not earlier than this.
    ADD COLUMN not_before timestamptz,
    -- Whether it waits for other runs of its task.
    ADD COLUMN serial boolean NOT NULL DEFAULT true,
    -- How many attempts came before it for the same reason; a backfill begins anew.
    ADD COLUMN retry integer NOT NULL DEFAULT 0 CHECK (retry >= 0),
    -- How many earlier firings did not run, where it makes up for them.
    ADD COLUMN missed_count integer NOT NULL DEFAULT 0 CHECK (missed_count >= 0),
    -- The node that ran it.
    ADD COLUMN node text,
    ADD CONSTRAINT runs_status_check CHECK (status IN
        ('waiting', 'running', 'succeeded', 'failed', 'skipped', 'missed')),
    ADD CONSTRAINT runs_reason_check
        CHECK (status IN ('waiting', 'running', 'succeeded') OR reason IS NOT NULL),
    -- The firing is enqueued once however many nodes see it due, and each further attempt once as well:
    -- the first insert wins.
    ADD CONSTRAINT runs_firing_key UNIQUE (task_id, scheduled_for, attempt);

UPDATE koyalite.runs r SET project_id = t.project_id
FROM koyalite.scheduled_tasks t WHERE t.id = r.task_id;

ALTER TABLE koyalite.runs
    ADD CONSTRAINT runs_waiting_check
        CHECK (status <> 'waiting' OR (project_id IS NOT NULL AND not_before IS NOT NULL));

-- What is due to start, project by project; what is not over of a task; what may be forgotten.
CREATE INDEX runs_waiting ON koyalite.runs (project_id, not_before) WHERE status = 'waiting';
CREATE INDEX runs_active ON koyalite.runs (task_id, scheduled_for, attempt)
    WHERE status IN ('waiting', 'running');
CREATE INDEX runs_finished_at ON koyalite.runs (finished_at) WHERE finished_at IS NOT NULL;

-- Two nodes that take different runs of one task at the same moment: the second one fails here.
CREATE UNIQUE INDEX runs_one_at_a_time ON koyalite.runs (task_id)
    WHERE status = 'running' AND serial;

-- A write of a scheduled run calls this first, in its own transaction: it raises where the run's lease
-- is over, and otherwise holds the row, so that nobody takes the run over before the write is done. The
-- project is that of whoever is logged in, so no project can hold, or ask about, another's run.
CREATE FUNCTION koyalite_api.hold_run(run uuid, held_fence bigint) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM FROM koyalite.runs r JOIN koyalite.projects p ON p.id = r.project_id
    WHERE r.id = run AND r.fence = held_fence AND r.status = 'running'
        AND r.lease_until > clock_timestamp() AND p.database_role = session_user
    FOR SHARE OF r;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the lease of this run is over' USING ERRCODE = 'KY002';
    END IF;
    RETURN true;
END $$;
