"""When a certificate ends. The TLS library has checked it; this only reads the date."""

import ssl
from datetime import UTC, datetime

from ..clock import SECOND, Instant

_SEQUENCE = 0x30
_VERSION = 0xA0
_UTC_TIME = 0x17

_END = "-----END CERTIFICATE-----"


def not_after(pem: str) -> Instant:
    """The last moment of the first certificate in a PEM text. ValueError: none."""
    head, end, _ = pem.partition(_END)
    der = ssl.PEM_cert_to_DER_cert(head[head.index("-----BEGIN") :] + end)
    try:
        return _not_after(der)
    except IndexError as error:
        raise ValueError("the certificate is cut short") from error


def _not_after(der: bytes) -> Instant:
    """RFC 5280, 4.1: inside two sequences come [0] version, serial number, signature,
    issuer, and then validity with its two times."""
    at = _inside(der, _inside(der, 0))
    if der[at] == _VERSION:
        at = _behind(der, at)
    for _ in ("serial number", "signature", "issuer"):
        at = _behind(der, at)
    at = _behind(der, _inside(der, at))
    start, end = _value(der, at)
    return _time(der[at], der[start:end].decode("ascii"))


def _time(tag: int, text: str) -> Instant:
    if tag == _UTC_TIME:
        # Years 50 to 99 are those of the last century.
        text = ("19" if text >= "50" else "20") + text
    moment = datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
    return int(moment.timestamp()) * SECOND


def _inside(der: bytes, at: int) -> int:
    if der[at] != _SEQUENCE:
        raise ValueError("not a certificate")
    return _value(der, at)[0]


def _behind(der: bytes, at: int) -> int:
    return _value(der, at)[1]


def _value(der: bytes, at: int) -> tuple[int, int]:
    """Where the value of the element at this place begins and ends."""
    size, start = der[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(der[start : start + count], "big"), start + count
    return start, start + size
