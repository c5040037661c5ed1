"""The whole life of a job, and of two in a group, searched without a gap."""

import pytest

from longshored.job.model import Holder
from longshored.job.states import FINAL, MOVES, State
from tests.job.search import Map, explore, reaching
from tests.support.figures import RecordFigure


def lone() -> Map:
    return explore(1, holders=(Holder.WINDOW, Holder.ERROR_POLICY))


def pair() -> Map:
    return explore(2)


@pytest.fixture(params=[lone, pytest.param(pair, marks=pytest.mark.slow)])
def found(request: pytest.FixtureRequest) -> Map:
    explored = request.param()
    assert isinstance(explored, Map)
    return explored


def finals(found: Map) -> set[object]:
    return {k for k, world in found.worlds.items() if all(j.is_final for j in world)}


def test_all_states_are_visited(found: Map, record_figure: RecordFigure) -> None:
    visited = {job.state for world in found.worlds.values() for job in world}
    ways = sum(len(ways) for ways in found.ways.values())
    record_figure(f"{len(found.worlds)} worlds reached, {ways} ways between them")
    grouped = next(iter(found.worlds.values()))[0].group is not None
    assert visited == set(State) - (set() if grouped else {State.WAITING})


def test_no_world_is_a_dead_end(found: Map) -> None:
    assert reaching(found, finals(found)) == set(found.worlds)


def test_no_world_needs_a_crash_to_end(found: Map) -> None:
    assert reaching(found, finals(found), without="crash") == set(found.worlds)


def test_what_is_final_is_never_changed(found: Map) -> None:
    assert found.reopened == []


def test_end_time_is_set_exactly_at_the_end(found: Map) -> None:
    for world in found.worlds.values():
        for job in world:
            assert (job.end_time is not None) == job.is_final


def test_a_job_that_ended_badly_says_why(found: Map) -> None:
    for world in found.worlds.values():
        for job in world:
            if job.is_final:
                assert (job.failure is None) == (job.state is State.SUCCEEDED)


def test_an_ended_job_holds_nothing_back(found: Map) -> None:
    for world in found.worlds.values():
        for job in world:
            if job.is_final:
                assert (job.worker, job.pending, job.pauses) == (None, None, ())


def test_a_group_succeeds_together_unless_finalising_itself_fails(found: Map) -> None:
    for world in found.worlds.values():
        ends = {job.state for job in world}
        if all(job.is_final for job in world) and State.SUCCEEDED in ends:
            assert ends <= {State.SUCCEEDED, State.FAILED}
            if State.FAILED in ends:
                assert all(job.wanted.finalize is not None for job in world)


@pytest.mark.slow
def test_the_table_of_moves_is_exactly_what_happens() -> None:
    seen = lone().moves | pair().moves
    assert seen == {(old, new) for old, nexts in MOVES.items() for new in nexts}


def test_final_states_have_no_way_out() -> None:
    assert {State.SUCCEEDED, State.FAILED, State.CANCELLED} == FINAL
