"""The log writer: nobody who logs ever waits."""

import io
import threading

from longshored.app.logs import MOST_WAITING, LogWriter


class Stuck(io.StringIO):
    """A stream that takes nothing until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.go = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        assert self.go.wait(20)
        return super().write(text)


def test_lines_are_written_in_order_and_all_by_the_end() -> None:
    stream = io.StringIO()
    writer = LogWriter(stream).start()
    for number in range(1000):
        writer.write(f"{number}\n")
    writer.close()
    assert stream.getvalue().split() == [str(number) for number in range(1000)]


def test_a_stream_that_takes_nothing_stops_nobody() -> None:
    stream = Stuck()
    writer = LogWriter(stream).start()
    writer.write("first\n")
    assert stream.reached.wait(20)
    for number in range(MOST_WAITING + 5):
        writer.write(f"{number}\n")
    stream.go.set()
    writer.close()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 1 + MOST_WAITING + 1
    assert lines[-1] == "5 lines dropped: nobody took them"
