"""Certificates made at test time: an authority, and what it signs, as the PEM files that Kafka and its clients read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_HOUR = timedelta(hours=1)


class Certificate(NamedTuple):
    """The files of one certificate. `keystore` holds key, certificate and authority, as a broker wants them."""

    pem: Path
    key: Path
    keystore: Path


class Authority:
    """Signs certificates. `pem` is what its friends trust."""

    def __init__(self, folder: Path, name: str = "test-ca") -> None:
        """Makes its own key and certificate."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _named(name)
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        builder = _builder(self._name, self._key.public_key(), hours=24)
        self._certificate = (
            builder.issuer_name(self._name)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, SHA256())
        )
        self.pem = folder / f"{name}.pem"
        self.pem.write_bytes(self._certificate.public_bytes(Encoding.PEM))

    def issue(self, name: str, *, hosts: tuple[str, ...] = ("localhost", "127.0.0.1"), hours: int = 24) -> Certificate:
        """A certificate for both sides, with a key of its own. Negative hours: it expired that long ago."""
        key = ec.generate_private_key(ec.SECP256R1())
        signed = (
            _builder(_named(name), key.public_key(), hours=hours)
            .issuer_name(self._name)
            .add_extension(x509.SubjectAlternativeName([_host(host) for host in hosts]), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self._key, SHA256())
        )
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = signed.public_bytes(Encoding.PEM)
        stem = f"{name}-{signed.serial_number:x}"
        files = Certificate(*(self._folder / f"{stem}{end}" for end in (".pem", ".key", "-keystore.pem")))
        files.pem.write_bytes(public)
        files.key.write_bytes(private)
        files.keystore.write_bytes(private + public + self.pem.read_bytes())
        return files


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _builder(name: x509.Name, key: ec.EllipticCurvePublicKey, hours: int) -> x509.CertificateBuilder:
    end = datetime.now(UTC) + hours * _HOUR
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(end, datetime.now(UTC)) - _HOUR)
        .not_valid_after(end)
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
