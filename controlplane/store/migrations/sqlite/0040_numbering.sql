-- Whoever numbers a configuration holds this row, whose counter is that of the newest one with a number: numbers follow the changes.
INSERT INTO changes (id, counter) SELECT 2, COALESCE(MAX(change_counter), -1) FROM revisions;
