-- Measurements made elsewhere are counted apart: they cost no budget.
ALTER TABLE job ADD COLUMN imported INTEGER NOT NULL DEFAULT 0;
