"""What scripts do with a simulated cluster again and again."""

from dns_node.cluster.command import Done, PutKey


def write(cluster, node, key, size=1):
    """Write a value of *size* octets through *node*, and see that it is done."""
    answer = cluster.do(node, PutKey(key, "v" * size))
    assert isinstance(answer, Done), answer


def lead(cluster):
    """Return the nodes, the leader that was elected first."""
    leader = cluster.elect()
    return [leader, *(node for node in cluster.nodes if node != leader)]
