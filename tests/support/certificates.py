"""Certificates for tests: a CA of the test's own, and what it signs, good or bad."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

SERVER = ExtendedKeyUsageOID.SERVER_AUTH
CLIENT = ExtendedKeyUsageOID.CLIENT_AUTH

DAY = timedelta(days=1)


def dns(name: str) -> x509.GeneralName:
    return x509.DNSName(name)


def uri(name: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(name)


def ip(address: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(address))


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, as objects and as PEM."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    def key_with_password(self, password: bytes) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password),
        )


@dataclass(frozen=True)
class Sketch:
    """What a certificate shall say; times are days from now."""

    common_name: str = "test"
    names: Sequence[x509.GeneralName] = ()
    usage: Sequence[ObjectIdentifier] = (CLIENT,)
    begins: float = -1
    ends: float = 1
    is_ca: bool = False


def make(sketch: Sketch, issuer: Pair | None = None) -> Pair:
    """Signed by the issuer, or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, sketch.common_name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + sketch.begins * DAY)
        .not_valid_after(now + sketch.ends * DAY)
        .add_extension(x509.BasicConstraints(sketch.is_ca, None), critical=True)
    )
    if sketch.names:
        names = x509.SubjectAlternativeName(list(sketch.names))
        builder = builder.add_extension(names, critical=False)
    if sketch.usage:
        usage = x509.ExtendedKeyUsage(list(sketch.usage))
        builder = builder.add_extension(usage, critical=False)
    signer = key if issuer is None else issuer.key
    return Pair(builder.sign(signer, hashes.SHA256()), key)


def make_ca(common_name: str = "test CA") -> Pair:
    return make(Sketch(common_name, usage=(), is_ca=True))


@dataclass(frozen=True)
class Authority:
    """A CA, what it has signed for the daemon, and where their files lie."""

    directory: Path
    ca: Pair

    @property
    def ca_file(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def certificate_file(self) -> Path:
        return self.directory / "server.pem"

    @property
    def key_file(self) -> Path:
        return self.directory / "server.key"

    def client(self, *names: x509.GeneralName, **more: object) -> Pair:
        """A certificate for a caller with these names."""
        return make(Sketch(names=names, **more), self.ca)  # type: ignore[arg-type]  # fields of a Sketch

    def show(self, server: Pair) -> None:
        """Put a certificate where the daemon looks for its own."""
        write(self.key_file, server.key_pem, 0o600)
        write(self.certificate_file, server.pem)

    def write_client(self, pair: Pair, name: str = "client") -> tuple[Path, Path]:
        certificate = self.directory / f"{name}.pem"
        key = self.directory / f"{name}.key"
        write(certificate, pair.pem)
        write(key, pair.key_pem, 0o600)
        return certificate, key


def server_pair(ca: Pair, **more: object) -> Pair:
    names = (dns("localhost"), ip("127.0.0.1"))
    return make(Sketch("daemon", names, (SERVER,), **more), ca)  # type: ignore[arg-type]  # fields of a Sketch


def make_authority(directory: Path) -> Authority:
    """A CA, and a certificate for a daemon on this host, in files."""
    directory.mkdir(exist_ok=True)
    authority = Authority(directory, make_ca())
    write(authority.ca_file, authority.ca.pem)
    authority.show(server_pair(authority.ca))
    return authority


def write(path: Path, data: bytes, mode: int = 0o644) -> Path:
    path.touch(mode)
    path.chmod(mode)
    path.write_bytes(data)
    return path
