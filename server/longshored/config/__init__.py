"""Settings of the daemon: defaults, file, environment, flags; checked at once."""
