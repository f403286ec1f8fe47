-- Webhooks and their outbox. A delivery is written with its event and holds no text of it.

CREATE TABLE webhook (
	id TEXT PRIMARY KEY NOT NULL,
	document TEXT NOT NULL,
	secret TEXT NOT NULL,
	disabled TEXT
) STRICT;

CREATE TABLE subscription (
	type TEXT NOT NULL,
	webhook TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
	PRIMARY KEY (type, webhook)
) STRICT, WITHOUT ROWID;
CREATE INDEX subscription_of_webhook ON subscription (webhook);

-- What is pending for one webhook and one job is a queue in the order of events. Its first one has
-- due_at, the others have none: whoever looks for what is due finds each queue once.
CREATE TABLE delivery (
	webhook TEXT NOT NULL REFERENCES webhook (id) ON DELETE CASCADE,
	event INTEGER NOT NULL REFERENCES event (seq) ON DELETE CASCADE,
	job TEXT NOT NULL,
	type TEXT NOT NULL,
	state TEXT NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'delivered', 'dead')),
	attempts INTEGER NOT NULL DEFAULT 0,
	queued_at INTEGER NOT NULL,
	due_at INTEGER,
	attempted_at INTEGER,
	status INTEGER,
	error TEXT,
	PRIMARY KEY (webhook, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX delivery_of_event ON delivery (event);
CREATE INDEX delivery_queue ON delivery (webhook, job, event) WHERE state = 'pending';
CREATE INDEX delivery_due ON delivery (webhook, due_at) WHERE due_at IS NOT NULL;
