"""The judgement of one claim: is every RRset signed that has to be, and what is absent proved?"""

from collections.abc import Generator

import msgspec

from dns_node.resolver.dnssec.chain import Chain
from dns_node.resolver.dnssec.denial import Absence, Proof
from dns_node.resolver.dnssec.proofs import Proofs, signer_of, signer_of_proofs
from dns_node.resolver.dnssec.records import (
    ANY,
    CNAME,
    DNAME,
    DS,
    NSEC,
    NSEC3,
    RRSIG,
    SOA,
    first_name,
)
from dns_node.resolver.dnssec.trust import Trust
from dns_node.resolver.dnssec.verdict import (
    RCODE_NOERROR,
    RCODE_NXDOMAIN,
    RCODE_YXDOMAIN,
    Claim,
    ErrorCode,
    Need,
    Verdict,
)
from dns_node.resolver.question import ExtendedError, Held, Security
from dns_node.zone.names import ROOT, is_subdomain, name_text, parent
from dns_node.zone.rdata import type_text
from dns_node.zone.rrset import WireName


class _Refused(Exception):
    """The claim is BOGUS; *error* says why."""

    def __init__(self, code: int, text: str):
        super().__init__(text)
        self.error = ExtendedError(code, text)


class Judgement:
    """One claim on its way to a verdict.  *wildcards* are the SECURE RRsets that were made from
    wildcards: (zone, wildcard, RRset)."""

    def __init__(self, chain: Chain, claim: Claim):
        self._chain, self._claim = chain, claim
        self._errors: list[ExtendedError] = []
        self._proofs: dict[WireName, Proofs] = {}
        self._beside: list[Held] = []
        self._is_wildcard = False
        self.wildcards: list[tuple[WireName, WireName, Held]] = []

    def verdict(self) -> Generator[Need, Claim | None, Verdict]:
        """Judge it."""
        try:
            return (yield from self._judge())
        except _Refused as refused:
            self._chain.steps.append(f"bogus: {refused.error.text}")
            return Verdict(
                Security.BOGUS,
                errors=(refused.error,),
                rcode=self._claim.rcode,
                steps=tuple(self._chain.steps),
            )

    def _judge(self) -> Generator[Need, Claim | None, Verdict]:
        claim = self._claim
        answer: list[Held] = []
        for held in claim.answer:
            before = answer[-1] if answer else None
            answer.append((yield from self._positive(held, before)))
        security = min((held.security for held in answer), default=Security.SECURE)
        if claim.is_open and claim.authority:
            yield from self._delegation_beside(_end_of_aliases(claim))
        authority = tuple(self._beside)
        rcode, denial_zone = claim.rcode, None
        target = _denied_name(claim)
        if target is not None:
            trust, proof, absent = yield from self._negative(target)
            security = min(security, _security_of(trust, proof))
            authority = tuple(dict.fromkeys((*absent, *authority)))
            if proof is not None:
                if proof.absence is Absence.TYPE and rcode == RCODE_NXDOMAIN:
                    if proof.is_opt_out and not proof.is_too_costly:
                        # That there is no wildcard is to be shown too (RFC 5155 section 8.4).
                        text = f"nothing proves that {name_text(target)} does not exist"
                        raise _Refused(ErrorCode.NSEC_MISSING, text)
                    rcode = RCODE_NOERROR
                if not proof.is_opt_out:
                    denial_zone = trust.zone
        return Verdict(
            security,
            tuple(answer),
            authority,
            tuple(dict.fromkeys(self._errors)),
            rcode,
            denial_zone,
            self._is_wildcard,
            tuple(self._chain.steps),
        )

    # What there is.

    def _positive(self, held: Held, before: Held | None) -> Generator[Need, Claim | None, Held]:
        """Return *held*, which follows *before* in the answer, with its security."""
        if held.security in (Security.SECURE, Security.INSECURE):
            return held
        rrtype = held.rrset.rrtype
        if rrtype == RRSIG:
            return _with(held, Security.INSECURE)  # signatures are not signed
        if _follows_from_dname(held, before):
            assert before is not None
            return _with(held, before.security)
        is_of_parent = rrtype == DS and held.owner != ROOT
        signer = signer_of(held, is_of_parent=is_of_parent, preferred=self._claim.zone)
        trust = yield from self._trust(signer, held.owner, is_of_parent)
        if trust.security is Security.INSECURE:
            return _with(held, Security.INSECURE)
        what = f"{name_text(held.owner)} {type_text(rrtype)}"
        if signer is None:
            raise _Refused(ErrorCode.RRSIGS_MISSING, f"{what} is not signed")
        checked = yield from self._chain.check(held, trust)
        if checked.held is None:
            raise _Refused(checked.error, f"{what}: no good signature")
        if checked.wildcard is None:
            return checked.held
        return (yield from self._expanded(checked.held, checked.wildcard, trust))

    def _expanded(
        self, held: Held, wildcard: WireName, trust: Trust
    ) -> Generator[Need, Claim | None, Held]:
        """Return an RRset that was made from *wildcard*, if no closer name can exist."""
        proofs = yield from self._proofs_of(trust)
        proof = proofs.wildcard(held.owner, wildcard, self._chain.budget)
        if proof is None:
            text = f"nothing proves that {name_text(held.owner)} does not exist itself"
            raise _Refused(self._unproved(proofs), text)
        if held.rrset.rrtype == DNAME:
            # What lies below a wildcard is not there to be redirected (RFC 4592 section 4.4).
            raise _Refused(ErrorCode.BOGUS, f"the DNAME at {name_text(held.owner)} is a wildcard's")
        self._is_wildcard = True
        self._beside.extend(proofs.held)
        self._note(proof, trust)
        if proof.is_opt_out:
            return _with(held, Security.INSECURE)
        self.wildcards.append((trust.zone, wildcard, held))
        return held

    def _delegation_beside(self, target: WireName) -> Generator[Need, Claim | None, None]:
        """Take note of the proof, beside an alias, that its *target* lies below an insecure
        delegation: a server of both zones may never tell again."""
        signer = signer_of_proofs(self._claim.authority, target)
        trust = self._chain.known(signer) if signer is not None else None
        if trust is None or trust.security is not Security.SECURE:
            return
        proofs = yield from self._proofs_of(trust)
        if self._chain.note_delegation(target, proofs):
            self._beside.extend(proofs.held)

    # What there is not.

    def _negative(
        self, target: WireName
    ) -> Generator[Need, Claim | None, tuple[Trust, Proof | None, tuple[Held, ...]]]:
        """Return what is known of the zone, the proof (None if insecure), and its records."""
        claim, chain = self._claim, self._chain
        qtype = claim.question.qtype
        is_of_parent = qtype == DS and target != ROOT
        signer = signer_of_proofs(claim.authority, target, is_of_parent=is_of_parent)
        trust = yield from self._trust(signer, target, is_of_parent)
        if trust.security is Security.INSECURE:
            return trust, None, tuple(_with(held, Security.INSECURE) for held in claim.authority)
        what = f"{name_text(target)} {type_text(qtype)}"
        if signer is None:
            raise _Refused(ErrorCode.RRSIGS_MISSING, f"nothing proves the absence of {what}")
        soa = [held for held in claim.authority if held.rrset.rrtype == SOA]
        kept: list[Held] = []
        for held in soa[:1]:
            checked = yield from chain.check(held, trust)
            if checked.held is None or held.owner != trust.zone:
                raise _Refused(checked.error, f"the SOA with the absence of {what} is not good")
            kept.append(checked.held)
        proofs = yield from self._proofs_of(trust)
        proof = proofs.absence(target, qtype, chain.budget)
        if proof is None:
            raise _Refused(self._unproved(proofs), f"nothing proves the absence of {what}")
        is_of_name = proof.absence is Absence.NAME or proof.is_too_costly
        if claim.rcode == RCODE_NXDOMAIN and not is_of_name and proof.is_opt_out:
            # There may be a wildcard, of which the record was left out.
            raise _Refused(ErrorCode.BOGUS, f"nothing proves that {name_text(target)} is not there")
        self._note(proof, trust)
        return trust, proof, (*kept, *proofs.held)

    # What both need.

    def _trust(
        self, signer: WireName | None, name: WireName, is_of_parent: bool
    ) -> Generator[Need, Claim | None, Trust]:
        """Return what is known of the zone that speaks of *name*, SECURE or INSECURE."""
        if signer is not None:
            trust = yield from self._chain.trust_in(signer, is_claimed=True)
        else:
            held_by, hint = parent(name) if is_of_parent else name, self._claim.zone
            trust = yield from self._chain.enclosing(held_by, hint)
        if trust.security is Security.BOGUS:
            error = trust.error
            assert error is not None
            raise _Refused(error.code, error.text)
        if trust.security is Security.INSECURE and trust.error is not None:
            self._errors.append(trust.error)
        return trust

    def _proofs_of(self, trust: Trust) -> Generator[Need, Claim | None, Proofs]:
        found = self._proofs.get(trust.zone)
        if found is None:
            found = yield from self._chain.check_proofs(self._claim.authority, trust)
            self._proofs[trust.zone] = found
        return found

    def _unproved(self, proofs: Proofs) -> ErrorCode:
        """Return what to say where nothing proves an absence: no proof came, or none that does."""
        if proofs.error is not None:
            return proofs.error
        if any(held.rrset.rrtype in (NSEC, NSEC3) for held in self._claim.authority):
            return ErrorCode.BOGUS
        return ErrorCode.NSEC_MISSING

    def _note(self, proof: Proof, trust: Trust) -> None:
        if proof.is_too_costly:
            code, text = ErrorCode.UNSUPPORTED_NSEC3_ITERATIONS, name_text(trust.zone)
            self._errors.append(ExtendedError(code, text))


def _denied_name(claim: Claim) -> WireName | None:
    """Return the name of which *claim* says that there is nothing (of the type), None for none."""
    if claim.answer and (claim.is_open or claim.rcode == RCODE_YXDOMAIN):
        return None
    name, qtype = _end_of_aliases(claim), claim.question.qtype
    for held in claim.answer:
        if held.owner == name and (held.rrset.rrtype == qtype or qtype == ANY):
            return None
    return name


def _end_of_aliases(claim: Claim) -> WireName:
    """Return the name at which the alias chain of *claim* ends."""
    name, qtype = claim.question.qname, claim.question.qtype
    for held in claim.answer:
        if held.owner == name and held.rrset.rrtype == CNAME and qtype not in (CNAME, ANY):
            name = first_name(held.rrset.rdatas[0])
    return name


def _follows_from_dname(held: Held, before: Held | None) -> bool:
    """Return whether *held* is the CNAME that the DNAME *before* it makes (RFC 6672 section 5.3).

    One with signatures of its own, or with another target, is judged as any RRset is.
    """
    if before is None or before.rrset.rrtype != DNAME or held.rrset.rrtype != CNAME:
        return False
    owner, made = before.owner, held.owner
    if held.rrset.signatures or made == owner or not is_subdomain(made, owner):
        return False
    target = made[: len(made) - len(owner)] + first_name(before.rrset.rdatas[0])
    return held.rrset.rdatas == (target,)


def _security_of(trust: Trust, proof: Proof | None) -> Security:
    if proof is None or proof.is_opt_out:
        return Security.INSECURE
    return trust.security


def _with(held: Held, security: Security) -> Held:
    return msgspec.structs.replace(held, security=security)
