"""What can be said of the files of a deployment without running them."""

from pathlib import Path

import pytest

from tests.deploy.containers.manifests import VARIANTS, rendered, template
from tests.deploy.containers.podman import ROOT, run

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]


def test_hadolint_finds_nothing() -> None:
    assert run("hadolint", ROOT / "Dockerfile").out == ""


@pytest.mark.parametrize("variant", VARIANTS)
def test_kubernetes_takes_every_object(variant: str, tmp_path: Path) -> None:
    file = tmp_path / "rendered.yaml"
    file.write_text(rendered(variant))
    run("kubernetes-validate", "--strict", file)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_container_is_as_tight_as_the_strictest_policy_asks(
    variant: str,
) -> None:
    pod = template(rendered(variant))["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in pod["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_pod_has_longer_to_end_than_the_daemon_needs(variant: str) -> None:
    assert template(rendered(variant))["spec"]["terminationGracePeriodSeconds"] >= 20
