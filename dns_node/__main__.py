"""The command line: ``dns-node`` and its subcommands.

Nothing heavy is imported before it is known to be needed: ``--version``, ``check`` and ``ctl``
start without Twisted, LMDB or dnspython.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NoReturn

from dns_node import __version__
from dns_node.config.launch import (
    JOINER_QUERY_LOC,
    JOINER_RAFT_LOC,
    Arguments,
    Launch,
    data_dir_of,
    prepare,
)
from dns_node.errors import DnsNodeError, InputError, Problem

if TYPE_CHECKING:
    from dns_node.control.restore import Place

EXIT_USAGE = 64
"""The command line can't be understood (EX_USAGE of sysexits(3)); ``ctl`` uses 0 to 3 for
outcomes, so that a script can tell a typing error from an answer."""

EXIT_CONFIGURATION = 78
"""What it asks for can't be done: the configuration, the data directory, an address (EX_CONFIG)."""

EXIT_NOT_AGREED = 1
"""``recover`` without ``--yes``: nothing was done."""


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line (without the program's name); returns the exit status."""
    words = list(sys.argv[1:] if words is None else words)
    try:
        run = _SUBCOMMANDS.get(words[0]) if words else None
        return _run(words) if run is None else run(words[1:])
    except DnsNodeError as error:
        print(error, file=sys.stderr)
        return EXIT_CONFIGURATION


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(EXIT_USAGE, f"{self.prog}: {message}\n")


def _new_parser(prog: str, description: str) -> argparse.ArgumentParser:
    return _Parser(
        prog=prog,
        description=description,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _add_node_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-n", "--node", metavar="ID", help="which node of the configuration")
    parser.add_argument("-c", "--config", metavar="FILE", help="the configuration")
    parser.add_argument("--data-dir", metavar="DIR", help="overrides data_dir")


def _run(words: list[str]) -> int:
    parser = _new_parser(
        "dns-node",
        "Run one node of the nameserver cluster. Without arguments: a cluster of one on\n"
        "127.0.0.1:10053 that serves zone-files/zf0.txt, with its console here.",
    )
    parser.epilog = (
        "subcommands:\n"
        "  dns-node ctl -n ID -c FILE VERB...   one console verb against the running node\n"
        "  dns-node check -c FILE               say all that is wrong with a configuration\n"
        "  dns-node certs init|issue DIR ...    certificates for the cluster\n"
        "  dns-node backup FILE -n ID -c FILE   a node's records in one file, while it runs\n"
        "  dns-node restore FILE -n ID -c FILE  a new cluster from a backup\n"
        "  dns-node recover ...                 the last resort: a new cluster from one node\n"
        "  dns-node resolver --scenario FILE    a resolver alone, for scripted tests\n"
        "  dns-node query [@SERVER] NAME [TYPE] ask a server and show what it says\n"
        "Each has its own --help."
    )
    _add_node_options(parser)
    parser.add_argument(
        "-z", "--zone", metavar="ZONEFILE", action="append", default=[],
        help="a zone file that this node loads and manages; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "-s", "--silent", action="store_true", help="no start-up lines and no console prompt"
    )
    parser.add_argument("--workers", metavar="N", type=int, help="overrides workers")
    parser.add_argument(
        "--join", metavar="HOST:PORT", help="a member's raft address: join its cluster"
    )
    parser.add_argument("--token", metavar="T", help="what JOIN-TOKEN printed on a member")
    parser.add_argument(
        "--raft-loc", metavar="HOST:PORT",
        help=f"with --join: where the others reach this node (default {JOINER_RAFT_LOC})",
    )  # fmt: skip
    parser.add_argument(
        "--query-loc", metavar="HOST:PORT", action="append", default=[],
        help=f"with --join: where it answers DNS; may be repeated (default {JOINER_QUERY_LOC})",
    )  # fmt: skip
    parser.add_argument("--version", action="version", version=f"dns-node {__version__}")
    options = parser.parse_args(words)
    if options.workers is not None and not 0 <= options.workers <= 256:
        parser.error("--workers: expected a whole number from 0 to 256 (0: one per core)")
    launch = prepare(
        Arguments(
            node_id=options.node,
            config=options.config,
            zone_files=tuple(os.path.abspath(path) for path in options.zone),
            is_silent=options.silent,
            data_dir=options.data_dir and os.path.abspath(options.data_dir),
            workers=options.workers,
            join=options.join,
            token=options.token,
            raft_loc=options.raft_loc,
            query_loc=tuple(options.query_loc),
            home=_home(),
        )
    )
    return _supervise(launch)


def _supervise(launch: Launch) -> int:
    from dns_node import supervisor
    from dns_node.config.handover import node_arguments, worker_settings

    node, settings = launch.node, launch.settings
    for advice in settings.advice:
        print(f"{settings.source}: {advice}", file=sys.stderr)
    return supervisor.run(
        supervisor.Launch(
            node=node.id,
            config=settings.source or None,
            data_dir=node.data_dir,
            addresses=tuple((address.host, address.port) for address in node.query_loc),
            workers=settings.workers or len(os.sched_getaffinity(0)),
            user=settings.user,
            worker_settings=worker_settings(launch),
            arguments=node_arguments(launch),
            log_format=settings.logging.format,
        )
    )


def _ctl(words: list[str]) -> int:
    parser = _new_parser(
        "dns-node ctl",
        "Run one console verb against the running node, over its UNIX socket.\n"
        "Exit status: 0 done, 1 refused, 2 outcome unknown, 3 no such node.",
    )
    _add_node_options(parser)
    parser.add_argument("verb", nargs=argparse.REMAINDER, help="for example: HELP, STATUS, ADD: …")
    options = parser.parse_args(words)
    if not options.verb:
        parser.error("no verb; try HELP")
    data_dir = data_dir_of(_node_arguments(options))
    from dns_node.control import ctl

    return ctl.run_ctl(data_dir, options.verb)


def _check(words: list[str]) -> int:
    parser = _new_parser(
        "dns-node check",
        "Read a configuration and say all that is wrong with it, without starting anything;\n"
        "with -n ID also that node's certificates.\n"
        "Exit status: 0 nothing is wrong, 78 something is.",
    )
    _add_node_options(parser)
    options = parser.parse_args(words)
    if options.config is None:
        parser.error("-c FILE is needed")
    from dns_node.config.load import load

    settings = load(options.config)
    if options.node is not None:
        _check_certificates(prepare(_node_arguments(options)))
    for advice in settings.advice:
        print(f"{options.config}: {advice}")
    count = len(settings.nodes)
    print(f"{options.config}: good, {count} node{'' if count == 1 else 's'}.")
    return 0


def _check_certificates(launch: Launch) -> None:
    node = launch.node
    if node.tls is not None:
        from dns_node.cluster.credentials import NodeCredentials

        NodeCredentials(node.id, node.tls.ca, node.tls.certificate, node.tls.key)


def _certs(words: list[str]) -> int:
    parser = _new_parser(
        "dns-node certs",
        "Make the cluster's certificates: first a CA (init), then one per node (issue).",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="init|issue")
    init = actions.add_parser("init", help="make a CA in DIR")
    init.add_argument("directory", metavar="DIR")
    issue = actions.add_parser("issue", help="make the certificate of the nodes ID... in DIR")
    issue.add_argument("directory", metavar="DIR")
    issue.add_argument("nodes", metavar="ID", nargs="+")
    issue.add_argument(
        "--address", metavar="NAME", action="append", default=[],
        help="a host name or IP address to name in the certificate too; may be repeated",
    )  # fmt: skip
    options = parser.parse_args(words)
    from dns_node.cluster import certificates

    if options.action == "init":
        return certificates.init(options.directory)
    return certificates.issue(options.directory, options.nodes, tuple(options.address))


def _backup(words: list[str]) -> int:
    parser = _new_parser(
        "dns-node backup",
        "Copy the records of a node, running or stopped, as they are at one moment into FILE;\n"
        "`dns-node backup verify FILE` reads one whole and says whether it is good.\n"
        "Exit status: 0 done, 78 not.",
    )
    parser.add_argument("file", metavar="FILE", nargs="+", help="the backup; never overwritten")
    _add_node_options(parser)
    options = parser.parse_args(words)
    from dns_node.control import backup

    match options.file:
        case ["verify", file]:
            lines = backup.verify(file)
        case ["verify"] | [_, _, *_]:
            parser.error("expected FILE, or verify FILE")
        case [file]:
            node = prepare(_arguments_of_any(options)).node
            lines = backup.back_up(node.data_dir, node.id, file)
    print("\n".join(lines))
    return 0


def _restore(words: list[str]) -> int:
    parser = _new_parser(
        "dns-node restore",
        "Make an empty data directory the seed of a new cluster that has the records of a backup.\n"
        "Exit status: 0 done, 78 not.",
    )
    parser.add_argument("file", metavar="FILE", help="the backup")
    _add_node_options(parser)
    parser.add_argument(
        "--as-of", metavar="REVISION|TIME",
        help="an earlier revision, or a time such as 2026-11-21T04:30:00Z (UTC without a zone)",
    )  # fmt: skip
    _add_serial_gap(parser)
    options = parser.parse_args(words)
    place = _place(options)
    from dns_node.control import restore

    print("\n".join(restore.restore(options.file, place, options.as_of)))
    return 0


def _recover(words: list[str]) -> int:
    parser = _new_parser(
        "dns-node recover",
        "The last resort when a majority of the voters is lost: make what this stopped node has\n"
        "a new cluster of its own. Without --yes it says what that means, and does nothing.\n"
        "Exit status: 0 done, 1 nothing was done, 78 it can't be done.",
    )
    _add_node_options(parser)
    parser.add_argument("--force-new-cluster", action="store_true", required=True)
    parser.add_argument("--yes", action="store_true", help="do it")
    _add_serial_gap(parser)
    options = parser.parse_args(words)
    place = _place(options)
    from dns_node.control import restore

    lines, is_done = restore.recover(place, options.yes)
    print("\n".join(lines))
    return 0 if is_done else EXIT_NOT_AGREED


def _add_serial_gap(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--serial-gap", metavar="N", type=int,
        help="by how much every zone's serial is raised above the last one that is known here "
             "(default: 1000 per second since then, a million at least)",
    )  # fmt: skip


def _place(options: argparse.Namespace) -> "Place":
    from dns_node.control.restore import Place

    launch = prepare(_arguments_of_any(options))
    node = launch.node
    if node.role == "edge":
        what = "is an edge, and a new cluster begins with a voter."
        raise InputError([Problem(f"node {node.id}", what, "Change its role first.")])
    raft_loc, user = str(node.raft_loc), launch.settings.user
    return Place(node.id, node.data_dir, raft_loc, user, options.serial_gap)


def _node_arguments(options: argparse.Namespace) -> Arguments:
    return Arguments(
        node_id=options.node, config=options.config, data_dir=options.data_dir, home=_home()
    )


def _arguments_of_any(options: argparse.Namespace) -> Arguments:
    """As `_node_arguments`; a node that joined is in no configuration, and has its place too."""
    arguments = _node_arguments(options)
    return arguments if arguments.node_id is None else replace(arguments, join="")


def _home() -> str:
    """Where the embedded default keeps data and zone files: beside the launcher ./dns-node, which
    names its directory in the environment; else here."""
    return os.environ.get("DNS_NODE_HOME", ".")


def _resolver(words: list[str]) -> int:
    parser = _new_parser(
        "dns-node resolver",
        "Run a resolver alone, in the foreground, until SIGTERM: no cluster, no zones, no cache\n"
        "from before. FILE is a JSON object; the keys: pydoc dns_node.resolver_process.\n"
        "Exit status: 0 after SIGTERM, 78 when it can't do what FILE says.",
    )
    parser.add_argument("--scenario", metavar="FILE", required=True, help="what it is to do")
    options = parser.parse_args(words)
    from dns_node import resolver_process

    return resolver_process.run(options.scenario)


def _query(words: list[str]) -> int:
    from dns_node.query_tool import run

    return run.run(words)


_SUBCOMMANDS: dict[str, Callable[[list[str]], int]] = {
    "ctl": _ctl, "check": _check, "certs": _certs,
    "backup": _backup, "restore": _restore, "recover": _recover, "resolver": _resolver,
    "query": _query,
}  # fmt: skip

if __name__ == "__main__":
    sys.exit(main())
