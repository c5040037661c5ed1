"""The client of a command, and the images that its words name."""

from dataclasses import replace

from ..address import check_address, default_address
from ..client import Client
from ..credentials import Credentials, is_local
from ..v1 import image_pb2
from .arguments import Arguments
from .away import Notice
from .paths import absolute


class Daemon(Client):
    """The client of a command; its notice says when the daemon goes away."""

    def __init__(self, args: Arguments) -> None:
        self.notice = Notice(is_quiet=args.quiet)
        super().__init__(args.server, credentials(args), self.notice)


def credentials(args: Arguments) -> Credentials:
    """Those of the environment, and over them those of the command."""
    found = Credentials.from_environment()
    given = {
        name: args[name]
        for name in ("tls_ca", "tls_cert", "tls_key", "tls_name", "token_file")
        if args[name] is not None
    }
    if "token_file" in given:
        given["token"] = None
    return replace(found, **given)


def origin(args: Arguments, path: str) -> str:
    """Who named a file of the credentials: an option, or the environment."""
    from_environment = Credentials.from_environment()
    for name in ("tls_ca", "tls_cert", "tls_key", "token_file"):
        if args[name] == path:
            return "--" + name.replace("_", "-")
        if getattr(from_environment, name) == path:
            return f"LONGSHORE_{name.upper()}"
    return ""


def tls_trouble(args: Arguments) -> str:
    """Why TLS keeps us out, if it is that: gRPC alone says "unavailable"."""
    from . import diagnose

    address = check_address(args.server or default_address())
    who = credentials(args)
    return "" if is_local(address) else diagnose.trouble(address, who)


def image(path: str, declared: str) -> image_pb2.ImageRef:
    """An image as the daemon names it: by absolute path."""
    return image_pb2.ImageRef(uri=absolute(path), format=declared)


def links(args: Arguments) -> list[image_pb2.ImageRef]:
    """The chain below an image as --link declares it."""
    return [image(path, declared) for path, declared in args["link"]]
