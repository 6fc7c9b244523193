"""What the log says of netblocks that are limited."""

from dns_node.answer.rate_limit import Kind
from dns_node.answer.shared_block import Notice, SharedBlock, block_size_octets, compose_head
from dns_node.control.rate_notices import LINES_MAX, WINDOW_S, NoticeLog, notice_text
from tests.answer.dict_view import wire

BLOCK = b"\xc0\x00\x02\x00"


def rings(workers=1):
    """Return the rings as the node process sees them, and each worker's."""
    buffer = bytearray(block_size_octets(workers))
    buffer[:24] = compose_head(bytes(16))
    return SharedBlock(buffer), [SharedBlock(buffer, number) for number in range(workers)]


def notice(name="example.", kind=Kind.ANSWER, block=BLOCK, is_only_logged=False):
    return Notice(kind, is_only_logged, block, wire(name))


def test_a_line_says_who_what_and_whether_it_is_only_logged():
    assert notice_text(notice("web.example."), 24, 56) == (
        "rate limit: 192.0.2.0/24 is limited: too many answers about web.example."
    )
    block = bytes.fromhex("20010db800001200") + bytes(8)
    assert notice_text(notice(kind=Kind.NXDOMAIN, block=block, is_only_logged=True), 24, 56) == (
        "rate limit: 2001:db8:0:1200::/56 would be limited (mode is log): "
        "too many answers that names in example. don't exist"
    )
    for kind in Kind:
        assert "192.0.2.0/24" in notice_text(notice(kind=kind), 24, 56)


def test_what_several_workers_notice_is_said_once():
    node, workers = rings(4)
    said = []
    log = NoticeLog(node, lambda: (24, 56), said.append)
    for worker in workers:
        worker.put_notice(notice())
    log.step(0.0)
    assert len(said) == 1
    workers[2].put_notice(notice())
    log.step(1.0)
    assert len(said) == 1
    workers[2].put_notice(notice())
    log.step(WINDOW_S + 1)
    assert len(said) == 2


def test_a_flood_of_notices_makes_a_bounded_number_of_lines_and_a_count():
    node, (worker,) = rings()
    said = []
    log = NoticeLog(node, lambda: (24, 56), said.append)
    for step in range(30):
        for number in range(100):
            worker.put_notice(notice(f"n{step}-{number}.example."))
        log.step(step)
    assert len(said) == LINES_MAX
    log.step(WINDOW_S)
    assert said[-1] == "rate limit: 2980 more since then; STATUS counts the answers"
    log.step(2 * WINDOW_S)
    assert len(said) == LINES_MAX + 1


def test_what_was_noticed_before_the_process_began_is_not_said_again():
    node, (worker,) = rings()
    worker.put_notice(notice())
    said = []
    NoticeLog(node, lambda: (24, 56), said.append).step(0.0)
    assert said == []
