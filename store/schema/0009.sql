-- What was given as a secret is sealed by a key that is not in the database (seal.h). The proof says which.
CREATE TABLE seal (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	proof TEXT NOT NULL
) STRICT;

-- A submission that is damaged stays one: it gets no new checksum.
UPDATE submission SET sum = CASE WHEN sum IS NOT NULL
	AND sum <> narrowd_sum(id, capability, head, evaluator, matched, spec) THEN 0 END;
UPDATE submission SET evaluator = narrowd_seal(evaluator, id);

-- What stands behind the "?" of a URL is sealed with the secrets, and not shown.
UPDATE submission SET
	spec = json_set(spec, '$.evaluator.url', substr(spec ->> '$.evaluator.url', 1,
		instr(spec ->> '$.evaluator.url', '?')) || '...'),
	head = json_set(head, '$.evaluator.url', substr(head ->> '$.evaluator.url', 1,
		instr(head ->> '$.evaluator.url', '?')) || '...')
WHERE instr(spec ->> '$.evaluator.url', '?') AND instr(head ->> '$.evaluator.url', '?');
UPDATE submission SET sum = narrowd_sum(id, capability, head, evaluator, matched, spec) WHERE sum IS NULL;
UPDATE evaluator SET secrets = narrowd_seal(CASE WHEN instr(document ->> 'url', '?')
	THEN json_set(coalesce(secrets, '{}'), '$.url', document ->> 'url') ELSE secrets END, id);
UPDATE evaluator SET document = json_set(document, '$.url', substr(document ->> 'url', 1,
	instr(document ->> 'url', '?')) || '...') WHERE instr(document ->> 'url', '?');
UPDATE webhook SET secret = narrowd_seal(json_object('secret', secret, 'url', document ->> 'url'), id);
UPDATE webhook SET document = json_set(document, '$.url', substr(document ->> 'url', 1,
	instr(document ->> 'url', '?')) || '...') WHERE instr(document ->> 'url', '?');
UPDATE idempotency SET body = narrowd_seal(body, "key");
