"""Command line of the test bed: `python -m tests.testbed`."""

import argparse
import json
import shlex
import sys
from collections.abc import Sequence

from . import images, machines, podman
from .podman import TestbedError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Out: 0 done, 1 failed (the reason is on stderr), 130 interrupted."""
    args = _parser().parse_args(argv)
    try:
        if args.command == "image":
            print(images.ensure(args.suite))
        elif args.command == "up":
            _up(args.name, args.suite, as_json=args.json)
        elif args.command == "down":
            _down(args.name, everything=args.all)
        elif args.command == "list":
            _list(as_json=args.json)
        else:
            for key, value in podman.settings().items():
                print(f"{key}={value}")
    except TestbedError as error:
        print(f"testbed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.testbed", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    image = commands.add_parser("image", help="build an image unless it is there; print its name")
    up = commands.add_parser("up", help="boot a machine; one that is up already is kept")
    down = commands.add_parser("down", help="remove a machine")
    listing = commands.add_parser("list", help="list the machines on this host")
    commands.add_parser("env", help="print the variables that podman needs on this host, if any")

    for command in (image, up):
        command.add_argument("--suite", choices=images.SUITES, default=images.SUITES[0])
    up.add_argument("name")
    which = down.add_mutually_exclusive_group(required=True)
    which.add_argument("name", nargs="?")
    which.add_argument("--all", action="store_true", help="every machine, also leftovers")
    for command in (up, listing):
        command.add_argument("--json", action="store_true")
    return parser


def _up(name: str, suite: str, *, as_json: bool) -> None:
    machine = machines.find(name)
    if machine is None:
        machine = machines.start(name, suite)
    elif machine.suite != suite:
        raise TestbedError(f"{name} is up with {machine.suite}; remove it first: down {name}")
    details = machine.details()
    if details["systemd"] != "running":
        print(f"testbed: {name} is degraded: {details['failed_units']}", file=sys.stderr)
    if as_json:
        print(json.dumps(details, indent=2))
        return
    print(f"{name} is up ({suite}, systemd {details['systemd']})")
    print(f"  {shlex.join(machine.ssh_command())}")
    print(f"  {shlex.join(['ansible', '-i', str(machine.inventory), name, '-m', 'ping'])}")


def _down(name: str | None, *, everything: bool) -> None:
    if everything:
        for container in machines.stop_all():
            print(f"removed {container}")
    elif name is not None:
        print(f"removed {name}" if machines.stop(name) else f"{name} was not there")


def _list(*, as_json: bool) -> None:
    entries = machines.listing()
    if as_json:
        print(json.dumps(entries, indent=2))
        return
    for entry in entries:
        print(f"{entry['name']:<24} {entry['suite']:<10} {entry['state']}")


if __name__ == "__main__":
    sys.exit(main())
