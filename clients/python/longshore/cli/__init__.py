"""The command line: a client like any other, it uses nothing but the library."""

from .main import main

__all__ = ["main"]
