-- Records that a search engine is still to be told, one row for each batch that was collected: cdr_keys are starts and ids, 24 bytes each.
-- Whoever tells them owns the row until taken_till and removes it afterwards.
CREATE TABLE unindexed (
    seq BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    noted BIGINT NOT NULL,
    taken_till BIGINT NOT NULL,
    records BIGINT NOT NULL,
    cdr_keys LONGBLOB NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
