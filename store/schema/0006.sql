-- Checksums of what is never changed again (sum.h). What is there already is taken for whole.
ALTER TABLE event ADD COLUMN sum INTEGER;
ALTER TABLE submission ADD COLUMN sum INTEGER;
UPDATE event SET sum = narrowd_sum(job, n, type, at_ms, trial, data);
UPDATE submission SET sum = narrowd_sum(id, capability, head, evaluator, matched, spec);
