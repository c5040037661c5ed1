"""The page `docs/job-states.md`, drawn from the tables; a test compares it."""

from collections.abc import Iterator

from .states import FINAL, MOVES, Answer, State, Verb, answer

BEGIN = "<!-- drawn from server/longshored/job/states.py: begin -->"
END = "<!-- end -->"


def redrawn(page: str) -> str:
    """The page with what stands between the two marks drawn anew."""
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    drawing = "\n".join([*_diagram(), "", *_moves(), "", *_verbs()])
    return f"{before}{BEGIN}\n\n{drawing}\n\n{END}{after}"


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {State.QUEUED.value}"
    for old, nexts in MOVES.items():
        for new in _in_order(nexts):
            yield f"    {old.value} --> {new.value}"
    for state in _in_order(FINAL):
        yield f"    {state.value} --> [*]"
    yield "```"


def _moves() -> Iterator[str]:
    yield "| state | may become |"
    yield "| --- | --- |"
    for old, nexts in MOVES.items():
        shown = ", ".join(state.value for state in _in_order(nexts))
        yield f"| {old.value} | {shown or '(final)'} |"


def _verbs() -> Iterator[str]:
    yield f"| verb | {' | '.join(state.value for state in State)} |"
    yield f"| --- |{' --- |' * len(State)}"
    for verb in Verb:
        cells = " | ".join(_cell(verb, state) for state in State)
        yield f"| {verb.value} | {cells} |"


def _cell(verb: Verb, state: State) -> str:
    match answer(verb, state):
        case Answer.ACCEPTED:
            return "yes"
        case Answer.REACHED:
            return "done"
        case Answer.REFUSED:
            return "-"


def _in_order(states: frozenset[State]) -> list[State]:
    return [state for state in State if state in states]
