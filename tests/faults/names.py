"""Names that a caller may send for an image, and what comes of them: list D."""

from dataclasses import dataclass

DENIED = "PERMISSION_DENIED"
EXISTS = "TARGET_EXISTS"
FIELD = "FIELD_INVALID"
INVALID = "IMAGE_INVALID"
MISSING = "TARGET_NOT_FOUND"
STATE = "TARGET_WRONG_STATE"
UNSUPPORTED = "IMAGE_UNSUPPORTED"


@dataclass(frozen=True, slots=True)
class Name:
    """`{root}` and `{canary}` are filled in. `made` is what CreateImage says to it;
    empty: it is a good name for something new."""

    text: str
    read: str
    made: str


def _both(reason: str, *texts: str) -> tuple[Name, ...]:
    return tuple(Name(text, reason, reason) for text in texts)


NAMES = (
    *_both(
        FIELD,
        "",
        ".",
        "..",
        "relative.qcow2",
        "./relative.qcow2",
        "../outside/canary.raw",
        "-o",
        "a,b=c",
        "{root}/",
        "{root}/directory/",
        "{root}/../outside/canary.raw",
        "{root}/directory/../secret.raw",
        "{root}/..",
        "{root}/" + "x" * 256,
        "{root}/" + "y" * 300 + "/z",
        "{root}/" + "long/" * 900,
        "{root}/" + "long/" * 900 + "z",
        "{root}/nul\0.qcow2",
        "{root}/line\n2026 root: all is well",
        "{root}/return\r.qcow2",
        "{root}/\x1b[2J\x1b[31mred",
        "{root}/delete\x7f",
        "{root}/bell\x07",
        "{root}/c1\x9b31m",
        "{root}/war.\u202e2wocq",
        "{root}/\u2066isolate",
        "json:{}",
        'json:{"driver":"file","filename":"{canary}"}',
        "/",
        "http://127.0.0.1/x",
        "ssh://127.0.0.1/x",
        "file://elsewhere{root}/plain.raw",
        "file:relative",
        "fat:/etc",
        "host_device:/dev/zero",
    ),
    *_both(UNSUPPORTED, "nbd://127.0.0.1:10809/x", "nbd+unix:///x?socket=/run/x"),
    *_both(
        DENIED,
        "/etc/passwd",
        "/proc/self/environ",
        "/proc/self/fd/0",
        "/proc/self/cwd/x",
        "/dev/zero",
        "/dev/stdin",
        "/dev/null",
        "{canary}",
        "file://{canary}",
        "{root}-beside/x.qcow2",
        "{root}/door/canary.raw",
        "{root}/door/new.qcow2",
        "//etc//passwd",
    ),
    Name("{root}", STATE, EXISTS),
    Name("{root}/.", STATE, EXISTS),
    Name("{root}/directory", STATE, EXISTS),
    Name("{root}/fifo", STATE, EXISTS),
    Name("{root}/socket", STATE, EXISTS),
    Name("{root}/zero", STATE, EXISTS),
    Name("{root}/round", STATE, EXISTS),
    Name("{root}/link-out", DENIED, EXISTS),
    Name("{root}/link-up", DENIED, EXISTS),
    Name("{root}/link-environ", DENIED, EXISTS),
    Name("{root}/link-fd", DENIED, EXISTS),
    Name("{root}/link-zero", DENIED, EXISTS),
    Name("{root}/round/x", STATE, STATE),
    Name("{root}/plain.raw/x", MISSING, MISSING),
    Name("{root}/nowhere/x", MISSING, MISSING),
    Name("{root}/hard-link", INVALID, EXISTS),
    Name("{root}/secret.raw", INVALID, EXISTS),
    Name("file://{root}/secret.raw", INVALID, EXISTS),
    Name("{root}//secret.raw", INVALID, EXISTS),
    Name("{root}/./secret.raw", INVALID, EXISTS),
    Name("{root}/new.qcow2", MISSING, ""),
    Name("{root}/" + "n" * 255, MISSING, ""),
    Name("{root}/-o", MISSING, ""),
    Name("{root}/a,b=c", MISSING, ""),
    Name("{root}/%2e%2e", MISSING, ""),
    Name("{root}/name with spaces", MISSING, ""),
    Name("{root}/Ünïcödé ✓", MISSING, ""),
    Name("{root}/json:{}", MISSING, ""),
)
