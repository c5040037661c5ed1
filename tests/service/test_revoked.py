"""What was given can be taken: tokens and names that go while their callers watch."""

import ssl
from contextlib import closing
from dataclasses import replace

import grpc
import pytest

from longshore.v1 import job_service_pb2 as pb
from longshore.v1 import watch_pb2
from longshored.app.daemon import Tuning
from longshored.clock import SECOND, Instant, SystemClock
from longshored.errors import ServiceError
from tests.service.conftest import OpenSecure
from tests.support.calls import Watching, create, from_now, refusal
from tests.support.certificates import (
    Authority,
    Sketch,
    dns,
    make,
    make_ca,
    server_pair,
    write,
)
from tests.support.credentials import (
    ACCESS,
    OPERATOR_TOKEN,
    TOKENS,
    VIEWER_TOKEN,
    SecurePlace,
    secure,
)
from tests.support.daemon import PATIENCE, LocalDaemon, Place, Stubs

C = grpc.StatusCode

# Files are looked at all the time.
QUICK = Tuning(credentials_seconds=0.02)

LIST = pb.ListJobsRequest()


@pytest.fixture
def there(place: Place, authority: Authority) -> SecurePlace:
    there = SecurePlace(place, authority)
    there.write_tokens()
    return there


@pytest.fixture
def bearers(place: Place, authority: Authority) -> SecurePlace:
    there = SecurePlace(place, authority, wants_certificate=False)
    there.write_tokens()
    return there


class Shifted(SystemClock):
    """Real time, but of another day."""

    days = 0

    def wall(self) -> Instant:
        return super().wall() + self.days * 86400 * SECOND


def follows(stubs: Stubs) -> Watching:
    """A watch that has begun."""
    watch = Watching(stubs, watch_pb2.WatchJobsRequest(from_now=from_now()))
    watch.next_of("opened")
    return watch


def caller(daemon: LocalDaemon, there: SecurePlace, token: str) -> Stubs:
    return secure(daemon.addresses[0], there.authority.ca, token=token)


def test_a_token_that_is_taken_out_of_the_file_ends_its_watch(
    open_secure: OpenSecure, bearers: SecurePlace
) -> None:
    daemon = open_secure(bearers, tuning=QUICK)
    with (
        closing(caller(daemon, bearers, VIEWER_TOKEN)) as gone,
        closing(caller(daemon, bearers, OPERATOR_TOKEN)) as stays,
        closing(follows(gone)) as lost,
        closing(follows(stays)) as kept,
    ):
        bearers.write_tokens(TOKENS.replace("panel ", "# panel "))
        told = lost.ended()
        assert (told.code, told.reason) == (C.UNAUTHENTICATED, "CREDENTIALS_INVALID")
        after = refusal(lambda: gone.jobs.ListJobs(LIST, timeout=PATIENCE))
        assert after.code is C.UNAUTHENTICATED
        create(stays)
        assert kept.events(1)


def test_a_token_that_loses_its_role_ends_its_watch(
    open_secure: OpenSecure, bearers: SecurePlace
) -> None:
    daemon = open_secure(bearers, tuning=QUICK)
    with (
        closing(caller(daemon, bearers, VIEWER_TOKEN)) as stubs,
        closing(follows(stubs)) as lost,
    ):
        bearers.write_tokens(TOKENS.replace("viewer ", "none "))
        told = lost.ended()
        assert (told.code, told.reason) == (C.PERMISSION_DENIED, "PERMISSION_DENIED")


def test_a_token_ends_its_watch_when_its_time_comes(
    open_secure: OpenSecure, bearers: SecurePlace
) -> None:
    bearers.write_tokens(f"late viewer {VIEWER_TOKEN} 2100-01-01\n")
    clock = Shifted()
    daemon = open_secure(bearers, tuning=QUICK, clock=clock)
    with (
        closing(caller(daemon, bearers, VIEWER_TOKEN)) as stubs,
        closing(follows(stubs)) as lost,
    ):
        clock.days = 100 * 366
        assert lost.ended().code is C.UNAUTHENTICATED


def test_a_certificate_ends_its_watch_and_its_calls_when_its_time_comes(
    open_secure: OpenSecure, there: SecurePlace
) -> None:
    clock = Shifted()
    daemon = open_secure(there, tuning=QUICK, clock=clock)
    authority = there.authority
    pair = authority.client(dns("viewer.test"), ends=3)
    with (
        closing(secure(daemon.addresses[0], authority.ca, client=pair)) as stubs,
        closing(follows(stubs)) as lost,
    ):
        clock.days = 4
        assert lost.ended().code is C.UNAUTHENTICATED
        told = refusal(lambda: stubs.jobs.ListJobs(LIST, timeout=PATIENCE))
        assert "expired" in told.message


def test_a_name_that_is_taken_off_the_list_ends_its_watch(
    open_secure: OpenSecure, there: SecurePlace
) -> None:
    daemon = open_secure(there)
    authority = there.authority
    pair = authority.client(dns("viewer.test"))
    with (
        closing(secure(daemon.addresses[0], authority.ca, client=pair)) as stubs,
        closing(follows(stubs)) as lost,
    ):
        fewer = replace(there, access=replace(ACCESS, viewers=()))
        daemon.on_loop(daemon.daemon.reload(fewer.config()))
        assert lost.ended().code is C.PERMISSION_DENIED


def test_a_new_certificate_of_ours_is_shown_without_a_restart(
    open_secure: OpenSecure, bearers: SecurePlace
) -> None:
    daemon = open_secure(bearers)
    authority = bearers.authority
    with closing(caller(daemon, bearers, VIEWER_TOKEN)) as old:
        old.jobs.ListJobs(LIST, timeout=PATIENCE)
        other = server_pair(authority.ca)
        authority.show(other)
        daemon.on_loop(daemon.daemon.reload(bearers.config()))
        assert served(daemon.addresses[0]) == other.pem
        # The connection that stood goes on.
        assert old.jobs.ListJobs(LIST, timeout=PATIENCE) is not None


def test_another_ca_of_callers_holds_for_new_connections(
    open_secure: OpenSecure, there: SecurePlace
) -> None:
    daemon = open_secure(there)
    authority, other = there.authority, make_ca("another CA")
    pair = make(Sketch(names=(dns("viewer.test"),)), other)
    address = daemon.addresses[0]
    with closing(secure(address, authority.ca, client=pair)) as stubs:
        told = refusal(lambda: stubs.jobs.ListJobs(LIST, timeout=PATIENCE))
        assert told.code is C.UNAVAILABLE
    write(authority.ca_file, other.pem)
    daemon.on_loop(daemon.daemon.reload(there.config()))
    with closing(secure(address, authority.ca, client=pair)) as stubs:
        assert stubs.jobs.ListJobs(LIST, timeout=PATIENCE) is not None


def test_files_that_became_wrong_change_nothing(
    open_secure: OpenSecure, bearers: SecurePlace
) -> None:
    daemon = open_secure(bearers, tuning=QUICK)
    with closing(caller(daemon, bearers, VIEWER_TOKEN)) as stubs:
        bearers.write_tokens("nonsense\n")
        with pytest.raises(ServiceError, match="line 1"):
            daemon.on_loop(daemon.daemon.reload(bearers.config()))
        assert stubs.jobs.ListJobs(LIST, timeout=PATIENCE) is not None
        bearers.token_file.unlink()
        with pytest.raises(ServiceError, match="No such file"):
            daemon.on_loop(daemon.daemon.reload(bearers.config()))
        assert stubs.jobs.ListJobs(LIST, timeout=PATIENCE) is not None


def served(address: str) -> bytes:
    """The certificate that a new connection is shown."""
    host, _, port = address.rpartition(":")
    return ssl.get_server_certificate((host, int(port)), timeout=PATIENCE).encode()
