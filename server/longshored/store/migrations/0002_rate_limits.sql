-- Limits set by calls, which go before the configured ones field by field.
-- `device` is "major:minor", or '' for the limit of the daemon itself.
CREATE TABLE rate_limits (
    device                 TEXT PRIMARY KEY,
    speed_bytes_per_second INTEGER,
    burst_bytes            INTEGER,
    iops                   INTEGER,
    burst_operations       INTEGER,
    actor                  TEXT NOT NULL,
    set_time               INTEGER NOT NULL
) WITHOUT ROWID;
