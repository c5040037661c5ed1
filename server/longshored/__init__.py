"""The Longshore daemon: job control for disk images, volumes, domains and networks."""

__version__ = "0.1.0"
