"""Completes a bill of materials of Python's distributions with the packages of the operating system, where dpkg knows them.

cyclonedx-py environment PYTHON | python3 -m image.sbom > sbom.cdx.json
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

_FORMAT = "${binary:Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n"


def completed(bill: Mapping[str, Any], installed: str, system: Mapping[str, str]) -> dict[str, Any]:
    """The bill with what `dpkg-query` printed in our format; `system` is what /etc/os-release says."""
    components = [*bill.get("components", ()), _system(system), *_packages(installed, system)]
    return {**bill, "components": components}


def _system(system: Mapping[str, str]) -> dict[str, Any]:
    return {
        "type": "operating-system",
        "bom-ref": "operating-system",
        "name": system.get("ID", "unknown"),
        "version": system.get("VERSION_ID", "unknown"),
    }


def _packages(installed: str, system: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    where = f"{system.get('ID', 'unknown')}-{system.get('VERSION_ID', 'unknown')}"
    for line in installed.splitlines():
        name, version, architecture, status = line.split("\t")
        name = name.partition(":")[0]
        if status == "installed":
            own = quote(version, safe=".-~")
            purl = f"pkg:deb/{system.get('ID', 'unknown')}/{quote(name)}@{own}?arch={architecture}&distro={where}"
            yield {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _installed() -> str:
    """What dpkg knows; nothing where the system has another package database, and that is said."""
    if not (command := shutil.which("dpkg-query")):
        sys.stderr.write("no dpkg here: the bill of materials names no package of the operating system\n")
        return ""
    query = [command, "--show", f"--showformat={_FORMAT}"]
    return subprocess.run(query, capture_output=True, text=True, check=True).stdout  # noqa: S603  # fixed arguments


if __name__ == "__main__":
    json.dump(completed(json.load(sys.stdin), _installed(), platform.freedesktop_os_release()), sys.stdout, indent=2)
