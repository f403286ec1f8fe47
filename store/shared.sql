-- What several daemons share (docs/decisions/postgresql.md): the log, where it ends, and who appends to it.

CREATE SCHEMA IF NOT EXISTS narrowd;

-- One row. Who appends takes the next positions from it, and so holds up who does that at the same time: positions have
-- no gaps, in the order of the commits. The proof says which key seals the secrets in the log.
CREATE TABLE narrowd.head (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL,
	id text NOT NULL,
	position bigint NOT NULL DEFAULT 0,
	proof text NOT NULL
);

-- Who may append. A daemon whose row is gone, or of another epoch, appends nothing. serial is the number of its newest
-- operation in this epoch: an append that was sent twice is taken once. seen is by the clock of this database.
CREATE TABLE narrowd.daemon (
	id text PRIMARY KEY,
	epoch bigint NOT NULL DEFAULT 1,
	serial bigint NOT NULL DEFAULT 0,
	seen timestamptz NOT NULL DEFAULT clock_timestamp(),
	host text NOT NULL
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
