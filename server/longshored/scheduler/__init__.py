"""Which job runs, on which thread, until when. The only writer of states."""
