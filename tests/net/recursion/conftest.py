"""A store with a zone of ours, for workers that resolve."""

import os

import pytest

from dns_node.net.native import CHOICE_VARIABLE, NATIVE, PYTHON, NoNativeError, load_core
from tests.answer.dict_view import zone_from_text
from tests.net.worker_process import fill

OURS = """
@      SOA   . . 1 2 3 4 60
@      NS    ns
ns     A     192.0.2.53
www    A     192.0.2.80
away   CNAME web.example.
sub    NS    ns.example.
"""


@pytest.fixture(scope="module")
def own_zones(tmp_path_factory):
    path = tmp_path_factory.mktemp("ours")
    fill(path, zone_from_text("ours.", OURS, 1))
    return path


@pytest.fixture(scope="module", autouse=True)
def data_path():
    """Have the workers of a module's tests answer natively where that can be: one way is enough for
    most; `test_resolving` goes both."""
    try:
        load_core({})
        chosen = NATIVE
    except NoNativeError:
        chosen = PYTHON
    before = os.environ.get(CHOICE_VARIABLE)
    os.environ[CHOICE_VARIABLE] = chosen
    yield chosen
    if before is None:
        del os.environ[CHOICE_VARIABLE]
    else:
        os.environ[CHOICE_VARIABLE] = before
