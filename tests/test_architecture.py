"""The rules of the rooms: who may import whom, who knows the world outside, sizes, docstrings.

Each failure says what to do.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dns_node"
MODULES = sorted(PACKAGE.rglob("*.py"))

ROOMS = (
    "errors", "metrics", "config", "zone", "store", "cluster", "answer", "resolver", "transfer",
    "control",
)  # fmt: skip
"""A module imports its own room and the rooms before it."""

SHELLS = {"control", "net", "supervise", "supervisor", "node", "worker", "__main__"}
"""These face the world, and may import every room."""

WORLDLY = {"lmdb", "OpenSSL", "pysyncobj", "select", "socket", "subprocess", "threading", "time",
           "twisted"}  # fmt: skip
"""Clocks, sockets, threads, disks and what brings them along: pure code gets values instead."""

FACES_THE_WORLD = {
    # Replication: the core, its journal and the threads that write.
    "raft", "replica", "replica_log", "journal", "journal_disk", "apply", "proposer", "staging",
    "executor", "participation",
    # The wire: connections, certificates, snapshots and the drivers that talk to others.
    "transport", "connection", "dialer", "sockets", "channel", "side_connections", "complaints",
    "credentials", "identity", "snapshot", "join", "membership_driver", "cluster_member",
    "local_member",
}  # fmt: skip
"""The modules of `cluster` that may import WORLDLY."""

PURE_IN_STORE = {"layout", "rows", "view", "history", "digest"}
"""The modules of `store` that may not: octets and values only."""

ONLY_IMPORTER = {"pysyncobj": {"cluster/raft"}}
"""Libraries that one module keeps to itself."""

UNSAFE = {"pickle", "_pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib",
          "dbm", "xmlrpc"}  # fmt: skip
"""What makes code of octets, or stands on what does."""

LINES_MAX = 400
FUNCTION_LINES_MAX = 64


def name_of(path: Path) -> str:
    """``cluster/raft`` for dns_node/cluster/raft.py."""
    return str(path.relative_to(PACKAGE).with_suffix("")).removesuffix("/__init__")


def room_of(name: str) -> str:
    return name.split("/")[0]


def imports_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, dotted name) of every import, wherever it stands; those for types only are
    left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write the whole name of the module"
            module = node.module or ""
            if module == "dns_node":
                yield from ((node.lineno, f"dns_node.{alias.name}") for alias in node.names)
            else:
                yield node.lineno, module


def is_pure(path: Path) -> bool:
    """Whether a module must get the world's values as arguments."""
    room, _, rest = name_of(path).partition("/")
    if room in SHELLS or room not in ROOMS:
        return False
    if room == "store":
        return rest in PURE_IN_STORE
    return not (room == "cluster" and rest in FACES_THE_WORLD)


def parametrize_modules(test):
    return pytest.mark.parametrize("path", MODULES, ids=name_of)(test)


@parametrize_modules
def test_a_module_imports_its_own_room_and_the_rooms_before_it(path):
    room = room_of(name_of(path))
    if room in SHELLS or room == "dns_node":
        return
    if room not in ROOMS:
        # A module at the top, such as sd_notify: it belongs to the shells.
        return
    allowed = ROOMS[: ROOMS.index(room) + 1]
    for line, imported in imports_of(path):
        if not imported.startswith("dns_node."):
            continue
        other = imported.split(".")[1]
        assert other in allowed or other == "__version__", (
            f"{path.relative_to(ROOT)}:{line} imports {imported}, a room after {room}. Hand the "
            f"value in as an argument, or move what both need into one of: {', '.join(allowed)}."
        )


@parametrize_modules
def test_only_the_modules_that_face_the_world_know_a_clock_a_socket_a_thread_or_a_disk(path):
    if not is_pure(path):
        return
    for line, imported in imports_of(path):
        assert imported.split(".")[0] not in WORLDLY, (
            f"{path.relative_to(ROOT)}:{line} imports {imported}. Take the time, the octets or "
            "the transaction as an argument; if the module really faces the world, list it in "
            "FACES_THE_WORLD and say why."
        )


@parametrize_modules
def test_pure_code_rolls_no_dice(path):
    if not is_pure(path):
        return
    for line, imported in imports_of(path):
        assert imported.split(".")[0] not in {"random", "secrets", "uuid"}, (
            f"{path.relative_to(ROOT)}:{line} imports {imported}. Take the random value as an "
            "argument: apply must do the same on every node."
        )


@parametrize_modules
def test_some_libraries_have_one_importer(path):
    for line, imported in imports_of(path):
        importers = ONLY_IMPORTER.get(imported.split(".")[0])
        assert importers is None or name_of(path) in importers, (
            f"{path.relative_to(ROOT)}:{line} imports {imported}; only {importers} may."
        )


@parametrize_modules
def test_no_module_loads_pickle(path):
    for line, imported in imports_of(path):
        assert imported.split(".")[0] not in UNSAFE, (
            f"{path.relative_to(ROOT)}:{line}: no pickle is ever loaded; use msgspec."
        )


@parametrize_modules
def test_a_module_is_at_most_400_lines_long(path):
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= LINES_MAX, (
        f"{path.relative_to(ROOT)} has {lines} lines. It holds more than one noun: give each a "
        "module of its own."
    )


@parametrize_modules
def test_a_function_is_at_most_64_lines_long(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= FUNCTION_LINES_MAX, (
                f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {lines} lines. Let it "
                "return values, and make its steps functions."
            )


def _public_parts(tree: ast.Module) -> Iterator[tuple[str, ast.AST]]:
    yield "the module", tree
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if node.name.startswith("_"):
                continue
            yield node.name, node
            for inner in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef):
                    is_called_by_twisted = re.match(r"[a-z]+[A-Z]", inner.name)
                    if not inner.name.startswith("_") and not is_called_by_twisted:
                        yield f"{node.name}.{inner.name}", inner


@parametrize_modules
def test_every_public_name_has_a_docstring(path):
    for name, node in _public_parts(ast.parse(path.read_text(encoding="utf-8"))):
        assert ast.get_docstring(node), (
            f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}: {name} has no docstring. Say "
            "what comes back, in which unit, which errors there are, and the RFC section; or "
            "begin its name with _."
        )


VAGUE_NAMES = {"utils", "helpers", "helper", "common", "base", "core", "manager", "handler",
               "types", "misc"}  # fmt: skip


def test_no_module_has_a_name_that_says_nothing():
    vague = [name_of(path) for path in MODULES if path.stem in VAGUE_NAMES]
    assert not vague, f"{vague}: name a module after the one thing it holds."


def _text_files() -> Iterator[Path]:
    folders = ["dns_node", "tests", "scripts", "docs", "deploy", "metrics", "zone-files", ".ci"]
    # In a working tree of git's, .git is a file that names the repository.
    yield from (path for path in ROOT.iterdir() if path.is_file() and path.name != ".git")
    for folder in folders:
        yield from (path for path in (ROOT / folder).rglob("*") if path.is_file())


def test_no_file_names_a_path_that_exists_on_one_machine_only():
    # Spelt in two halves, so that this file is not found.
    forbidden = re.compile("/" + r"work/(main|shared|out)\b|/" + "tmp/w/|\\bshared" + "/reference")
    for path in _text_files():
        if "__pycache__" in path.parts or path.suffix in {".pyc", ".lock", ".so"}:
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found = forbidden.search(text)
        assert not found, (
            f"{path.relative_to(ROOT)} names {found[0] if found else ''}: a clone elsewhere has no "
            "such path. Say what is meant, or name a path in the repository."
        )
