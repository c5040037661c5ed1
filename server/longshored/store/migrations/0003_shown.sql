-- How each job is shown, in bytes that the store does not read: written with every
-- change of the job. NULL: nobody has made them.
ALTER TABLE jobs ADD COLUMN shown BLOB;
