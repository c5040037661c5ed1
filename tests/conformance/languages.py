"""Which clients there are, how their drivers start, what they are known to fail."""

from dataclasses import dataclass
from pathlib import Path

from .process import Process

CLIENTS = Path(__file__).parents[2] / "clients"

KNOWN_FAILING = Path(__file__).parent / "known-failing.txt"


@dataclass(frozen=True, slots=True)
class Language:
    """A client; `flag` chooses one of several in the same directory."""

    name: str
    folder: str
    flag: str = ""

    @property
    def driver(self) -> Path:
        return CLIENTS / self.folder / "conformance" / "run"

    def start(self, environment: dict[str, str] | None = None) -> Process:
        flags = [self.flag] if self.flag else []
        return Process([str(self.driver), *flags], environment or {})


LANGUAGES = {
    language.name: language
    for language in (
        Language("python", "python"),
        Language("python-aio", "python", "--aio"),
        Language("go", "go"),
        Language("typescript", "typescript"),
        Language("java", "java"),
        Language("rust", "rust"),
        Language("cpp", "cpp"),
    )
}


def standing() -> list[Language]:
    """Those whose driver is in the tree."""
    return [one for one in LANGUAGES.values() if one.driver.exists()]


def known_failing(path: Path = KNOWN_FAILING) -> set[tuple[str, str]]:
    """Pairs of language and scenario, one a line; # begins a comment."""
    lines = (line.partition("#")[0].split() for line in path.read_text().splitlines())
    return {(words[0], words[1]) for words in lines if words}
