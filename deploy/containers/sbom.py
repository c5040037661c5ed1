"""The bill of materials of the image: CycloneDX JSON from the wheels in a folder.

Every wheel that the lock brought, and our own: name, version, licence as its author
wrote it, hash of the file. Debian's packages in the base are the base's own matter.
"""

import hashlib
import json
import sys
import zipfile
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any


def bill(wheels: Path) -> dict[str, Any]:
    """The same wheels make the same bill: no time and no random name is in it."""
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "components": [_component(wheel) for wheel in sorted(wheels.glob("*.whl"))],
    }


def _component(wheel: Path) -> dict[str, Any]:
    about = _metadata(wheel)
    name, version = about["Name"].lower(), about["Version"]
    component = {
        "type": "library",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "hashes": [{"alg": "SHA-256", "content": _digest(wheel)}],
    }
    if licence := _licence(about):
        component["licenses"] = [{"license": {"name": licence}}]
    return component


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (name,) = (one for one in names if one.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def _licence(about: Message) -> str | None:
    """One line at most: some authors put the whole text there."""
    text = about.get("License-Expression") or about.get("License") or ""
    if line := text.partition("\n")[0].strip():
        return line
    known = [one for one in about.get_all("Classifier", []) if one[:7] == "License"]
    return known[0].rpartition(" :: ")[2] if known else None


def _digest(wheel: Path) -> str:
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(bill(Path(sys.argv[1])), indent=1) + "\n")
