"""A cluster on test hosts, brought up by `ray up` with the file for own machines."""

from collections.abc import Iterator

import pytest

from tests.cluster.hosts import missing, running_hosts
from tests.cluster.launcher import Cluster

NETWORK = "198.51.100"  # kept free for examples, RFC 5737; the one in the file may be this machine's


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three machines with Ray on them, a head and two workers; gone at the end, however that comes."""
    if reason := missing():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("cluster")
    with running_hosts([f"{NETWORK}.{last}" for last in (10, 11, 12)], folder) as hosts:
        cluster = Cluster(hosts, folder)
        cluster.prepare()
        cluster.ray("up", "-y", cluster.file)
        yield cluster
