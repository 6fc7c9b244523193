"""A store with the example zones, and a worker over it that the tests of a module share."""

import os

import pytest

from dns_node.net.native import CHOICE_VARIABLE, NATIVE, PYTHON, NoNativeError, load_core
from tests.answer.dict_view import zone_from_text
from tests.answer.example_zones import EXAMPLE, HOSTED, OTHER
from tests.net.worker_process import WorkerProcess, fill


@pytest.fixture(scope="session")
def data_directory(tmp_path_factory):
    """Return a data directory whose store holds the example zones."""
    path = tmp_path_factory.mktemp("data")
    texts = {"example.": EXAMPLE, "other.": OTHER, "hosted.example.": HOSTED}
    fill(path, *(zone_from_text(name, text, n) for n, (name, text) in enumerate(texts.items(), 1)))
    return path


@pytest.fixture(scope="module", params=[PYTHON, NATIVE], autouse=True)
def data_path(request):
    """Have the workers of a module's tests answer by the definition, then natively; return which.

    Without a native core (nothing to build it with) the tests of it are skipped.
    """
    if request.param == NATIVE:
        try:
            load_core({})
        except NoNativeError as error:
            pytest.skip(f"no native data path: {error}")
    before = os.environ.get(CHOICE_VARIABLE)
    os.environ[CHOICE_VARIABLE] = request.param
    yield request.param
    if before is None:
        del os.environ[CHOICE_VARIABLE]
    else:
        os.environ[CHOICE_VARIABLE] = before


@pytest.fixture(scope="module")
def worker(data_directory, data_path):
    """Return a running worker."""
    with WorkerProcess(data_directory) as process:
        yield process
