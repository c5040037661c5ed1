-- The first schema.

-- What the store is: history_id, epoch, host, page_token_key.
CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value NOT NULL
) WITHOUT ROWID;

-- Every job that was not removed. `number` is the revision that created it, so
-- it orders jobs by age and never comes twice. `record` is the truth (record.py);
-- the other columns are what SQL asks for.
CREATE TABLE jobs (
    number      INTEGER PRIMARY KEY,
    job_id      TEXT NOT NULL,
    uid         TEXT NOT NULL,
    kind        TEXT NOT NULL,
    state       TEXT NOT NULL,
    owner       TEXT NOT NULL,
    revision    INTEGER NOT NULL,
    end_time    INTEGER,
    expire_time INTEGER,
    record      TEXT NOT NULL
);

-- Read once at every start: the jobs that have not ended.
CREATE INDEX jobs_unfinished ON jobs (number)
    WHERE state NOT IN ('SUCCEEDED', 'FAILED', 'CANCELLED');

CREATE INDEX jobs_expiring ON jobs (expire_time) WHERE expire_time IS NOT NULL;

-- Every job_id that was ever given, also of jobs long removed: none comes twice.
CREATE TABLE job_ids (
    job_id TEXT PRIMARY KEY,
    number INTEGER NOT NULL
) WITHOUT ROWID;

-- By what jobs are listed (facets.py). `outcome` is the final state, '' before:
-- a job is indexed when it is made and once more when it ends.
CREATE TABLE facets (
    facet   TEXT NOT NULL,
    outcome TEXT NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (facet, outcome, number)
) WITHOUT ROWID;

-- The log that watches read. AUTOINCREMENT: a pruned revision never comes back.
CREATE TABLE events (
    revision       INTEGER PRIMARY KEY AUTOINCREMENT,
    kind           TEXT NOT NULL,
    number         INTEGER NOT NULL,
    previous_state TEXT,
    time           INTEGER NOT NULL,
    record         TEXT NOT NULL
);

-- What was answered to a create request, for the caller who asks again.
CREATE TABLE requests (
    caller      TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    body        TEXT NOT NULL,
    job_ids     TEXT NOT NULL,
    expire_time INTEGER NOT NULL,
    PRIMARY KEY (caller, request_id)
) WITHOUT ROWID;

CREATE INDEX requests_expiring ON requests (expire_time);

-- Where a job's driver goes on after a restart; gone when the job ends.
CREATE TABLE checkpoints (
    number INTEGER PRIMARY KEY,
    epoch  INTEGER NOT NULL,
    state  BLOB NOT NULL
);

CREATE TABLE counts (
    kind  TEXT NOT NULL,
    state TEXT NOT NULL,
    jobs  INTEGER NOT NULL,
    PRIMARY KEY (kind, state)
) WITHOUT ROWID;
