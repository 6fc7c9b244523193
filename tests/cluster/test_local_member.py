"""Stories of whole members in one process."""

import shutil

from dns_node.cluster.command import Done, PutMember, Refused
from dns_node.errors import InputError

from .links import coroutine, free_locations, until
from .members import MemberCase


class TestLocalMember(MemberCase):
    """Each test is one story of a cluster."""

    @coroutine
    async def test_one_node_alone_is_a_cluster(self):
        [alone], _ = await self.form(1)
        await self.put(alone, "1")
        await until(lambda: alone.identity.cluster_uuid)
        assert alone.members.cluster_uuid == alone.identity.cluster_uuid

    @coroutine
    async def test_three_form_one_leaves_and_is_told(self):
        members, _ = await self.form(3)
        await self.put(members[2], "1")
        await self.all_have(members, "1")
        await until(lambda: all(member.identity.cluster_uuid for member in members))
        assert len({member.identity.cluster_uuid for member in members}) == 1
        leader = members[0].replica.status().leader
        goes = next(member for member in members if member.replica.node == leader)
        stay = [member for member in members if member is not goes]
        outcome = await stay[0].members.remove(leader)
        assert isinstance(outcome, Done), outcome
        await self.settled(stay)
        await until(lambda: self.told)
        assert "removed" in self.told[0]
        await self.put(stay[1], "2")
        await self.all_have(stay, "2")

    @coroutine
    async def test_a_configured_node_that_comes_late_is_bound(self):
        locations = free_locations(3)
        configured = {str(number): location for number, location in enumerate(locations)}
        two = [await self.start(node, configured) for node in "01"]
        await until(lambda: all(member.identity.cluster_uuid for member in two))
        await self.put(two[0], "1")
        late = await self.start("2", configured)
        await self.settled([*two, late])
        await self.all_have([late], "1")

    @coroutine
    async def test_who_joins_tries_again_where_the_leader_could_not_take_it(self):
        [seed], configured = await self.form(1)
        joiner = await self.start("j", {}, free_locations(1)[0])
        token, propose, refused = await self.token(seed), seed.log.propose, []

        async def refuse_once(operations):
            if refused or not isinstance(operations[0], PutMember):
                return await propose(operations)
            refused.append(operations)
            return Refused(("NOT LEADER YET: the leader has changed. The change was not made.",))

        seed.log.propose = refuse_once
        await joiner.join(configured["0"], token)
        assert refused
        await self.settled([seed, joiner])

    @coroutine
    async def test_a_node_joins_with_a_token_once_and_leaves(self):
        [seed], configured = await self.form(1)
        await self.put(seed, "1")
        [location] = free_locations(1)
        joiner = await self.start("j", {}, location)
        try:
            await joiner.join(configured["0"], "wrong")
        except InputError as error:
            assert "JOIN-TOKEN" in str(error)
        else:
            raise AssertionError("it was let in with a wrong token")
        token = await self.token(seed)
        await joiner.join(configured["0"], token)
        await self.settled([seed, joiner])
        await self.all_have([joiner], "1")
        other = await self.start("k", {}, free_locations(1)[0])
        try:
            await other.join(configured["0"], token)
        except InputError as error:
            assert "used" in str(error)
        else:
            raise AssertionError("a token was good twice")
        assert isinstance(await seed.members.remove("nobody"), Refused)
        outcome = await joiner.members.remove("j")
        assert isinstance(outcome, Done), outcome
        await self.settled([seed])
        await self.put(seed, "2")

    @coroutine
    async def test_no_member_pins_the_pages_that_it_has_read(self):
        members, _ = await self.form(3)
        for number in range(5):
            await self.put(members[0], str(number))
        await self.all_have(members, "4")
        for member in members:
            member.machine.view().reset()  # the test's own
            member.log.members(), member.log.cluster_uuid(), member.log.schema()
            assert member.machine.writer.readers()[1] == set()

    @coroutine
    async def test_a_store_that_a_killed_node_left_behind_is_removed_at_its_next_start(self):
        [member], configured = await self.form(1)
        await self.put(member, "1")
        await self.stop(member)
        left = self.place / "0" / "store" / "7"
        shutil.copytree(self.place / "0" / "store" / "1", left)
        [member] = [await self.start("0", configured)]
        assert not left.exists()
        await self.settled([member])
        await self.all_have([member], "1")

    @coroutine
    async def test_a_wiped_node_comes_back_as_learner_and_votes_again(self):
        members, configured = await self.form(3)
        await self.put(members[0], "1")
        await self.all_have(members, "1")
        before = members[2].identity.uuid
        await self.stop(members[2])
        shutil.rmtree(self.place / "2")
        members[2] = await self.start("2", configured)
        assert members[2].identity.uuid != before
        now = members[2].identity.uuid
        await until(lambda: members[0].replica.members["2"] == (now, "voter"), "it is no voter")
        await self.settled(members)
        await self.all_have(members, "1")
        await self.put(members[2], "2")
        await self.all_have(members, "2")

    @coroutine
    async def test_a_node_that_ended_before_its_first_snapshot_was_there_joins_again(self):
        [seed], configured = await self.form(1)
        for number in range(40):
            await self.put(seed, str(number))
        await until(lambda: seed.replica.status().log_entries == 0)
        [location] = free_locations(1)
        joiner = await self.start("j", {}, location)
        asked = []
        joiner.replica.on_behind = asked.append
        await joiner.join(configured["0"], await self.token(seed))
        await until(lambda: asked)
        await self.stop(joiner)
        joiner = await self.start("j", {}, location)
        await joiner.join(configured["0"], "")
        await self.settled([seed, joiner])
        await self.all_have([joiner], "39")

    @coroutine
    async def test_a_node_that_the_log_can_not_serve_takes_a_snapshot(self):
        [seed], configured = await self.form(1)
        for number in range(40):
            await self.put(seed, str(number))
        await until(lambda: seed.replica.status().log_entries == 0)
        joiner = await self.start("j", {}, free_locations(1)[0])
        await joiner.join(configured["0"], await self.token(seed))
        await self.settled([seed, joiner])
        await self.all_have([joiner], "39")
        assert joiner.machine.writer.path.name == "2"
        await self.put(joiner, "last")
        await self.all_have([seed, joiner], "last")
        digests = {member.machine.view().digest() for member in (seed, joiner)}
        assert len(digests) == 1
