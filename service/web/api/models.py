"""What is said and asked over HTTP."""

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, JsonValue
from pydantic import Field as Rule

from controller.engine.journal.approvals import Decision
from service.loops.recipes import NAME
from service.loops.states import State
from service.web.security.roles import Role


class Said(BaseModel):
    """An answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Asked(BaseModel):
    """The body of a request; a field that is unknown, or of another type, is refused before anything is done."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class RefusalDetails(Said):
    """What was refused, and why."""

    code: str
    message: str
    """What is wrong and what would be right, in a sentence."""


class Refusal(Said):
    """The body of every refusal."""

    error: RefusalDetails


def _whole(value: object) -> object:
    """A number without a fraction is an integer, however JSON writes it."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Days = Annotated[int, Rule(ge=1, le=3650), BeforeValidator(_whole)]
ActionPlace = Annotated[int, Rule(ge=0, le=1_000), BeforeValidator(_whole)]
RoundNumber = Annotated[int, Rule(ge=0, le=1_000_000), BeforeValidator(_whole)]
Name = Annotated[str, Rule(pattern=f"^{NAME}$")]


class Health(Said):
    """That the server lives, and how much it has to do."""

    server: str
    num_running: int
    """Loops that run, on all servers of the home."""
    num_queued: int


class Me(Said):
    """Who is signed in."""

    name: str
    role: Role
    csrf_token: str | None
    """What changes bring in the header x-csrf-token; null where a token came with the request."""


class NewToken(Asked):
    """A token to be given."""

    name: Name
    """Name of the person or program."""
    role: Annotated[Role, Rule(strict=False)]
    days: Days | None = None
    """Days after which it ends; null where it does not by itself."""


class TokenRecord(Said):
    """A token, without its text."""

    id: str
    name: str
    role: Role
    created: float
    expires: float | None
    is_link: bool
    """Whether it is the link of a server, with which it ends."""


class GivenToken(TokenRecord):
    """A token that was just given."""

    text: str
    """Its text, which is told once and kept nowhere."""


class FieldRecord(Said):
    """A field that a recipe opens."""

    type: str
    min: float | None
    max: float | None
    choices: tuple[str, ...]
    about: str


class RecipeRecord(Said):
    """What may be asked for."""

    name: str
    about: str
    fields: dict[str, FieldRecord]
    problem: str
    """What is wrong with the recipe's file; empty where it can be asked for."""


class NewLoop(Asked):
    """A loop to be put into the queue."""

    recipe: str = Rule(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    fields: dict[Annotated[str, Rule(max_length=64)], bool | int | float | str] = Rule({}, max_length=64)
    """Values of fields that the recipe opens."""


class NewSchedule(Asked):
    """A schedule of nights to be made."""

    name: str = Rule(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    recipe: str = Rule(pattern=r"^[a-z0-9][a-z0-9_-]{0,31}$")
    fields: dict[Annotated[str, Rule(max_length=64)], bool | int | float | str] = Rule({}, max_length=64)
    cron: str = Rule(max_length=100, pattern=r"^[0-9A-Za-z*/,#?-]+( +[0-9A-Za-z*/,#?-]+){4}$")
    """Five fields: minute, hour, day, month and day of the week."""
    zone: str = Rule("UTC", max_length=64, pattern=r"^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$")
    """Time zone that `cron` is meant in, as Europe/Berlin."""


class ScheduleRecord(Said):
    """A schedule of nights; times are Unix times in seconds."""

    name: str
    recipe: str
    fields: dict[str, JsonValue]
    cron: str
    zone: str
    is_on: bool
    created_by: str
    created: float
    next_due: float | None
    """Null while it is off."""


class StretchRecord(Said):
    """What one process of a loop did."""

    number: int
    server: str
    started: float
    ended: float | None
    code: int | None
    ending: str | None


class LoopRecord(Said):
    """A loop; times are Unix times in seconds."""

    id: str
    recipe: str
    fields: dict[str, JsonValue]
    submitted_by: str
    state: State
    is_to_cancel: bool
    """Whether its process has been asked to end."""
    created: float
    updated: float
    message: str
    """Last lines of its log where it failed."""
    schedule: str | None
    """Schedule that it is a night of."""
    run: dict[str, JsonValue] | None
    """Rounds, verdict, costs and stages under way, as the run directory has them: now for one loop, and in a list when
    it was last looked at; null before that."""


class LoopDetails(LoopRecord):
    """A loop, with its processes."""

    stretches: tuple[StretchRecord, ...]


class LoopPage(Said):
    """Some of the loops, the latest first."""

    loops: list[LoopRecord]
    num_loops: int
    """Number of all that match."""


class ProposalBounds(Said):
    """What an approval may take away from a proposal."""

    actions: tuple[str, ...]
    """Each of its actions in a line; at least one stays."""
    least_scale: float
    """Least factor of the draws that it takes; 1 where these cannot be fewer."""


class ProposalRecord(Said):
    """A proposal that waits for a decision."""

    loop: str
    round: int
    proposal: str
    """Hash of its content, which a decision names."""
    summary: str
    time: str
    """Time of the question in UTC, ISO 8601."""
    changeable: ProposalBounds
    """What of it an approval may take away."""


class ProposalDetails(ProposalRecord):
    """A proposal, with what there is to read before deciding."""

    plan: dict[str, JsonValue] | None
    """`rounds[].plan` of `loop.json`."""
    approval: dict[str, JsonValue] | None
    """`rounds[].approval` of `loop.json`: what would be trained, and the rows of each source before and after."""


class NewDecision(Asked):
    """A decision on one proposal."""

    decision: Decision
    round: RoundNumber
    proposal: str = Rule(pattern=r"^[0-9a-f]{8,64}$")
    """Hash of the proposal that it is for."""
    why: str = Rule("", max_length=2000)
    leave_out: Annotated[list[ActionPlace], Rule(max_length=64)] = Rule([])
    """Places of actions that an approval leaves out, of those in `changeable` of the proposal."""
    scale: float = Rule(1.0, gt=0, le=1)
    """Multiplies the draws that an approved proposal takes from the corpus's other rows, at least by `least_scale`."""


class ProposalChange(Said):
    """What an approval takes away."""

    leave_out: tuple[int, ...]
    scale: float


class DecisionRecord(Said):
    """A decision that stands."""

    loop: str
    round: int
    proposal: str
    decision: Decision
    by: str
    why: str
    time: str
    change: ProposalChange
    is_new: bool
    """Whether it was made now; false where it had been made before, and nothing was changed."""


class RowPage(Said):
    """Some rows: of a table, or findings."""

    rows: list[dict[str, JsonValue]]
    num_rows: int
    """Number of all that match."""


class ModelRecord(Said):
    """What a loop has ended with."""

    round: int
    arm: str


class ChangeRecord(Said):
    """A loop against the first one, on the items of a task."""

    task: str
    """`all` for all tasks together."""
    num_items: int
    first: float
    """Score of the first loop's model; `other` likewise."""
    other: float
    change: float
    ci: tuple[float, float]


class ComparedRecord(Said):
    """A loop against the first one."""

    loop: str
    model: ModelRecord
    changes: tuple[ChangeRecord, ...]


class LookedRecord(Said):
    """Looks of judgements at one set of items."""

    items: str
    """Hash of the items' ids."""
    purpose: str
    num_looks: int
    last: float
    """Unix time of the last, in seconds."""
    spent: float
    """Part of alpha that they have spent, in [0, 1]."""
    next_level: float
    """One-sided level of the next."""
