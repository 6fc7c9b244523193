"""Nodes without a vote for good: edges and learners by configuration, in one process."""

from dns_node.cluster.checkpoint import judge_visible
from dns_node.cluster.command import Done
from dns_node.cluster.standings import Standings

from .links import coroutine, free_locations, until
from .members import MemberCase


class TestEdges(MemberCase):
    """Each test is one story of a cluster with more than voters."""

    async def form_with(self, roles):
        """Return the members by id, once all are what *roles* say."""
        configured = dict(zip(roles, free_locations(len(roles)), strict=True))
        members = {node: await self.start(node, configured, roles=roles) for node in roles}
        await until(lambda: self.are(members, roles), "they did not become what they should")
        return members, configured

    def are(self, members, roles):
        """Return whether every member's table says *roles*, and raft's voters are the voters."""
        voters = {node for node, role in roles.items() if role == "voter"}
        return all(
            {node: role for node, (uuid, role) in m.replica.members.items() if uuid} == roles
            and m.replica.is_formed
            and m.replica.journal.voters() == voters
            and m.replica.status().leader in voters
            for m in members.values()
        )

    @coroutine
    async def test_edges_follow_and_serve_and_cost_the_quorum_nothing(self):
        roles = {"0": "voter", "e1": "edge", "e2": "edge", "e3": "edge", "l": "learner"}
        members, configured = await self.form_with(roles)
        assert members["e1"].replica.status().role == "edge"
        assert members["l"].replica.status().role == "learner"
        await self.put(members["e2"], "from an edge")
        await self.all_have(members.values(), "from an edge")
        assert not members["e1"].transport.peers().keys() & {"e2", "e3"}, "edges talk to edges"
        # One that may vote is promoted meanwhile, so there was time enough to promote the others.
        joiner = await self.start("j", {}, free_locations(1)[0])
        await joiner.join(configured["0"], await self.token(members["0"]))
        everybody, with_joiner = {**members, "j": joiner}, {**roles, "j": "voter"}
        await until(lambda: self.are(everybody, with_joiner))
        for node in ("e1", "e2", "e3", "l"):
            await self.stop(members[node])
        await self.put(members["0"], "without them")
        assert isinstance(await members["0"].members.remove("e3"), Done)
        await until(lambda: "e3" not in members["0"].replica.members)

    @coroutine
    async def test_an_edge_joins_with_a_token_and_keeps_no_log(self):
        [seed], configured = await self.form(1)
        for number in range(20):
            await self.put(seed, str(number))
        edge = await self.start("e", {}, free_locations(1)[0], roles={"e": "edge"})
        await edge.join(configured["0"], await self.token(seed))
        await self.all_have([edge], "19")
        assert edge.replica.members["e"] == (edge.identity.uuid, "edge")
        await self.put(edge, "last")
        await self.all_have([seed, edge], "last")
        await until(lambda: edge.replica.status().log_entries == 0)
        assert seed.replica.journal.voters() == {"0"}

    @coroutine
    async def test_an_edge_alone_forms_no_cluster(self):
        configured = dict(zip("0e", free_locations(2), strict=True))
        roles = {"0": "voter", "e": "edge"}
        edge = await self.start("e", configured, roles=roles)
        voter = await self.start("0", configured, roles=roles)
        await until(lambda: self.are({"0": voter, "e": edge}, roles))


def test_a_quorum_is_of_voters_and_all_is_of_everybody():
    standings = Standings("0", lambda: 0.0)
    standings.members = {"0": "voter", "1": "voter", "2": "voter"} | {
        f"e{number}": "edge" for number in range(9)
    }
    standings.own_applied = 5
    ended = {}
    for mode in ("quorum", "all"):
        standings.wait(5, mode, 5.0, lambda visible, mode=mode: ended.update({mode: visible}))
    for node in standings.members:
        standings.hear(node, 4, 4)
    assert not ended
    standings.hear("1", 5, 5)
    standings.check_waits()
    assert ended.keys() == {"quorum"}
    assert ended["quorum"][0] == ("0", "1")
    for node in standings.members:
        standings.hear(node, 5, 5)
    standings.check_waits()
    assert len(ended["all"][0]) == 12


def test_an_absent_edge_never_keeps_the_log():
    standings = Standings("0", lambda: 0.0)
    standings.members = {"0": "voter", "1": "voter", "e": "edge"}
    standings.own_durable = 9
    standings.hear("1", 9, 8)
    standings.hear("e", 1, 1)
    assert standings.find_checkpoint(0, 1 << 20, 3600.0) == 8
    assert judge_visible(9, standings.all(), 0.0)[0] == ("1",)
