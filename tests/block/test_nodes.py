"""Every node, bare and under every filter, passes the one suite."""

import pytest

from tests.block.suite import NodeSuite
from tests.support.nodes import MAKERS, Maker


class TestNodes(NodeSuite):
    @pytest.fixture(params=MAKERS)
    def make(self, request: pytest.FixtureRequest) -> Maker:
        return MAKERS[request.param]
