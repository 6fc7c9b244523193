"""The commands that are about the cluster itself: who belongs to it, and what is forgotten."""

from dns_node.cluster.command import (
    DropMember,
    FormCluster,
    Member,
    PutMember,
    PutToken,
    RaiseSchema,
    Trim,
    UnknownSchemaError,
)
from dns_node.cluster.draft import Draft
from dns_node.store.layout import STORE_SCHEMA
from dns_node.store.rows import MemberRow


def form_cluster(draft: Draft, change: FormCluster) -> None:
    """Fix the cluster's uuid and first members; a second time is refused."""
    known = draft.meta.cluster_uuid
    if known == change.cluster_uuid:
        draft.note(f"the cluster {known} has formed already")
        return
    if known:
        draft.refuse(f"this node belongs to the cluster {known} already, not {change.cluster_uuid}")
        return
    draft.effects.cluster_uuid = change.cluster_uuid
    for member in change.members:
        draft.effects.members[member.node] = member
    nodes = ", ".join(member.node for member in change.members)
    draft.others.append(f"cluster {change.cluster_uuid} formed by {nodes}")


def put_member(draft: Draft, change: PutMember) -> None:
    """Record or change a member, using up its join token."""
    member = change.member
    if change.token_hash:
        expires_at_ms = draft.view.token_expiry_ms(change.token_hash)
        if expires_at_ms is None or expires_at_ms <= draft.command.proposed_at_ms:
            draft.refuse(
                f"node {member.node}: the join token is unknown, used up or expired; make another "
                "with JOIN-TOKEN."
            )
            return
        draft.effects.tokens[change.token_hash] = None
    known = draft.view.member(member.node)
    if known is not None:
        if known == row_of(member) and not change.token_hash:
            draft.note(f"node {member.node} is recorded so already")
            return
        is_other = known.uuid and member.uuid and known.uuid != member.uuid
        if is_other and member.role == "voter":
            # An empty disk may not vote under an id that promised something before (I7).
            draft.refuse(
                f"node {member.node} is bound to the data directory {known.uuid}; another one "
                "joins as a learner first."
            )
            return
    draft.effects.members[member.node] = member
    draft.others.append(f"member {member.node}: {member.role} at {member.raft_loc}")


def drop_member(draft: Draft, change: DropMember) -> None:
    """Forget a member; that it is none is noted."""
    if draft.view.member(change.node) is None:
        draft.note(f"not there: member {change.node}")
        return
    draft.effects.members[change.node] = None
    draft.others.append(f"member {change.node} removed")


def put_token(draft: Draft, change: PutToken) -> None:
    """Allow one join."""
    draft.effects.tokens[change.token_hash] = change.expires_at_ms
    draft.others.append("join token made")


def raise_schema(draft: Draft, change: RaiseSchema) -> None:
    """Go on with a newer schema; raises UnknownSchemaError where the release does not read it."""
    if change.schema > STORE_SCHEMA:
        what = f"the cluster goes on with schema {change.schema}"
        raise UnknownSchemaError(
            f"{what}, and this release reads {STORE_SCHEMA}; upgrade this node."
        )
    if change.schema <= draft.meta.schema:
        draft.note(f"the cluster is at schema {draft.meta.schema} already")
        return
    draft.effects.schema = change.schema
    draft.others.append(f"schema {draft.meta.schema} -> {change.schema}")


def trim(draft: Draft, change: Trim) -> None:
    """Move the horizons (never back, never into the future) and forget tokens that ended.

    What lies behind a horizon is invisible at once; its octets go when each node has time.
    """
    meta, now_ms = draft.meta, draft.command.proposed_at_ms
    revision = max(meta.history_horizon, min(change.history_revision, draft.revision))
    operations_ms = max(
        meta.operations_horizon_ms, min(change.operations_before_ms, now_ms)
    )
    if (revision, operations_ms) != (meta.history_horizon, meta.operations_horizon_ms):
        draft.effects.horizons = revision, operations_ms
    ended = [token for token, expires_at_ms in draft.view.tokens() if expires_at_ms <= now_ms]
    for token in ended:
        draft.effects.tokens[token] = None
    if ended:
        draft.others.append(f"{len(ended)} join tokens ended")


def row_of(member: Member) -> MemberRow:
    """Return the store's row of a member."""
    return MemberRow(member.node, member.uuid, member.role, member.raft_loc)
