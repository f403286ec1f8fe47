-- Who may do what. Of a token its SHA-256 alone is kept, in hexadecimal; ended_at is when it was
-- revoked, or seen after its end. pools is null for a token that is bound to none.
CREATE TABLE token (
	id TEXT PRIMARY KEY NOT NULL,
	digest TEXT NOT NULL UNIQUE,
	name TEXT,
	owner TEXT NOT NULL,
	scopes TEXT NOT NULL,
	pools TEXT,
	created_at INTEGER NOT NULL,
	expires_at INTEGER,
	ended_at INTEGER,
	used_at INTEGER
) STRICT, WITHOUT ROWID;

-- What was made before there were tokens is the local owner's, as is what is made without one.
ALTER TABLE submission ADD COLUMN owner TEXT NOT NULL DEFAULT 'local';
ALTER TABLE evaluator ADD COLUMN owner TEXT NOT NULL DEFAULT 'local';
ALTER TABLE webhook ADD COLUMN owner TEXT NOT NULL DEFAULT 'local';
UPDATE idempotency SET scope = 'local';
