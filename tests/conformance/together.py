"""All clients at once: one daemon, a process for each language, each starting,
throttling, pausing, resuming and cancelling the jobs of the others at random, and the
daemon killed now and then. In the end all have seen the same history, change by
change, and it is that of the store.

    python -m tests.conformance.together --seconds 120
"""

import argparse
import random
import secrets
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from longshored.store.database import open_database
from longshored.store.reader import Reader
from tests.support.daemon import DaemonProcess, Place

from .built import built
from .languages import LANGUAGES, Language
from .process import Fields, Process

MiB = 1024**2

# A change as everyone must have seen it: revision, kind, job and its state.
Seen = tuple[int, str, str, str]

# How long one op may take; a restart of the daemon lies within it.
OP_SECONDS = 90.0

# Between two ops of one client, on average (s): a crowd, not a flood.
PACE_SECONDS = 0.05

# At most so many jobs of each client are not known to have ended.
MOST_OPEN = 6


@dataclass(frozen=True, slots=True)
class Wish:
    """How long, with whom, by which dice, and how often the daemon is killed."""

    seconds: float
    languages: tuple[Language, ...]
    seed: int
    kills: int = 2


@dataclass
class Board:
    """What the clients share: which jobs there are. One lock guards all of it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    open: list[str] = field(default_factory=list)
    made: int = 0
    ops: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)

    def pick(self, dice: random.Random) -> str | None:
        with self.lock:
            return dice.choice(self.open) if self.open else None

    def note(self, op: str, answer: Fields) -> None:
        with self.lock:
            self.ops[op] += 1
            if "error" in answer:
                self.refusals[answer["error"]["class"]] += 1


class Player(threading.Thread):
    """One client, that does something to some job again and again."""

    def __init__(self, name: str, process: Process, board: Board, seed: str) -> None:
        super().__init__(name=name, daemon=True)
        self.process = process
        self.enough = threading.Event()
        self.failure: Exception | None = None
        self._board = board
        self._dice = random.Random(seed)
        self._made = 0

    def begin(self, place: Place) -> None:
        self._root = place.root
        self.ask("connect", address=place.address)
        # From the beginning of history, so that it does not matter who was first.
        history_id = self.ask("capabilities")["ok"]["historyId"]
        start = {"historyId": history_id, "revision": "0"}
        self.ask("watch_record", watch="w", omit_progress=True, cursor=start)

    def ask(self, op: str, **fields: object) -> Fields:
        given = {"op": op, "client": "c", **fields}
        answer = self.process.ask(given, OP_SECONDS)
        self._board.note(op, answer)
        return answer

    def run(self) -> None:
        try:
            while not self.enough.wait(self._dice.uniform(0, 2 * PACE_SECONDS)):
                self._do_something()
        except Exception as error:  # noqa: BLE001 - told at the end, by who joins
            self.failure = error

    def _do_something(self) -> None:
        if self._dice.random() < 0.25 and len(self._board.open) < MOST_OPEN * 6:
            self._start_a_job()
            return
        job_id = self._board.pick(self._dice)
        if job_id is not None:
            self._steer(job_id)

    def _start_a_job(self) -> None:
        self._made += 1
        job_id = f"{self.name}-{self._made}"
        base = {"uri": str(self._root / "base.raw"), "format": "raw"}
        top = {"uri": str(self._root / f"{job_id}.qcow2"), "format": "qcow2"}
        self.ask("create_image", request={"image": top, "backing": base})
        request = {
            "jobId": job_id,
            "info": {"block": {"pull": {"spec": {"top": top}}}},
            "options": {"speedBytesPerSecond": str(self._speed())},
        }
        if "ok" in self.ask("create", request=request):
            with self._board.lock:
                self._board.open.append(job_id)
                self._board.made += 1

    def _steer(self, job_id: str) -> None:
        """Whoever made it."""
        match self._dice.randrange(6):
            case 0:
                self.ask("pause", job_id=job_id, comment=self.name)
            case 1:
                self.ask("resume", job_id=job_id)
            case 2:
                self.ask(
                    "set_speed", job_id=job_id, bytes_per_second=str(self._speed())
                )
            case 3:
                self.ask("set_speed", job_id=job_id, bytes_per_second=None)
            case 4:
                self.ask("cancel", job_id=job_id)
            case _:
                self._look(job_id)

    def _look(self, job_id: str) -> None:
        answer = self.ask("get", job_id=job_id)
        if answer.get("ok", {}).get("job", {}).get("endTime"):
            with self._board.lock:
                if job_id in self._board.open:
                    self._board.open.remove(job_id)

    def _speed(self) -> int:
        return self._dice.choice((64, 256, 1024)) * 1024


def play(wish: Wish) -> Iterator[str]:
    """What was wrong, empty if nothing was."""
    with tempfile.TemporaryDirectory(prefix="longshore-") as directory:
        place = Place(Path(directory))
        (place.root / "base.raw").write_bytes(bytes(range(256)) * (MiB // 256))
        board = Board()
        with running(place) as daemon, ExitStack() as open_:
            players = [_player(wish, board, each, open_) for each in wish.languages]
            for player in players:
                player.begin(place)
            _let_them(players, daemon, wish)
            head = _settle(players[0])
            seen = {player.name: _recorded(player, head) for player in players}
            daemon.terminate()
            truth = history(place)
            _say_what_happened(board, truth)
            yield from differences(truth, seen, head)


@contextmanager
def running(place: Place) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(place, environment={"LONGSHORE_JOBS__SLOTS": "16"})
    try:
        yield daemon.start()
    finally:
        daemon.end()


def _player(wish: Wish, board: Board, language: Language, open_: ExitStack) -> Player:
    process = language.start()
    open_.callback(process.end)
    return Player(language.name, process, board, f"{wish.seed}:{language.name}")


def _let_them(players: list[Player], daemon: DaemonProcess, wish: Wish) -> None:
    """Until time is up; the daemon is killed in between, at even distances."""
    for player in players:
        player.start()
    stretch = wish.seconds / (wish.kills + 1)
    for number in range(wish.kills + 1):
        time.sleep(stretch)
        if number < wish.kills:
            daemon.kill()
            daemon.start()
    for player in players:
        player.enough.set()
    for player in players:
        player.join()
        if player.failure is not None:
            raise player.failure


def _settle(player: Player) -> int:
    """Let every job come to its end; the last revision then."""
    jobs = player.ask("list")["ok"]["jobs"]
    left = [job["jobId"] for job in jobs if "endTime" not in job]
    for job_id in left:
        player.ask("set_speed", job_id=job_id, bytes_per_second=None)
        player.ask("resume", job_id=job_id)
    for job_id in left:
        player.ask("wait", job_id=job_id, raise_on_failure=False)
    listed = player.ask("raw", service="JobService", method="ListJobs", request={})
    return int(listed["ok"]["cursor"]["revision"])


def _recorded(player: Player, head: int) -> list[Seen]:
    answer = player.ask("watch_recorded", watch="w", until_revision=str(head))
    assert "ok" in answer, f"{player.name}: {answer}"
    assert not answer["ok"]["resynced"], f"{player.name} was resynced"
    return [
        (
            int(event["revision"]),
            event["kind"],
            event["job_id"],
            str(event["state"]).removeprefix("JOB_STATE_"),
        )
        for event in answer["ok"]["events"]
    ]


def history(place: Place) -> list[Seen]:
    """What the store has written down."""
    database = open_database(place.state)
    reader = Reader(database)
    try:
        return [
            (
                change.revision,
                change.kind.name,
                change.job.job_id,
                change.job.state.name,
            )
            for change in reader.changes_after(0, limit=10_000_000)
        ]
    finally:
        reader.close()
        database.close()


def differences(
    truth: list[Seen], seen: dict[str, list[Seen]], head: int
) -> Iterator[str]:
    """Where a client's history is not that of the store up to a revision."""
    wanted = [one for one in truth if one[0] <= head]
    for name, events in seen.items():
        found = [one for one in events if one[0] <= head]
        pairs = zip(found, wanted, strict=False)
        first = next((f"{a} instead of {b}" for a, b in pairs if a != b), "")
        if first or len(found) != len(wanted):
            yield f"{name} has seen {len(found)} changes of {len(wanted)} {first}"


def _say_what_happened(board: Board, truth: list[Seen]) -> None:
    say(f"{board.made} jobs, {len(truth)} changes")
    say("ops: " + ", ".join(f"{name} {n}" for name, n in board.ops.most_common()))
    say("errors: " + ", ".join(f"{name} {n}" for name, n in board.refusals.items()))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    parser = argparse.ArgumentParser("together", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument(
        "--kills", type=int, default=2, help="of the daemon, by SIGKILL"
    )
    parser.add_argument("--client", nargs="+", choices=LANGUAGES, default=[])
    given = parser.parse_args()
    seed = secrets.randbelow(10**6) if given.seed is None else given.seed
    languages = [LANGUAGES[name] for name in given.client] or built()
    say(f"seed {seed}, {given.seconds:g} s: {', '.join(one.name for one in languages)}")
    wrong = list(play(Wish(given.seconds, tuple(languages), seed, given.kills)))
    for complaint in wrong:
        say(complaint)
    say("all have seen the same" if not wrong else "they have not seen the same")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
