"""Whatever the rules and whatever servers said: there is a verdict, soon, and it makes sense."""

from hypothesis import given
from hypothesis import strategies as st

from dns_node.answer.respond import Client
from dns_node.resolver.policy.policy import Policy, PolicySettings
from dns_node.resolver.policy.rebinding import PRIVATE
from dns_node.resolver.policy.verdict import Answered, NameServers, Request, Resolve
from dns_node.resolver.question import Outcome, Question, Security
from dns_node.zone.names import parse_name
from tests.resolver.policy.outcomes import held
from tests.resolver.policy.policy_zones import zone_of

QUESTIONS_MAX = 24
"""Two for DNS64 or ANY, each with what rules about name servers need and a redirection."""

names = st.sampled_from(["a.test.", "a.example.", "b.example.", "c.b.example.", "d.", "."])
rule_names = st.sampled_from(
    ["a.example", "*.example", "*", "32.1.2.0.192.rpz-ip", "8.0.0.0.10.rpz-ip",
     "128.1.zz.db8.2001.rpz-ip", "24.0.2.0.192.rpz-client-ip", "ns.example.rpz-nsdname",
     "*.rpz-nsdname", "32.1.2.0.192.rpz-nsip", "64.zz.db8.2001.rpz-nsip"],
)  # fmt: skip
targets = st.sampled_from(
    ["CNAME .", "CNAME *.", "CNAME rpz-passthru.", "CNAME rpz-drop.", "CNAME rpz-tcp-only.",
     "CNAME a.example.", "CNAME *.b.example.", "A 192.0.2.9", "AAAA 2001:db8::9", "TXT x"],
)  # fmt: skip
zones = st.dictionaries(rule_names, targets, max_size=5).map(
    lambda rules: [f"{name} 60 {target}" for name, target in rules.items()]
)
records = st.one_of(
    st.builds("{} 60 CNAME {}".format, names, names),
    st.builds("{} 60 A {}".format, names, st.sampled_from(["192.0.2.1", "10.0.0.1"])),
    st.builds("{} 60 AAAA {}".format, names, st.sampled_from(["2001:db8::1", "::1"])),
    st.builds("{} 60 NS {}".format, names, names),
)
outcomes = st.builds(
    lambda rcode, answer, security: Outcome(
        2 if security is Security.BOGUS else rcode,
        () if security is Security.BOGUS else tuple(held(line, security) for line in answer),
        (), security, 60,
    ),
    st.sampled_from([0, 0, 0, 2, 3]),
    st.lists(records, max_size=4),
    st.sampled_from(Security),
)  # fmt: skip
settings = st.builds(
    PolicySettings,
    has_special_names=st.booleans(),
    private_networks=st.sampled_from([(), PRIVATE]),
    dns64_prefixes=st.sampled_from([(), ("64:ff9b::/96",)]),
    rpz_breaks_dnssec=st.booleans(),
)
requests = st.builds(
    Request,
    st.builds(Question, names.map(parse_name), st.sampled_from([1, 5, 6, 12, 28, 43, 255])),
    st.sampled_from([None, Client("192.0.2.7", 1), Client("198.51.100.7", 1, True)]),
    st.booleans(),
    st.booleans(),
)
servers = st.lists(
    st.builds(
        lambda cut, name, address: NameServers(
            parse_name(cut), frozenset([parse_name(name)]), frozenset(address),
            () if address else (parse_name(name),),
        ),
        names, names, st.sampled_from([(), (bytes((192, 0, 2, 1)),)]),
    ),
    max_size=2,
).map(tuple)  # fmt: skip


@given(settings, st.lists(zones, max_size=2), servers, requests, st.lists(outcomes, min_size=1))
def test_every_question_ends_in_a_verdict_that_makes_sense(given_, rules, known, request, answers):
    tables = [zone_of(*one, apex=f"rpz{n}.") for n, one in enumerate(rules)]
    policy = Policy(given_, tuple(tables), lambda _name: known)
    ruling = policy.rule(request)
    step, asked, seen = ruling.begin(), 0, []
    while isinstance(step, Resolve):
        outcome = answers[asked % len(answers)]
        seen.append(outcome)
        asked += 1
        assert asked <= QUESTIONS_MAX
        step = ruling.take(outcome)
    if not isinstance(step, Answered):
        assert step.rule
        return
    outcome = step.outcome
    assert outcome.rcode in (0, 2, 3)
    assert outcome.ttl_s >= 0
    if outcome.rcode == 2:
        assert any(one.rcode == 2 for one in seen) or "CNAME" in str(rules)
    if outcome.security is Security.SECURE:
        # Of an answer to ANY one RRset is told (RFC 8482 section 4.1).
        is_part = request.question.qtype == 255 and any(
            len(outcome.answer) == 1 and outcome.answer[0] in one.answer for one in seen
        )
        assert is_part or outcome in seen, "what was changed is not told as authentic"
    if not seen:
        assert step.rule or given_.has_special_names or request.question.qtype == 255


@given(settings, zones, requests)
def test_what_is_bogus_is_never_made_an_answer_of(given_, rules, request):
    # A rule about an answer comes first, so that the names are judged by what was resolved.
    first = zone_of("32.9.9.9.9.rpz-ip 60 CNAME .", apex="first.")
    rules = [rule for rule in rules if "client-ip" not in rule]
    policy = Policy(given_, (first, zone_of(*rules)))
    bogus = Outcome(2, (), (), Security.BOGUS)
    ruling = policy.rule(request)
    step = ruling.begin()
    while isinstance(step, Resolve):
        step = ruling.take(bogus)
    is_special = request.question.qname == parse_name("a.test.") and given_.has_special_names
    assert is_special or step == Answered(bogus)
