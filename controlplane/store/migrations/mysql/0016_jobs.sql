-- Work that takes longer than an answer may. state: 0 waiting, 1 running, 2 done, 3 failed, 4 cancelled. due: not to be taken before; while it
-- runs, when its worker counts as dead. turn is raised whenever it is taken: a worker whose turn is over changes nothing any more. place is
-- where the work goes on, written in the transaction that writes what was done up to there.
CREATE TABLE jobs (
    id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    kind VARCHAR(32) NOT NULL,
    job_key VARCHAR(160) NOT NULL UNIQUE,
    ask LONGTEXT NOT NULL,
    actor VARCHAR(255) NOT NULL,
    state SMALLINT NOT NULL,
    cancel SMALLINT NOT NULL,
    tries BIGINT NOT NULL,
    tries_max BIGINT NOT NULL,
    due BIGINT NOT NULL,
    turn BIGINT NOT NULL,
    worker VARCHAR(64) NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT,
    place LONGTEXT NOT NULL,
    log LONGTEXT NOT NULL,
    problem VARCHAR(400) NOT NULL,
    file VARCHAR(160) NOT NULL,
    parts BIGINT NOT NULL,
    bytes BIGINT NOT NULL,
    created BIGINT NOT NULL,
    started BIGINT,
    ended BIGINT
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
CREATE INDEX jobs_due ON jobs (state, due, id);

-- What a job made, in parts; begins is the place of a part's first byte in the whole.
CREATE TABLE job_parts (
    job BIGINT NOT NULL,
    part BIGINT NOT NULL,
    begins BIGINT NOT NULL,
    bytes LONGBLOB NOT NULL,
    PRIMARY KEY (job, part),
    FOREIGN KEY (job) REFERENCES jobs (id) ON DELETE CASCADE
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
