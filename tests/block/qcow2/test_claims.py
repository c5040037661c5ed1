from hypothesis import given
from hypothesis import strategies as st

from longshored.block.qcow2.claims import Claims, SparseClaims
from longshored.block.qcow2.layout import Header
from longshored.block.qcow2.tables import Geometry

GEOMETRY = Geometry.of(Header(3, 9, 0, 0, 0, 0, 1))
CLUSTERS = 100
run = st.tuples(st.integers(0, CLUSTERS - 1), st.integers(1, 40)).map(
    lambda of: (of[0], min(of[1], CLUSTERS - of[0]))
)


@given(st.lists(run, max_size=20))
def test_a_run_is_claimed_whole_or_not_at_all(runs: list[tuple[int, int]]) -> None:
    claims, taken = Claims(GEOMETRY, CLUSTERS * 512), set[int]()
    for first, count in runs:
        wanted = set(range(first, first + count))
        free = not wanted & taken
        assert claims.meets(first * 512, count * 512) is not free
        assert claims.claim_run(first * 512, count * 512) is free
        taken |= wanted if free else set()


@given(st.lists(st.integers(0, CLUSTERS - 1), max_size=40))
def test_both_kinds_say_the_same_of_single_clusters(clusters: list[int]) -> None:
    mapped, sparse = Claims(GEOMETRY, CLUSTERS * 512), SparseClaims()
    for cluster in clusters:
        assert mapped.claim(cluster * 512) is sparse.claim(cluster * 512)


def test_a_range_claims_every_cluster_that_it_touches() -> None:
    claims = Claims(GEOMETRY, CLUSTERS * 512)
    claims.mark_run(511, 2)
    assert claims.meets(0, 1)
    assert claims.meets(1023, 1)
    assert not claims.meets(1024, 512)
