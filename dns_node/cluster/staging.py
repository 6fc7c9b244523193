"""Commands that are larger than a log entry: their encoding is staged in slices, then run."""

import hashlib
from collections.abc import Callable

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults

from dns_node.cluster.command import (
    Command,
    Done,
    Refused,
    RunStaged,
    StageSlice,
    Unknown,
    compose_command,
)

SLICE_OCTETS = 192 * 1024
SLICES_IN_FLIGHT = 4

Answer = Done | Refused | Unknown


def slice_command(command: Command) -> tuple[list[Command], Command]:
    """Return the commands that stage *command*, in slices, and the one that runs it.

    Their operation ids follow from the command's own, so that proposing it again stages the same
    slices again and runs it once.
    """
    octets = compose_command(command)
    stage = command.operation_id
    slices = [octets[start : start + SLICE_OCTETS] for start in range(0, len(octets), SLICE_OCTETS)]
    staging = [
        _beside(command, number, StageSlice(stage, number, piece))
        for number, piece in enumerate(slices)
    ]
    digest = hashlib.sha256(octets).digest()
    return staging, _beside(command, -1, RunStaged(stage, len(slices), digest))


def _beside(command: Command, number: int, operation: StageSlice | RunStaged) -> Command:
    seed = b"stage" + command.operation_id + number.to_bytes(4, "big", signed=True)
    return Command(
        operation_id=hashlib.sha256(seed).digest()[:16],
        proposed_at_ms=command.proposed_at_ms,
        door=command.door,
        actor=command.actor,
        operations=(operation,),
        reason=command.reason,
    )


async def propose_staged(
    command: Command, propose: Callable[[Command], "Deferred[Answer]"]
) -> Answer:
    """Stage *command* and run it; return what it came to.

    A slice whose fate is unknown makes the whole "certainly not made": only the last command makes
    it visible.
    """
    staging, run = slice_command(command)
    semaphore = DeferredSemaphore(SLICES_IN_FLIGHT)
    answers = await gatherResults([semaphore.run(propose, piece) for piece in staging])
    for answer in answers:
        if isinstance(answer, Unknown):
            return Refused(
                ("NOT LEADER YET: the change could not be staged. It was not made; try again.",)
            )
        if isinstance(answer, Refused):
            return answer
    answer = await propose(run)
    if isinstance(answer, Unknown):
        return Unknown(command.operation_id, answer.why)
    return answer
