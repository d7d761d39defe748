"""The command line: `svc -c FILE [--hosts-path FILE]` in idle mode, `version quiet`, `--help`."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from .api import VERSION, Api
from .world import World

USAGE = """Usage:
  kubefwd services [flags]

Aliases:
  services, svcs, svc

Flags:
      --api                        Enable REST API server
  -h, --help                       help for services
      --hosts-path string          Hosts file path. (default "/etc/hosts")
  -c, --kubeconfig string          absolute path to a kubectl config file
"""


def main() -> None:
    """Do what argv asks for."""
    words = sys.argv[1:]
    if words[:2] == ["version", "quiet"]:
        sys.stdout.write(f"{VERSION}\n")
    elif not words or words[0] not in ("svc", "svcs", "services") or words[-1] in ("-h", "--help"):
        sys.stdout.write(USAGE)
    elif os.geteuid() != 0:
        sys.stdout.write("This program requires superuser privileges to run.\n")
    else:
        parser = argparse.ArgumentParser(prog="kubefwd", add_help=False)
        parser.add_argument("-c", "--kubeconfig", type=Path, required=True)
        parser.add_argument("--hosts-path", type=Path, default=Path("/etc/hosts"))
        given = parser.parse_args(words[1:])
        sys.exit(asyncio.run(_serve(given.kubeconfig, given.hosts_path)))


async def _serve(config: Path, hosts: Path) -> int:
    world = World(config, hosts)
    log = world.log
    log.say(f"Version {VERSION}")
    log.say("Starting in idle mode - API enabled, waiting for namespaces/services via API")
    log.say(f"Loaded hosts file {hosts}")
    if fault := _unfit(config):
        log.say(fault, "fatal")
        return 1
    world.hosts.back_up(Path(os.environ["HOME"]) / "hosts.original")
    world.hosts.add("127.2.27.1", ["kubefwd.internal"])
    await Api(world, os.environ["KUBEFWD_API_KEY"]).listen()
    await _ended(world)
    log.say("Shutting down... (press Ctrl+C again to force)")
    await world.close()
    log.say("Clean exit")
    return 0


def _unfit(config: Path) -> str:
    """Return what kubefwd dies of at its start; "" if nothing."""
    if "HOME" not in os.environ:
        return "Error backing up hostfile: $HOME is not defined"
    if not config.is_file():
        return f"Error in get rawConfig: stat {config}: no such file or directory"
    return ""


async def _ended(world: World) -> None:
    ended = asyncio.Event()

    def hear() -> None:
        if not world.defects.get("ignore_term"):
            ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, hear)
    await ended.wait()
