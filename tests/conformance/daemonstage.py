"""Moves of the real daemon: in this process, as a process to be killed, behind TLS."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from longshore.v1 import image_pb2, image_service_pb2, job_pb2, job_service_pb2
from longshored.block.locks import WRITER
from longshored.config.settings import (
    AccessSettings,
    ServerSettings,
    TlsSettings,
    WatchSettings,
)
from tests.support.certificates import (
    Sketch,
    dns,
    make,
    make_authority,
    make_ca,
    server_pair,
    write,
)
from tests.support.credentials import OPERATOR_TOKEN, TOKENS, VIEWER_TOKEN
from tests.support.daemon import DaemonProcess, LocalDaemon, Place, Stubs
from tests.support.lockers import python_holder

from .scenario import Scenario
from .stage import Stage

KiB = 1024

_STATES: Any = job_pb2.JobState


class DaemonStage(Stage):
    """A daemon in this process, on a socket and on loopback TCP."""

    def __init__(self, directory: Path, scenario: Scenario) -> None:
        super().__init__(directory, scenario)
        self.place = Place(directory)
        self.names["address"] = self.place.address
        self.names["socket"] = self.place.address.removeprefix("unix:")
        self.names["root"] = str(self.place.root)
        self._daemon: LocalDaemon | None = None
        self._more = ExitStack()

    def sections(self) -> dict[str, Any]:
        """Its settings that are not the usual ones."""
        given = self.scenario.given
        listen = (self.place.address, "127.0.0.1:0")
        sections: dict[str, Any] = {"server": ServerSettings(listen, insecure=True)}
        if "watches" in given:
            sections["watch"] = WatchSettings(**given["watches"])
        return sections

    def open(self) -> None:
        self.move_start()

    def close(self) -> None:
        self._more.close()
        if self._daemon is not None:
            self._daemon.stop_once()

    def move_start(self) -> None:
        config = self.place.config(**self.sections())
        self._daemon = LocalDaemon(config).start()
        tcp = [one for one in self._daemon.addresses if not one.startswith("unix")]
        self.names["tcp"] = tcp[0]
        self.names["port"] = tcp[0].rpartition(":")[2]

    def move_stop(self) -> None:
        assert self._daemon is not None
        self._daemon.stop()

    # Images

    def move_chain(self, name: str, kib: int = 2048, links: int = 1) -> None:
        """NAME-0.raw with data, under NAME.qcow2, with `links` - 1 overlays between."""
        base = self.place.root / f"{name}-0.raw"
        base.write_bytes(bytes(range(256)) * (kib * KiB // 256))
        below, format_ = str(base), "raw"
        stubs = self._stubs()
        for number in range(1, links + 1):
            last = name if number == links else f"{name}-{number}"
            top = str(self.place.root / f"{last}.qcow2")
            stubs.images.CreateImage(
                image_service_pb2.CreateImageRequest(
                    image=image_pb2.ImageRef(uri=top, format="qcow2"),
                    backing=image_pb2.ImageRef(uri=below, format=format_),
                )
            )
            below, format_ = top, "qcow2"
        stubs.close()

    def move_write(self, name: str, text: str) -> None:
        """A file that may be no image at all."""
        (self.place.root / name).write_bytes(text.encode())

    def move_hold(self, name: str) -> None:
        """Let a process that is not the daemon's write an image."""
        holder = python_holder(self.place.root / name, WRITER.uses, WRITER.unshared)
        self.names["pid"] = str(self._more.enter_context(holder))

    def move_unlimit(self, job_id: str) -> None:
        """Someone else takes the limit of a job away."""
        request = job_service_pb2.UpdateJobRequest(job_id=job_id)
        request.options.SetInParent()
        request.update_mask.paths.append("speed_bytes_per_second")
        stubs = self._stubs()
        stubs.jobs.UpdateJob(request)
        stubs.close()

    def move_until(self, job_id: str, state: str) -> None:
        """Wait for a state, or for the end."""
        stubs = self._stubs()
        stubs.jobs.WaitJob(
            job_service_pb2.WaitJobRequest(
                job_id=job_id, states=[_STATES.Value(f"JOB_STATE_{state}")]
            )
        )
        stubs.close()

    def _stubs(self) -> Stubs:
        assert self._daemon is not None
        return self._daemon.connect()


class ProcessStage(DaemonStage):
    """`longshored serve`, to be killed."""

    def __init__(self, directory: Path, scenario: Scenario) -> None:
        super().__init__(directory, scenario)
        self.process = DaemonProcess(self.place)

    def close(self) -> None:
        self._more.close()
        self.process.end()

    def move_start(self) -> None:
        self.process.start()

    def move_kill9(self) -> None:
        self.process.kill()

    def move_terminate(self) -> None:
        self.process.terminate()

    def _stubs(self) -> Stubs:
        return self.process.connect()


class TlsStage(DaemonStage):
    """A daemon whose TCP is TLS, that takes tokens, and may want certificates."""

    def open(self) -> None:
        pki = self.directory / "pki"
        self.authority = make_authority(pki)
        self._show_server()
        self._write_callers(pki)
        write(self.directory / "tokens", TOKENS.encode(), 0o600)
        self.names["viewer_token"] = VIEWER_TOKEN
        self.names["operator_token"] = OPERATOR_TOKEN
        super().open()

    def sections(self) -> dict[str, Any]:
        wants_one = self.scenario.server == "daemon-mtls"
        authority = self.authority
        return {
            "server": ServerSettings((self.place.address, "127.0.0.1:0")),
            "tls": TlsSettings(
                authority.certificate_file,
                authority.key_file,
                authority.ca_file if wants_one else None,
            ),
            "access": AccessSettings(
                operators=("dns:operator.test",), token_file=self.directory / "tokens"
            ),
        }

    def move_write_secret(self, name: str, text: str) -> None:
        """As a whole, as those do who change a token."""
        new = write(self.directory / f"{name}.new", text.encode(), 0o600)
        new.rename(self.directory / name)

    def move_start(self) -> None:
        super().move_start()
        # By the name in its certificate.
        self.names["tls"] = f"localhost:{self.names['port']}"

    def _show_server(self) -> None:
        """`with: {certificate: …}` says what is wrong with that of the daemon."""
        match self.scenario.given.get("certificate", "good"):
            case "expired":
                pair = server_pair(self.authority.ca, begins=-2, ends=-1)
            case "elsewhere":
                names = Sketch("daemon", (dns("elsewhere.test"),), usage=())
                pair = make(names, self.authority.ca)
            case _:
                return
        self.authority.show(pair)

    def _write_callers(self, pki: Path) -> None:
        self.names["ca"] = str(self.authority.ca_file)
        self.names["bad_ca"] = str(write(pki / "bad-ca.pem", make_ca("other CA").pem))
        cert, key = self.authority.write_client(
            self.authority.client(dns("operator.test"))
        )
        self.names |= {"cert": str(cert), "key": str(key)}
        stranger = make(Sketch(names=(dns("operator.test"),)), make_ca("other CA"))
        cert, key = self.authority.write_client(stranger, "stranger")
        self.names |= {"bad_cert": str(cert), "bad_key": str(key)}
