-- Work that takes longer than an answer may. state: 0 waiting, 1 running, 2 done, 3 failed, 4 cancelled. due: not to be taken before; while it
-- runs, when its worker counts as dead. turn is raised whenever it is taken: a worker whose turn is over changes nothing any more. place is
-- where the work goes on, written in the transaction that writes what was done up to there.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    job_key TEXT NOT NULL UNIQUE,
    ask TEXT NOT NULL,
    actor TEXT NOT NULL,
    state INTEGER NOT NULL,
    cancel INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    tries_max INTEGER NOT NULL,
    due INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    worker TEXT NOT NULL,
    done INTEGER NOT NULL,
    total INTEGER,
    place TEXT NOT NULL,
    log TEXT NOT NULL,
    problem TEXT NOT NULL,
    file TEXT NOT NULL,
    parts INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    created INTEGER NOT NULL,
    started INTEGER,
    ended INTEGER
) STRICT;
CREATE INDEX jobs_due ON jobs (state, due, id);

-- What a job made, in parts; begins is the place of a part's first byte in the whole.
CREATE TABLE job_parts (
    job INTEGER NOT NULL,
    part INTEGER NOT NULL,
    begins INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (job, part),
    FOREIGN KEY (job) REFERENCES jobs (id) ON DELETE CASCADE
) STRICT;
