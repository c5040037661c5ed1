"""What the kernel said, as the error of the daemon."""

import errno

from ..errors import Kind, ServiceError

_FULL = {
    errno.ENOSPC: "No space left on the file system",
    errno.EDQUOT: "The disk quota is used up",
    errno.EFBIG: "The file would grow past the largest size allowed",
}


def io_error(error: OSError, operation: str, uri: str, offset: int) -> ServiceError:
    """The typed error of a failed system call; raise it `from` the original."""
    number = error.errno or 0
    full = _FULL.get(number)
    return ServiceError(
        Kind.NO_SPACE if full else Kind.IO_ERROR,
        full or f"Cannot {operation}: {error.strerror or error}",
        operation=operation,
        errno=number,
        error=errno.errorcode.get(number, "unknown"),
        uri=uri,
        offset=offset,
    )
