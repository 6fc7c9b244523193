"""Apply gives the same store in every process: sets of octets iterate differently in each."""

import os
import subprocess
import sys

SCRIPT = """
import sys, tempfile
from hashlib import sha256
from dns_node.store.history import compose_history
from tests.cluster.commands import Store, add, candidates, remove
from tests.cluster.test_state_machine import legacy_import
from dns_node.cluster.command import compose_outcome

texts = [f"h{n}.example.com A 192.0.2.{n}" for n in range(30)]
with tempfile.TemporaryDirectory() as directory:
    store = Store(directory)
    zones = candidates("example.com", "example.net")
    outcomes = [
        store.do(*map(add, texts[:20]), add("www.example.net A 192.0.2.1"), candidates=zones),
        store.do(*(add(text.replace("0.2.", "0.3.")) for text in texts[:20])),
        store.do(*(add(f"h{n}.example.com CNAME x.test.") for n in range(20))),
        store.do(legacy_import("replace", *texts[10:])),
        store.do(*(remove(text) for text in texts), remove("www.example.net A")),
    ]
    found = sha256(b"".join(map(compose_outcome, outcomes)))
    for row in store.reader.histories(None, 99):
        found.update(compose_history(row))
    print(store.reader.digest(), found.hexdigest())
    store.close()
"""


def test_i3_outcomes_history_and_digest_do_not_depend_on_the_process():
    said = {
        subprocess.run(
            [sys.executable, "-c", SCRIPT],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout
        for seed in (1, 2, 3)
    }
    assert len(said) == 1 and said.pop().strip()
