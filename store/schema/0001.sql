-- What clients and the tuner said, never changed: a job's submission, its log, evaluators, keys.
-- JSON is stored as text, so that numbers keep all their digits; json() checks it on its way in,
-- because SQLite 3.40 allows no JSON functions in a schema that is not trusted.

CREATE TABLE submission (
	id TEXT PRIMARY KEY NOT NULL,
	spec TEXT NOT NULL,
	capability TEXT NOT NULL,
	head TEXT NOT NULL,
	evaluator TEXT NOT NULL
) STRICT;

-- seq is never used twice, even after deletes: it is the cursor of event streams.
CREATE TABLE event (
	seq INTEGER PRIMARY KEY AUTOINCREMENT,
	job TEXT NOT NULL REFERENCES submission (id) ON DELETE CASCADE,
	n INTEGER NOT NULL CHECK (n > 0),
	type TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	trial INTEGER,
	data TEXT NOT NULL,
	UNIQUE (job, n)
) STRICT;
CREATE INDEX event_of_job ON event (job);

CREATE TABLE evaluator (
	id TEXT PRIMARY KEY NOT NULL,
	document TEXT NOT NULL,
	secrets TEXT
) STRICT;

CREATE TABLE idempotency (
	scope TEXT NOT NULL,
	key TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	status INTEGER NOT NULL,
	location TEXT,
	body TEXT NOT NULL,
	at_ms INTEGER NOT NULL,
	PRIMARY KEY (scope, key)
) STRICT;
CREATE INDEX idempotency_at ON idempotency (at_ms);

-- Projections: every row below follows from the tables above (project.c). They are kept narrow,
-- because each event rewrites one or two of them; what is long stays in the log.

CREATE TABLE job (
	id TEXT PRIMARY KEY NOT NULL REFERENCES submission (id) ON DELETE CASCADE,
	version INTEGER NOT NULL DEFAULT 0,
	state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'baseline', 'running',
		'paused', 'completed', 'failed', 'cancelled')),
	created_at INTEGER NOT NULL DEFAULT 0,
	started_at INTEGER,
	finished_at INTEGER,
	name TEXT,
	labels TEXT NOT NULL,
	parallel INTEGER NOT NULL,
	max_trials INTEGER NOT NULL,
	timeout TEXT NOT NULL,
	active_s TEXT NOT NULL DEFAULT '0',
	stage TEXT,
	asked INTEGER NOT NULL DEFAULT 0,
	told INTEGER NOT NULL DEFAULT 0,
	failed INTEGER NOT NULL DEFAULT 0,
	cancelled INTEGER NOT NULL DEFAULT 0,
	cached INTEGER NOT NULL DEFAULT 0,
	measured INTEGER NOT NULL DEFAULT 0,
	best_trial INTEGER,
	best TEXT,
	baseline TEXT,
	bound TEXT,
	exit TEXT,
	warnings TEXT NOT NULL
) STRICT;
CREATE INDEX job_open ON job (id) WHERE state IN ('queued', 'baseline', 'running', 'paused');

-- asked_n and told_n are the events that hold the trial's config and scores.
CREATE TABLE trial (
	job TEXT NOT NULL REFERENCES submission (id) ON DELETE CASCADE,
	number INTEGER NOT NULL CHECK (number >= 0),
	kind TEXT NOT NULL CHECK (kind IN ('baseline', 'evaluate', 'score', 'confirm')),
	stage TEXT,
	state TEXT NOT NULL CHECK (state IN ('asked', 'leased', 'told', 'failed', 'pruned',
		'cancelled')),
	source TEXT CHECK (source IN ('measured', 'cache', 'imported')),
	attempts INTEGER NOT NULL DEFAULT 0,
	hash TEXT,
	method TEXT,
	accuracy TEXT,
	accuracy_value REAL,
	metrics TEXT,
	latency_ms REAL,
	feasible INTEGER CHECK (feasible IN (0, 1)),
	objective_value TEXT,
	worker TEXT,
	error TEXT,
	asked_at INTEGER NOT NULL,
	told_at INTEGER,
	asked_n INTEGER NOT NULL,
	told_n INTEGER,
	PRIMARY KEY (job, number)
) STRICT;
CREATE INDEX trial_out ON trial (job) WHERE state IN ('asked', 'leased');
