"""Wiring: the one place that builds the daemon's objects, and drains them."""
