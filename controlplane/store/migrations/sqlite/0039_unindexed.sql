-- Records that a search engine is still to be told, one row for each batch that was collected: cdr_keys are starts and ids, 24 bytes each.
-- Whoever tells them owns the row until taken_till and removes it afterwards.
CREATE TABLE unindexed (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    noted INTEGER NOT NULL,
    taken_till INTEGER NOT NULL,
    records INTEGER NOT NULL,
    cdr_keys BLOB NOT NULL
) STRICT;
