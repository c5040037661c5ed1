"""A daemon's life as a process: signals, and what its service manager is told."""

import asyncio
import gc
import os
import signal
from collections.abc import Callable

import structlog

from .. import __version__
from ..config.settings import Config
from ..errors import ServiceError
from .daemon import Daemon
from .logs import set_level
from .notify import Manager

_log = structlog.get_logger(__name__)

# A few thousand streams that open, or jobs that come, make hundreds of thousands of
# objects that stay. With the defaults a fifth of that time goes into looking at them.
_COLLECT = (50_000, 20, 20)


async def serve(daemon: Daemon, manager: Manager, read: Callable[[], Config]) -> None:
    """Serve until SIGTERM or SIGINT, then drain. A second signal ends at once.

    With SIGHUP the settings are read again.
    """
    loop = asyncio.get_running_loop()
    stopping, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _on_signal, number, stopping)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    bound = await daemon.start()
    # What is there by now stays: modules, and every job that has not ended. Left to
    # the collector, all of it is walked again and again, and all threads stand still.
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    addresses = [str(address) for address in bound]
    _log.info(
        "ready",
        version=__version__,
        pid=os.getpid(),
        listen=addresses,
        metrics=[str(address) for address in daemon.metrics_addresses],
    )
    status = f"Serving on {', '.join(addresses)}"
    manager.ready(status)
    beside = [
        asyncio.create_task(_keep_alive(daemon, manager)),
        asyncio.create_task(_reload(daemon, manager, read, again, status)),
    ]
    await stopping.wait()
    _log.info("stopping")
    manager.stopping("Workers stop at a checkpoint")
    for task in beside:
        task.cancel()
    await daemon.stop()
    _log.info("stopped")


def _on_signal(number: signal.Signals, stopping: asyncio.Event) -> None:
    if stopping.is_set():
        # Someone is in a hurry. Jobs stay resumable: the store is always whole.
        os._exit(128 + number)
    stopping.set()


async def _keep_alive(daemon: Daemon, manager: Manager) -> None:
    """Tell the manager that we live, as long as a restart would not help: so this
    runs on the loop that serves, and ends with the store."""
    if manager.alive_seconds is None:
        return
    while daemon.is_healthy:
        manager.alive()
        await asyncio.sleep(manager.alive_seconds)
    manager.says("The store has failed; nothing can be changed until a restart")


async def _reload(
    daemon: Daemon,
    manager: Manager,
    read: Callable[[], Config],
    again: asyncio.Event,
    status: str,
) -> None:
    while await again.wait():
        again.clear()
        manager.reloading()
        try:
            await _take_over(daemon, await asyncio.to_thread(read))
        except ServiceError as error:
            # What cannot be read or is wrong changes nothing.
            wrong = [f"{one.field}: {one.description}" for one in error.violations]
            _log.error("reload_failed", error=error.message, violations=wrong)
        manager.ready(status)


async def _take_over(daemon: Daemon, config: Config) -> None:
    outcome = await daemon.reload(config)
    set_level(outcome.config.log.level)
    if outcome.refused:
        _log.warning("reload_refused", needs_restart=outcome.refused)
    _log.info("reloaded", changed=outcome.changed)
