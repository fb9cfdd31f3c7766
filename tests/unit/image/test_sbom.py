"""The bill of materials: distributions from cyclonedx-py, packages from dpkg."""

from __future__ import annotations

from image.sbom import completed

_SYSTEM = {"ID": "debian", "VERSION_ID": "12"}


def test_packages_are_added_to_distributions() -> None:
    """Each with its address; one whose files were removed is not there."""
    installed = (
        "libc6:amd64\t2.36-9+deb12u14\tamd64\tinstalled\nold\t1\tall\tconfig-files\ntzdata\t1:2026a\tall\tinstalled\n"
    )
    bill = {"bomFormat": "CycloneDX", "components": [{"name": "attrs", "version": "26.1.0"}]}
    made = completed(bill, installed, _SYSTEM)
    assert made["bomFormat"] == "CycloneDX"
    assert [(c["name"], c["version"]) for c in made["components"]] == [
        ("attrs", "26.1.0"), ("debian", "12"), ("libc6", "2.36-9+deb12u14"), ("tzdata", "1:2026a"),
    ]  # fmt: skip
    assert [c["purl"] for c in made["components"][2:]] == [
        "pkg:deb/debian/libc6@2.36-9%2Bdeb12u14?arch=amd64&distro=debian-12",
        "pkg:deb/debian/tzdata@1%3A2026a?arch=all&distro=debian-12",
    ]
    assert len({c.get("bom-ref", c["name"]) for c in made["components"]}) == 4


def test_a_system_without_dpkg_is_named_all_the_same() -> None:
    """Its packages are not; the build says so."""
    made = completed({}, "", {"ID": "alpine", "VERSION_ID": "3.22"})
    assert [(c["type"], c["name"], c["version"]) for c in made["components"]] == [
        ("operating-system", "alpine", "3.22")
    ]
