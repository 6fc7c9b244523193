"""A store with the example zones, and a worker over it that the tests of a module share."""

import pytest

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


@pytest.fixture(scope="module")
def worker(data_directory):
    """Return a running worker."""
    with WorkerProcess(data_directory) as process:
        yield process
