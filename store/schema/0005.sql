-- Every lease that was given and what was answered under it, so that who asks again after the end of
-- the job, or of the daemon, is told the same. A projection like those before; forgotten two days
-- after the lease was over (op.c), as idempotency keys are.
CREATE TABLE lease (
	id TEXT PRIMARY KEY NOT NULL,
	job TEXT NOT NULL REFERENCES submission (id) ON DELETE CASCADE,
	trial INTEGER NOT NULL,
	n INTEGER NOT NULL,
	at_ms INTEGER NOT NULL,
	-- Of the answer that counted: its hash; empty when it did not come by the lease.
	answer TEXT
) STRICT, WITHOUT ROWID;
CREATE INDEX lease_of_trial ON lease (job, trial, n);
CREATE INDEX lease_at ON lease (at_ms);

-- What came next for the trial of a lease ended it.
INSERT INTO lease (id, job, trial, n, at_ms, answer)
SELECT id, job, trial, n, coalesce(over_at, at_ms),
	CASE over WHEN 'trial_told' THEN coalesce(answer, '') END
FROM (SELECT type, data ->> 'lease' AS id, job, trial, n, at_ms, lead(type) OVER later AS over,
		lead(at_ms) OVER later AS over_at, lead(data ->> 'answer') OVER later AS answer
	FROM event
	WHERE type IN ('question_leased', 'lease_expired', 'lease_returned', 'attempt_failed',
		'trial_told', 'trial_pruned', 'trial_cancelled')
	WINDOW later AS (PARTITION BY job, trial ORDER BY n))
WHERE type = 'question_leased' AND id IS NOT NULL
	AND (over IS NULL OR over_at > 1000 * (CAST(strftime('%s', 'now') AS INTEGER) - 172800))
ON CONFLICT (id) DO NOTHING;

-- What is said of the best config by the second rules.
UPDATE job SET best = json_set(best, '$.gain', NULL, '$.gain_interval', NULL,
	'$.measurements', NULL, '$.metrics', NULL, '$.accuracy_range', NULL,
	'$.objective_range', NULL, '$.nearest', NULL, '$.keep_baseline', NULL,
	'$.keep_baseline_because', NULL, '$.verdict', NULL)
WHERE best IS NOT NULL;

-- What the entries of op_type_dict and op_name_dict matched when the job was submitted: for each entry
-- a list of first, count, first, count, ... of types or operators. NULL: they are matched at load.
ALTER TABLE submission ADD COLUMN matched TEXT;

-- Warnings of events are objects as those of submissions are.
UPDATE job SET warnings = (SELECT json_group_array(json(CASE type WHEN 'text'
		THEN json_object('pointer', NULL, 'detail', atom) ELSE value END))
	FROM (SELECT type, atom, value FROM json_each(job.warnings) ORDER BY key))
WHERE EXISTS (SELECT 1 FROM json_each(job.warnings) WHERE type = 'text');

-- Why a job is paused, and by whom: an object, or null when nothing is known.
ALTER TABLE job ADD COLUMN pause TEXT;

-- What a job says while it runs and finds nothing: the words of no_gain_so_far.
ALTER TABLE job ADD COLUMN hint TEXT;

-- Why somebody took the trial's measurement out of what counts, and when.
ALTER TABLE trial ADD COLUMN excluded TEXT;
ALTER TABLE trial ADD COLUMN excluded_at INTEGER;
