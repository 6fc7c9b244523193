"""Limits of the resolver that no scenario of one question can show, and the tests that do."""

from pathlib import Path

ELSEWHERE = (
    ("DNSBomb, pile-up of questions", "a worker resolves 512 questions at once",
     "test_what_is_beyond_the_limit_is_dropped_counted_and_never_asked"),
    ("", "200 of a client (2,000 with a cookie or over TCP), 100 of a name, on the node",
     "test_a_limit_holds_for_all_of_them_together"),
    ("", "a server has a bounded number of queries without a reply",
     "test_a_server_has_so_many_queries_without_a_reply_and_no_more"),
    ("", "what comes after 1.9 s is kept and not sent",
     "test_an_answer_that_comes_too_late_is_kept_and_not_sent"),
    ("Equal questions (birthday attacks)", "one query for all that ask the same",
     "test_equal_questions_at_one_time_are_one"),
    ("Guessing of ports (RFC 5452, CVE-2026-50252)",
     "a socket of its own for every query, any port of 1024 to 65535 in every worker",
     "test_every_query_comes_from_a_port_of_its_own"),
    ("Name compression", "65,536 octets of names in one message",
     "test_the_names_of_a_message_have_a_budget_together"),
    ("", "pointers point backwards",
     "test_a_pointer_points_backwards_and_a_label_is_of_a_known_type"),
    ("", "pointers followed in one name: 32",
     "test_a_chain_of_pointers_is_followed_for_a_while_only"),
    ("Huge RRsets", "100 records of a type, 256 of a section",
     "test_a_section_has_at_most_256_records_and_an_rrset_100"),
    ("Large cache entries", "4,096 octets of proofs with an absence",
     "test_proofs_that_are_too_large_are_not_kept"),
    ("", "the cache never exceeds its octets", "test_the_byte_bound_holds_always"),
    ("Ghost domains", "the child's word ends when the parent's does",
     "test_ghost_domains_what_a_child_says_of_its_servers_ends_when_the_parents_word_does"),
    ("Referrals", "13 name servers, 6 addresses of each and family",
     "test_a_referral_has_a_bounded_number_of_servers_and_addresses"),
    ("Poisoning", "nothing out of the bailiwick is believed",
     "test_nothing_out_of_bailiwick_is_ever_believed"),
    ("KeyTrap (CVE-2023-50387)", "2 signatures of an RRset, 2 keys of a tag, 2 failures",
     "test_of_many_keys_with_one_tag_two_are_tried_and_two_failures_end_it"),
    ("Padded proofs (CVE-2026-11605)", "2 failures",
     "test_cve_2026_11605_padded_proofs_cost_two_failures"),
    ("NSEC3 records beyond need", "8 of an answer",
     "test_more_nsec3_records_than_a_proof_needs_are_not_looked_at"),
    ("Signatures above their signer (CVE-2026-44690)", "are none",
     "test_cve_2026_44690_a_signature_with_fewer_labels_than_its_signer_is_no_signature"),
    ("Denials by the zone above (CVE-2025-10723)", "are none",
     "test_cve_2025_10723_the_zone_above_does_not_deny_what_the_zone_below_holds"),
    ("NSEC records that lead outside of the zone (CVE-2026-13321)", "prove nothing",
     "test_an_nsec_whose_next_name_is_outside_the_zone_proves_nothing"),
    ("Keys that are no keys (CVE-2025-8677)", "2 tries",
     "test_cve_2025_8677_keys_that_are_no_keys_but_match_cost_two_tries"),
    ("Downgrade to another algorithm", "is bogus",
     "test_a_zone_with_two_algorithms_is_not_lowered_to_the_one_that_is_left"),
    ("Wildcards without proof (CVE-2026-52686)", "are bogus",
     "test_cve_2026_52686_an_rrset_from_a_wildcard_needs_the_proof_aliases_too"),
    ("Policy and bogus data (CVE-2026-50243)", "bogus stays SERVFAIL",
     "test_what_is_bogus_stays_servfail_whatever_the_rules_about_answers_say"),
)  # fmt: skip
"""Attack (empty: as above), limit, name of the test."""


def missing() -> set[str]:
    """Return the names in `ELSEWHERE` that no test has."""
    paths = Path(__file__).resolve().parents[2].glob("**/test_*.py")
    texts = [path.read_text(encoding="utf-8") for path in paths]
    names = {name for *_, name in ELSEWHERE}
    return {name for name in names if not any(f"def {name}(" in text for text in texts)}
