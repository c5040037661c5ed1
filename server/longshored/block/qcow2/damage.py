"""The words of a refusal: what in a qcow2 file is wrong, or not supported."""

from ...errors import Kind, ServiceError


class Damage(ServiceError):
    """Tables contradict each other, or themselves: whoever writes on makes it worse."""


def damage(message: str, /, **facts: str | int) -> Damage:
    """An entry or a counter is wrong: facts say which one, its value, and the limit."""
    error = Damage(Kind.IMAGE_INVALID, message, format="qcow2")
    error.facts.update(facts)
    return error


def invalid(message: str, /, **facts: str | int) -> ServiceError:
    """The file breaks the format: facts say what, its value, and the limit."""
    error = ServiceError(Kind.IMAGE_INVALID, message, format="qcow2")
    error.facts.update(facts)
    return error


def unsupported(feature: str, message: str, /, **facts: str | int) -> ServiceError:
    """The file may be good, but it uses something that is not built here."""
    error = ServiceError(
        Kind.IMAGE_UNSUPPORTED, message, format="qcow2", feature=feature
    )
    error.facts.update(facts)
    return error
