"""Which clients can be run here: in CI all of them, elsewhere those that are built."""

import os
from functools import cache

from .languages import LANGUAGES, Language, standing
from .process import DriverFailure

# How long a driver may take to say hello.
HELLO_SECONDS = 30.0


def is_left_out(folder: str) -> bool:
    """Not built, and this is not CI, where that is a failure."""
    if os.environ.get("CI") == "true":
        return False
    language = next(one for one in LANGUAGES.values() if one.folder == folder)
    return not _answers(language)


def built() -> list[Language]:
    """Those that are not left out."""
    return [one for one in standing() if not is_left_out(one.folder)]


@cache
def _answers(language: Language) -> bool:
    process = language.start()
    try:
        process.ask({"op": "hello"}, HELLO_SECONDS)
    except DriverFailure:
        return False
    finally:
        process.end()
    return True
