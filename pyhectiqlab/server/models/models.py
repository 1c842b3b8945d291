"""The JSON that goes in and out, as models: what comes in is checked by them, what goes out is documented by them.

Answers are not validated again on their way out (a page of points would cost more to check than to read);
tests/server/test_openapi.py holds real answers to these models instead.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ...protocol.names import new_name, shown_name

INT32_MAX = (1 << 31) - 1
INT64_MAX = (1 << 63) - 1


def name_checked(text: str) -> str:
    return shown_name("name", text)


Name = Annotated[str, AfterValidator(name_checked)]
NewName = Annotated[str, AfterValidator(partial(new_name, "name"))]
Id = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,64}$")]
Rank = Annotated[int, Field(ge=0, le=INT32_MAX)]
Attempt = Annotated[int, Field(ge=1, le=INT32_MAX)]
Seconds = Annotated[float, Field(allow_inf_nan=False, ge=-1e12, le=1e12)]
Number = float | Literal["NaN", "Infinity", "-Infinity"]
LabRole = Literal["viewer", "member", "admin", "owner"]
ProjectRole = Literal["viewer", "member", "admin"]


def _breathe(item: Any) -> Any:
    """Return the item. No other thread runs while C code checks a list, unless it calls Python for each item."""
    return item


BREATHE = AfterValidator(_breathe)  # on the items of long lists


class Body(BaseModel):
    """A body that comes in: strict about types. Fields that this version does not know are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore")


class LoginBody(Body):
    username: Annotated[str, Field(max_length=512)]
    password: Annotated[str, Field(max_length=1024)]


class NameBody(Body):
    name: NewName


class NewProjectBody(NameBody):
    created: Seconds | None = Field(None, description="By the client's clock, as an import tells it; null: now.")


# Answers


class Problem(BaseModel):
    code: str
    message: str
    status: int
    ids: list[str] | None = None


class ErrorAnswer(BaseModel):
    error: Problem


class ProtocolRange(BaseModel):
    min: int
    max: int


class SsoAnswer(BaseModel):
    label: str = Field(description="What people call the provider.")
    only: bool = Field(description="Whether nobody but admins logs in by a password.")


class HandshakeAnswer(BaseModel):
    lab: Literal["hectiqlab"]
    version: str
    protocol: ProtocolRange
    lab_id: str
    generation: str
    sso: SsoAnswer | None = Field(description="Single sign-on, at GET /sso/login; null: none.")


class UserAnswer(BaseModel):
    id: str
    username: str
    role: LabRole
    disabled: bool
    service: bool = Field(description="A program's account: it has API keys, and no other way in.")
    last_seen: float | None = Field(description="To the minute. null: never yet, or the caller is not an admin.")
    sso: str | None = Field(
        None,
        description="What the provider of single sign-on calls them (`sub`), in the list of users. null: they do not "
        "log in there, or the caller is not an admin.",
    )


class LogoutAnswer(BaseModel):
    next: str | None = Field(description="Where a browser goes to log out of the provider of single sign-on too.")


class LoginAnswer(BaseModel):
    user: UserAnswer
    csrf: str | None
    alerts: list[str] = Field(description="What an admin of the lab should see to, a sentence each; of others empty.")


KeyScope = Literal["all", "metrics"]


class KeyAnswer(BaseModel):
    id: str
    name: str
    created: float
    expires: float | None
    last_used: float | None
    scope: KeyScope = Field(description="all: what its user may; metrics: to read the lab's metrics, and nothing else.")


class NewKeyAnswer(KeyAnswer):
    key: str


class ProjectRef(BaseModel):
    id: str
    name: str


class ObjectiveAnswer(BaseModel):
    key: str
    goal: Literal["min", "max"] = Field(description="Which of its values is the best.")


class ProjectAnswer(ProjectRef):
    created: float
    runs: int
    last_activity: float | None
    private: bool
    role: ProjectRole = Field(description="What the caller is in it.")
    owner: str
    archived: float | None = Field(description="Since when it takes no new runs, and is in no lists.")
    deleted: float | None = Field(description="It can be restored for 7 days from then on.")
    former_names: list[str] = Field(description="Names that it had, which lead to it.")
    objective: ObjectiveAnswer | None = Field(description="The metric that its runs are compared by.")


class RetentionAnswer(BaseModel):
    """null: for ever, or any number."""

    runs_days: int | None = Field(description="A run is deleted so many days after its last sign of life.")
    versions_max: int | None = Field(description="Of an artifact, the newest so many versions stay.")
    versions_days: int | None = Field(description="Its earlier versions are removed once they are so many days old.")
    keep_tag: str = Field(description="From a run with this tag nothing is taken.")
    own: list[str] = Field(description="What the project has set for itself; all else is as the lab has it.")


class ProjectDetailAnswer(ProjectAnswer):
    file_bytes: int  # each file counted once
    quota: int | None  # bytes that its files may take; null: any
    retention: RetentionAnswer


class IngestResult(BaseModel):
    writer: str
    status: int
    cursor: int
    error: str | None = None


class IngestAnswer(BaseModel):
    v: int
    generation: str
    start: str
    results: list[IngestResult]


class Empty(BaseModel):
    pass


class List(BaseModel):
    next: str | None


class Keys(List):
    items: list[KeyAnswer]


class Users(List):
    items: list[UserAnswer]


class Projects(List):
    items: list[ProjectAnswer]
