"""Proposals that wait for a person, and decisions on them."""

import logging
from dataclasses import asdict

from fastapi import APIRouter
from pydantic import JsonValue

from controller.engine.journal.changes import change_of
from service.loops.states import State
from service.requests.errors import Conflict, Unknown
from service.requests.service import Service, Wish
from service.runs.rounds import rounds_of
from service.store import loops
from service.store.database import Database
from service.store.loops import Loop
from service.web.api.models import DecisionRecord, NewDecision, ProposalBounds, ProposalDetails, ProposalRecord
from service.web.plain import plain, plain_json
from service.web.who import Asking

log = logging.getLogger(__name__)


def routes(service: Service, database: Database) -> APIRouter:
    router = APIRouter(prefix="/api/v1")

    @router.get("/proposals")
    def all_proposals() -> list[ProposalRecord]:
        """What waits for a decision, that of the latest loop first."""
        return [found for loop in loops.listed(database, [State.WAITING], None) if (found := _waiting(loop))]

    @router.get("/loops/{loop_id}/proposal")
    def proposal(loop_id: str) -> ProposalDetails:
        """What a loop waits with, and what there is to read before deciding."""
        loop = service.loop(loop_id)
        found = _proposal(loop)
        if found is None:
            raise Unknown(f"no proposal of loop {loop.id} waits for a decision")
        rounds = dict(rounds_of(service.result(loop)))
        told = rounds.get(found.round, {})
        plan, approval = _part(told.get("plan")), _part(told.get("approval"))
        return ProposalDetails(**found.model_dump(), plan=plan, approval=approval)

    @router.post("/loops/{loop_id}/decision")
    def decide(loop_id: str, asked: NewDecision, who: Asking) -> DecisionRecord:
        """Approve or reject the proposal of this round and hash; the same decision once more changes nothing."""
        change = change_of(asked.leave_out, asked.scale)
        wish = Wish(asked.decision, asked.round, asked.proposal, asked.why, change)
        decided = service.decide(loop_id, wish, who.name)
        answer = {key: plain_json(value) for key, value in asdict(decided.answer).items()}
        return DecisionRecord(loop=loop_id, **answer, is_new=decided.is_new)

    def _proposal(loop: Loop) -> ProposalRecord | None:
        asked = service.proposal(loop)
        if asked is None:
            return None
        return ProposalRecord(
            loop=loop.id,
            round=asked.round,
            proposal=plain(asked.proposal),
            summary=plain(asked.summary),
            time=plain(asked.time),
            changeable=ProposalBounds(**plain_json(asdict(asked.changeable))),
        )

    def _waiting(loop: Loop) -> ProposalRecord | None:
        """One whose files are wrong hides no other."""
        try:
            return _proposal(loop)
        except (Conflict, ValueError) as error:
            log.warning("%s: %s", loop.id, error)
            return None

    return router


def _part(value: object) -> dict[str, JsonValue] | None:
    told: dict[str, JsonValue] | None = plain_json(value) if isinstance(value, dict) else None
    return told
