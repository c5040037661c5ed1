"""Flush before publish, seen from outside: the order of system calls on one image.

Guest data is written by pwritev, tables and counters by pwrite. A table that is
written while data is not flushed may come to the disk before it.
"""

import re

_CALL = re.compile(r"\b(pwritev2?|pwrite64|fdatasync|fsync)\(")


def unflushed_publications(lines: list[str]) -> list[str]:
    """Each write of metadata that found data not flushed."""
    wrong, is_dirty = [], False
    for line in lines:
        found = _CALL.search(line)
        match found[1] if found else None:
            case "pwritev" | "pwritev2":
                is_dirty = True
            case "fdatasync" | "fsync":
                is_dirty = False
            case "pwrite64" if is_dirty:
                wrong.append(line)
    return wrong
