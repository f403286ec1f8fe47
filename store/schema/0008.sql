-- Up to which event jobs of an owner were deleted by themselves: who has read less may have missed some.
CREATE TABLE pruned (
	owner TEXT PRIMARY KEY NOT NULL,
	seq INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What is looked for to be deleted by its age.
CREATE INDEX job_over ON job (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX delivery_over ON delivery (queued_at) WHERE state <> 'pending';
