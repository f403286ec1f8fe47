-- Strategies ask advisers, too: three more kinds of question. A CHECK changes only with its table.
CREATE TABLE trial_3 (
	job TEXT NOT NULL REFERENCES submission (id) ON DELETE CASCADE,
	number INTEGER NOT NULL CHECK (number >= 0),
	kind TEXT NOT NULL CHECK (kind IN ('baseline', 'evaluate', 'score', 'confirm', 'begin',
		'suggest', 'observe')),
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
INSERT INTO trial_3 SELECT * FROM trial;
DROP TABLE trial;
ALTER TABLE trial_3 RENAME TO trial;
CREATE INDEX trial_out ON trial (job) WHERE state IN ('asked', 'leased');
