-- What the figures of the best config are compared with.
UPDATE job SET best = json_set(best, '$.baseline', NULL) WHERE best IS NOT NULL;
