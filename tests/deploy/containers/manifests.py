"""The objects that Kubernetes is given: rendered by kubectl, read as YAML."""

import json
from typing import Any

from tests.deploy.containers.podman import ROOT, run

KUBERNETES = ROOT / "deploy" / "kubernetes"
VARIANTS = ("base", "overlays/node", "overlays/tls")

# By the library of the tools: ours has none.
_READ = """
import json, sys, yaml
json.dump([*yaml.safe_load_all(sys.stdin)], sys.stdout)
"""


def rendered(variant: str) -> str:
    return run("kubectl", "kustomize", KUBERNETES / variant).out


def documents(text: str) -> list[dict[str, Any]]:
    python = ROOT / "build" / "tools" / "bin" / "python"
    found: list[dict[str, Any]] = json.loads(run(python, "-c", _READ, given=text).out)
    return found


def template(text: str) -> dict[str, Any]:
    """The pod of the only StatefulSet in what was rendered."""
    (workload,) = (one for one in documents(text) if one["kind"] == "StatefulSet")
    found: dict[str, Any] = workload["spec"]["template"]
    return found
