"""Settings: origins, precedence, and errors that name path, origin and nearest name."""

import tomllib
from pathlib import Path

import pytest

from longshored.app.command import main
from longshored.config.load import Loaded, load, shown
from longshored.config.settings import Config
from longshored.config.sources import Given, from_environment, from_file, from_flags
from longshored.errors import ServiceError


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def wrong(*sources: object) -> list[tuple[str, str]]:
    with pytest.raises(ServiceError) as caught:
        load(list(sources))  # type: ignore[arg-type]  # sources of any kind
    return [(one.field, one.description) for one in caught.value.violations]


def test_without_sources_every_setting_is_its_default() -> None:
    loaded = load([])
    assert loaded.config == Config()
    assert set(loaded.origins.values()) == {"default"}


def test_file_environment_and_flags_win_in_this_order(tmp_path: Path) -> None:
    file = write(
        tmp_path / "c.toml",
        '[jobs]\nslots = 1\nslots_per_device = 2\n[log]\nlevel = "error"\n',
    )
    loaded = load(
        [
            from_file(file),
            from_environment(
                {
                    "LONGSHORE_JOBS__SLOTS_PER_DEVICE": "3",
                    "LONGSHORE_LOG__LEVEL": "info",
                }
            ),
            from_flags({"log.level": ("--log-level", "debug")}),
        ]
    )
    assert (loaded.config.jobs.slots, loaded.origins["jobs.slots"]) == (1, str(file))
    assert loaded.config.jobs.slots_per_device == 3
    origin = loaded.origins["jobs.slots_per_device"]
    assert origin == "environment LONGSHORE_JOBS__SLOTS_PER_DEVICE"
    assert loaded.config.log.level == "debug"
    assert loaded.origins["log.level"] == "flag --log-level"


def test_an_unknown_key_is_named_with_its_origin_and_the_nearest(
    tmp_path: Path,
) -> None:
    file = write(tmp_path / "c.toml", "[jobs]\nslot = 1\n")
    assert wrong(from_file(file)) == [
        ("jobs.slot", f"{file}: no such setting; did you mean jobs.slots?")
    ]


def test_an_unknown_variable_is_named() -> None:
    assert wrong(from_environment({"LONGSHORE_JOB__SLOTS": "1"})) == [
        (
            "job.slots",
            "environment LONGSHORE_JOB__SLOTS: no such setting; "
            "did you mean jobs.slots?",
        )
    ]


def test_variables_without_a_section_are_not_settings() -> None:
    environment = {"LONGSHORE_ADDRESS": "x", "LONGSHORE_FAILPOINTS": "y", "PATH": "z"}
    assert from_environment(environment) == {}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LONGSHORE_JOBS_SLOTS", "LONGSHORE_JOBS__SLOTS"),
        ("LONGSHORE_JOBS_SLOTS_PER_DEVICE", "LONGSHORE_JOBS__SLOTS_PER_DEVICE"),
        ("LONGSHORE_JOBS_SLOTS__PER_DEVICE", "LONGSHORE_JOBS__SLOTS_PER_DEVICE"),
        ("LONGSHORE__JOBS__SLOTS", "LONGSHORE_JOBS__SLOTS"),
        ("LONGSHORE_jobs_slots", "LONGSHORE_JOBS__SLOTS"),
    ],
)
def test_a_setting_but_for_its_underscores_is_refused(name: str, meant: str) -> None:
    assert wrong(from_environment({name: "1"})) == [
        (name, f"environment: no such setting; did you mean {meant}?")
    ]


@pytest.mark.parametrize(
    "name",
    [
        # Of a service named `longshore`, and one `longshore-server`, in Kubernetes.
        *("LONGSHORE_PORT", "LONGSHORE_SERVICE_HOST", "LONGSHORE_PORT_7443_TCP"),
        *("LONGSHORE_SERVER_PORT", "LONGSHORE_SERVER_SERVICE_PORT_GRPC"),
        # Of clients.
        *("LONGSHORE_TLS_CA", "LONGSHORE_TLS_CERT", "LONGSHORE_TLS_KEY"),
        *("LONGSHORE_TLS_NAME", "LONGSHORE_TOKEN", "LONGSHORE_TOKEN_FILE"),
        # Nearly one is not one.
        "LONGSHORE_JOB_SLOTS",
    ],
)
def test_what_is_no_setting_however_underscores_are_put_is_passed_over(
    name: str,
) -> None:
    assert from_environment({name: "x"}) == {}


def test_everything_that_is_wrong_is_told_at_once(tmp_path: Path) -> None:
    file = write(
        tmp_path / "c.toml",
        "[jobs]\nslots = 0\niops = -1\n"
        '[log]\nlevel = "loud"\n[store]\ndirectory = "x"\n'
        '[images]\nroots = ["/a", "b"]\n',
    )
    assert [field for field, _ in wrong(from_file(file))] == [
        "jobs.slots",
        "jobs.iops",
        "log.level",
        "store.directory",
        "images.roots",
    ]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("jobs.slots", "many"),
        ("retention.failed", 10**400),
        ("retention.failed", True),
        ("jobs.slots", 1.5),
        ("jobs.slots", True),
        ("jobs.slots", []),
        ("server.insecure", "maybe"),
        ("server.insecure", 1),
        ("server.listen", 7),
        ("server.listen", [7]),
        ("images.roots", [""]),
        ("retention.failed", "nan"),
        ("retention.failed", float("inf")),
        ("store.directory", "a\0b"),
        ("store.directory", "~nobody-has-this-name/x"),
    ],
)
def test_a_value_of_the_wrong_kind_is_named(path: str, value: object) -> None:
    assert [field for field, _ in wrong({path: Given(value, "here")})] == [path]


@pytest.mark.parametrize(
    ("path", "raw", "value"),
    [
        ("jobs.speed_bytes_per_second", "50MiB", 50 << 20),
        ("jobs.device_speed_bytes_per_second", "200MB/s", 200_000_000),
        ("jobs.speed_bytes_per_second", "0", 0),
        ("jobs.speed_bytes_per_second", 1024, 1024),
        ("retention.failed", "7d", 604800.0),
        ("retention.failed", "1h30m", 5400.0),
        ("retention.failed", "604800.0", 604800.0),
        ("retention.failed", 604800, 604800.0),
        ("server.stop_seconds", "250ms", 0.25),
    ],
)
def test_rates_and_durations_are_written_as_on_the_command_line(
    path: str, raw: object, value: float
) -> None:
    config = load([{path: Given(raw, "here")}]).config
    section, _, key = path.partition(".")
    assert getattr(getattr(config, section), key) == value


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (
            "jobs.slots",
            9_999_999_999,
            "must be a whole number, 1 or more, of at most 2147483647, not 9999999999",
        ),
        (
            "jobs.slots",
            -1,
            "must be a whole number, 1 or more, of at most 2147483647, not -1",
        ),
        (
            "jobs.slots",
            0,
            "must be a whole number, 1 or more, of at most 2147483647, not 0",
        ),
        (
            "jobs.slots",
            "4KiB",
            "must be a whole number, 1 or more, of at most 2147483647, not '4KiB'",
        ),
        (
            "jobs.iops",
            -1,
            "must be a whole number, 0 or more, of at most 2147483647, not -1",
        ),
        (
            "jobs.speed_bytes_per_second",
            "50Mb",
            "must be bytes a second: a whole number, 0 or more, or text such as "
            "\"50MiB\", not '50Mb'",
        ),
        (
            "retention.failed",
            "1 week",
            'must be a time of at most 36500d: seconds, or text such as "7d" or '
            "\"1h30m\", not '1 week'",
        ),
        (
            "retention.failed",
            9_999_999_999,
            'must be a time of at most 36500d: seconds, or text such as "7d" or '
            '"1h30m", not 9999999999',
        ),
        ("images.roots", ["/a", "b"], "must be absolute paths, not ['/a', 'b']"),
    ],
)
def test_a_wrong_value_is_told_what_would_be_right(
    path: str, value: object, says: str
) -> None:
    assert wrong({path: Given(value, "FILE")}) == [(path, f"FILE: {says}")]


@pytest.mark.parametrize(
    ("text", "says"),
    [("[jobs\n", "is not TOML"), ("slots = 1\n", "must be a section"), (None, "read")],
)
def test_a_file_that_cannot_be_used_is_named(
    tmp_path: Path, text: str | None, says: str
) -> None:
    file = tmp_path / "c.toml"
    if text is not None:
        write(file, text)
    with pytest.raises(ServiceError, match=says) as caught:
        from_file(file)
    assert str(file) in str(caught.value)


def test_a_list_in_the_environment_is_split_at_commas() -> None:
    given = from_environment({"LONGSHORE_IMAGES__ROOTS": "/a, /b"})
    assert load([given]).config.images.roots == ("/a", "/b")


def test_what_is_shown_is_a_file_with_the_same_settings(tmp_path: Path) -> None:
    given = {
        "images.roots": Given(["/a", '/b"\\'], "here"),
        "retention.failed": Given(1.0005, "here"),
    }
    loaded = load([given])
    file = write(tmp_path / "c.toml", "\n".join(shown(loaded, origins=True)))
    assert tomllib.loads(file.read_text())
    assert load([from_file(file)]).config == loaded.config


def test_show_prints_the_origin_of_each_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path / "c.toml", "[jobs]\nslots = 7\n")
    code = main(
        ["config", "show", "--origin", "--config", str(file), "--log-level", "debug"]
    )
    out = capsys.readouterr().out
    assert code == 0
    assert f"slots = 7  # {file}" in out
    assert 'level = "debug"  # flag --log-level' in out
    assert "most_unfinished = 100000  # default" in out


@pytest.fixture
def place(tmp_path: Path) -> list[str]:
    """Flags with a root that is there, and a state directory that is not."""
    root = tmp_path / "images"
    root.mkdir()
    return ["--root", str(root), "--state", str(tmp_path / "state")]


def check(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    code = main(["config", "check", *arguments])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_check_wants_a_root_and_says_how(capsys: pytest.CaptureFixture[str]) -> None:
    code, said = check([], capsys)
    assert code == 1
    assert "--root DIR" in said


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        ("127.0.0.1:7000", "--insecure"),
        ("somewhere", "unix:PATH or HOST:PORT"),
        ("unix:relative", "absolute"),
        (f"unix:/{'x' * 120}", "107 bytes"),
        ("127.0.0.1:70000", "PORT 0 to 65535"),
        ("127.0.0.1:²", "PORT 0 to 65535"),
        (f"127.0.0.1:{'1' * 5000}", "PORT 0 to 65535"),
    ],
)
def test_check_refuses_an_address_that_may_not_be_served(
    listen: str, says: str, place: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    code, said = check([*place, "--listen", listen], capsys)
    assert code == 1
    assert says in said


def test_tcp_beyond_loopback_is_refused_even_insecure(
    place: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, said = check([*place, "--insecure", "--listen", "0.0.0.0:7000"], capsys)
    assert code == 1
    assert "not a loopback address" in said


def test_check_is_content_with_good_settings(
    place: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, said = check([*place, "--insecure", "--listen", "[::1]:7000"], capsys)
    assert (code, said) == (0, "The settings are good\n")


def test_every_setting_has_an_origin() -> None:
    loaded: Loaded = load([])
    lines = [line for line in shown(loaded, origins=True) if " = " in line]
    assert len(lines) == len(loaded.origins)
