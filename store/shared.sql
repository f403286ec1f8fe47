-- What several daemons share (docs/decisions/postgresql.md): the log, where it ends, and who appends to it.

CREATE SCHEMA IF NOT EXISTS narrowd;

-- One row. Who appends takes the next positions from it, and so holds up who does that at the same time: positions have
-- no gaps, in the order of the commits. The proof says which key seals the secrets in the log.
CREATE TABLE narrowd.head (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL,
	id text NOT NULL,
	position bigint NOT NULL DEFAULT 0,
	proof text NOT NULL,
	ended timestamptz -- it was taken back to a data directory: nobody goes on from here
);

-- Who may append. A daemon whose row is gone, or of another epoch, appends nothing; an epoch is the time at which it
-- began, in microseconds, or one more than the highest here. serial is the number of its newest operation in this epoch: an append
-- that was sent twice is taken once. seen is by the clock of this database, and who was not seen for lease_ms is dead.
-- url is where the other daemons reach it.
CREATE TABLE narrowd.daemon (
	id text PRIMARY KEY,
	epoch bigint NOT NULL DEFAULT 1,
	serial bigint NOT NULL DEFAULT 0,
	seen timestamptz NOT NULL DEFAULT clock_timestamp(),
	host text NOT NULL,
	url text,
	lease_ms bigint NOT NULL DEFAULT 15000
);

CREATE TABLE narrowd.op (
	position bigint PRIMARY KEY,
	daemon text NOT NULL,
	epoch bigint NOT NULL,
	serial bigint NOT NULL,
	kind text NOT NULL,
	payload bytea NOT NULL,
	at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- The database of a replica as it was at a position, in pieces: who has nothing begins from the newest that is whole, and
-- what stands before it in the log can go. That of a log that was moved here is at 0. hash: SHA-256 of the file.
CREATE TABLE narrowd.snapshot (
	id text PRIMARY KEY,
	position bigint NOT NULL,
	mark text NOT NULL,
	bytes bigint NOT NULL,
	hash text NOT NULL,
	whole boolean NOT NULL DEFAULT false,
	at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE narrowd.piece (
	snapshot text NOT NULL,
	n integer NOT NULL,
	bytes bytea NOT NULL,
	PRIMARY KEY (snapshot, n)
);

-- Whose operations went, so that a replica that ran one of them can still be told from one of another log. serial is
-- that of the first one; those of one row follow each other.
CREATE TABLE narrowd.past (
	first bigint PRIMARY KEY,
	last bigint NOT NULL,
	daemon text NOT NULL,
	epoch bigint NOT NULL,
	serial bigint NOT NULL
);
