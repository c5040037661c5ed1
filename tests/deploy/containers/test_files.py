"""What can be said of the files of a deployment without running them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.containers.podman import ROOT, run

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]

KUBERNETES = ROOT / "deploy" / "kubernetes"
VARIANTS = ["base", "overlays/node", "overlays/tls"]


def test_hadolint_finds_nothing() -> None:
    assert run("hadolint", ROOT / "Dockerfile").out == ""


def rendered(variant: str) -> str:
    return run("kubectl", "kustomize", KUBERNETES / variant).out


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


def template(text: str) -> dict[str, Any]:
    """The pod of the only workload in what was rendered."""
    kinds = ("StatefulSet", "DaemonSet")
    (workload,) = (one for one in documents(text) if one["kind"] in kinds)
    found: dict[str, Any] = workload["spec"]["template"]
    return found


def documents(text: str) -> list[dict[str, Any]]:
    """YAML by the library of the tools: ours has none."""
    code = "import json, sys, yaml; json.dump([*yaml.safe_load_all(sys.stdin)], "
    python = ROOT / "build" / "tools" / "bin" / "python"
    done = run(python, "-c", f"{code}sys.stdout)", given=text)
    found: list[dict[str, Any]] = json.loads(done.out)
    return found
