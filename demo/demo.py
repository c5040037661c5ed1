"""make demo: Longshore does its main job on a real chain, and is killed in the middle.

A raw base with real data and two overlays are made; a pull flattens the chain
under a rate limit that changes, it is paused and resumed, the daemon is killed
with -9 and started again, the job goes on by itself, and hashes prove that the
visible bytes never changed and that the backing file is gone.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from stage import BASE_SIZE, Daemon, cli, fill_base, visible_hash, write_overlay

from longshore import Client
from longshore.cli.bar import Bar
from longshore.v1 import job_pb2
from longshore.watch import Progress


def main() -> None:
    began = time.monotonic()
    directory = Path(tempfile.mkdtemp(prefix="longshore-demo-"))
    daemon = Daemon(directory)
    try:
        play(directory, daemon)
    finally:
        daemon.stop()
        shutil.rmtree(directory, ignore_errors=True)
    print(f"\nAll of it took {time.monotonic() - began:.0f} s.")


def play(directory: Path, daemon: Daemon) -> None:
    images = directory / "images"
    images.mkdir()
    say("A daemon with an empty store, and a chain: base.raw <- mid.qcow2 <- top.qcow2")
    daemon.start()
    top = make_chain(images, daemon)
    before = visible_hash(images, top)
    print(f"visible bytes  sha256 {before[:16]}…")

    say("Flatten it: pull everything into top.qcow2, at 60 MiB/s")
    cli(daemon, "plan", "pull", top)
    job = cli(daemon, "pull", top, "--rate", "60MiB", "--detach")
    steer(daemon, job)

    say("Pull the plug: kill -9 in the middle of the copy")
    cut(daemon, job)
    check(images, top, before, "after the kill, read with no daemon at all")

    say("Start it again: the job goes on by itself from its last checkpoint")
    daemon.start()
    cli(daemon, "set", job, "rate=none", show=False)
    cli(daemon, "wait", job)
    cli(daemon, "get", job)

    say("Proof")
    check(images, top, before, "after the pull")
    (images / "mid.qcow2").unlink()
    (images / "base.raw").unlink()
    check(images, top, before, "with base.raw and mid.qcow2 deleted")
    cli(daemon, "chain", top)


def make_chain(images: Path, daemon: Daemon) -> Path:
    base, mid, top = (images / name for name in ("base.raw", "mid.qcow2", "top.qcow2"))
    size = str(BASE_SIZE)
    cli(daemon, "create-image", base, "--format", "raw", "--size", size)
    fill_base(base, seed=1)
    cli(daemon, "create-image", mid, "--backing", base, "--backing-format", "raw")
    write_overlay(images, mid, seed=2)
    cli(daemon, "create-image", top, "--backing", mid)
    write_overlay(images, top, seed=3)
    cli(daemon, "chain", top)
    return top


def steer(daemon: Daemon, job: str) -> None:
    """What nobody else lets you do to a flatten: slow down, stop, go on."""
    with Client(daemon.address) as client:
        reach(client, job, 0.15)
        cli(daemon, "set", job, "rate=120MiB", show=False)
        print("$ longshore set JOB rate=120MiB", flush=True)
        reach(client, job, 0.35)
        cli(daemon, "pause", job)
        client.job(job).wait(states=[job_pb2.JOB_STATE_PAUSED], timeout=10)
        cli(daemon, "explain", job)
        cli(daemon, "resume", job)


def reach(client: Client, job: str, fraction: float) -> None:
    """Watch the job, live, until so much of it is done."""
    handle = client.job(job)
    shown = handle.get()
    bar = Bar("auto")
    try:
        with handle.watch(progress_interval=0.1) as watch:
            for value in watch:
                if isinstance(value, Progress):
                    shown.progress.CopyFrom(value.progress)
                bar.update(shown)
                progress = shown.progress
                if progress.total and progress.current >= fraction * progress.total:
                    return
    finally:
        bar.close()


def cut(daemon: Daemon, job: str) -> None:
    with Client(daemon.address) as client:
        reach(client, job, 0.6)
    daemon.kill()
    print("longshored is dead.")


def check(images: Path, top: Path, before: str, when: str) -> None:
    now = visible_hash(images, top)
    if now != before:
        raise SystemExit(f"THE BYTES CHANGED {when}: {now}")
    print(f"visible bytes  sha256 {now[:16]}…  the same, {when}")


def say(text: str) -> None:
    print(
        f"\n\033[1m== {text}\033[0m" if sys.stdout.isatty() else f"\n== {text}",
        flush=True,
    )


if __name__ == "__main__":
    main()
