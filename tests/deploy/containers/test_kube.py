"""The pod of the Kubernetes base, run by podman kube play."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.containers.manifests import rendered, template
from tests.deploy.containers.podman import Container, podman

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]


CLAIMS = ("images", "state", "sockets")


def claim(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name},
        "spec": {"accessModes": ["ReadWriteOnce"]},
    }


def pod(name: str) -> dict[str, Any]:
    """The pod as the StatefulSet makes it, but for its volumes: podman knows neither
    templates of claims nor volumes in memory."""
    made = template(rendered("base"))
    made["spec"]["volumes"] = [
        {"name": one, "persistentVolumeClaim": {"claimName": f"{name}-{one}"}}
        for one in CLAIMS
    ]
    made["metadata"]["name"] = name
    return {"apiVersion": "v1", "kind": "Pod", **made}


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Container]:
    name = f"longshore-{uuid.uuid4().hex[:8]}"
    file = tmp_path / "pod.yaml"
    objects = [*(claim(f"{name}-{one}") for one in CLAIMS), pod(name)]
    file.write_text("\n---\n".join(map(json.dumps, objects)))
    podman("network", "create", name)
    podman("kube", "play", "--network", name, file)
    yield Container(f"{name}-longshored")
    podman("kube", "down", file)
    podman("network", "rm", name)
    for one in CLAIMS:
        podman("volume", "rm", f"{name}-{one}")


def test_the_pod_serves_and_its_probes_say_so(played: Container) -> None:
    played.await_line('"ready"')
    container = template(rendered("base"))["spec"]["containers"][0]
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        done = podman("exec", played.name, *container[probe]["exec"]["command"])
        assert done.err == "status: SERVING\n"


def test_the_pod_is_stopped_within_its_grace(played: Container) -> None:
    played.await_line('"ready"')
    assert played.stop() == 0
