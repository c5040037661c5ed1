"""The life of a job: values and tables. Knows no file, no database, no thread."""
