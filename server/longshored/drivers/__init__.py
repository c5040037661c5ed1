"""What each kind of job does: one file per kind, and the registry of them."""
