"""The pod of the Kubernetes base, run by podman kube play."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.containers.podman import Container, podman
from tests.deploy.containers.test_files import documents, rendered, template

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(180)]


def pod(name: str) -> list[dict[str, Any]]:
    """The pod as the StatefulSet makes it, and the claims that it mounts. Podman
    knows no StatefulSet and no subset of a volume in memory."""
    objects = documents(rendered("base"))
    (workload,) = (one for one in objects if one["kind"] == "StatefulSet")
    spec = template(rendered("base"))["spec"]
    claims = ["longshore-images", "state", "sockets"]
    spec["volumes"] = [
        {
            "name": one.rpartition("-")[2],
            "persistentVolumeClaim": {"claimName": f"{name}-{one}"},
        }
        for one in claims
    ]
    about = {"metadata": {"name": name, "labels": workload["metadata"]["labels"]}}
    made = [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": f"{name}-{one}"},
            "spec": {"accessModes": ["ReadWriteOnce"]},
        }
        for one in claims
    ]
    return [*made, {"apiVersion": "v1", "kind": "Pod", "spec": spec, **about}]


@pytest.fixture
def played(tmp_path: Path) -> Iterator[Container]:
    name = f"longshore-{uuid.uuid4().hex[:8]}"
    file = tmp_path / "pod.yaml"
    file.write_text("\n---\n".join(json.dumps(one) for one in pod(name)))
    podman("network", "create", name)
    podman("kube", "play", "--network", name, file)
    yield Container(f"{name}-longshored")
    podman("kube", "down", file)
    podman("network", "rm", name)
    for one in ("longshore-images", "state", "sockets"):
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
