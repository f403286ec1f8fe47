-- Why the end game rejected the trial, when, and what it lost then: an object, or null. Of what happened under an older
-- schema the events do not say which of them rejected a trial: there it stays null.
ALTER TABLE trial ADD COLUMN rejected TEXT;
