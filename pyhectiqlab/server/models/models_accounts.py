"""The JSON of users, invites, members of projects and the audit log."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field

from ...protocol import limits
from ...protocol.usernames import new_username
from ...store import retention
from .models import Body, KeyScope, Name, NewKeyAnswer, NewName, ProjectRole

GivenRole = ProjectRole  # in the lab: nobody is made its owner
KEY_DAYS_MAX = 3650
Password = Annotated[str, Field(max_length=1024)]
Username = Annotated[Name, AfterValidator(new_username)]


class ObjectiveBody(Body):
    key: Annotated[str, Field(min_length=1, max_length=limits.KEY_BYTES_MAX)]
    goal: Literal["min", "max"]


class PasswordBody(Body):
    password: Password
    current: Password | None = Field(None, description="The password until now; not asked for where there is none.")


class KeyBody(Body):
    name: Name
    days: Annotated[int, Field(ge=1, le=KEY_DAYS_MAX)] | None = Field(
        None, description="How long it works; null: ever."
    )
    scope: KeyScope = Field("all", description="metrics: it reads the lab's metrics, and nothing else; for admins.")


class UserBody(Body):
    """A person, who has a password; or, with `service`, a program, which has keys alone."""

    username: Username
    password: Password | None = None
    role: GivenRole = "member"
    service: bool = False


class UserChangeBody(Body):
    role: GivenRole | None = None
    disabled: bool | None = None
    password: Password | None = Field(None, description="A new one, which ends the user's web sessions.")


class ServiceKeyBody(Body):
    name: Name
    days: Annotated[int, Field(ge=1, le=KEY_DAYS_MAX)] | None = Field(
        None, description="How long it works; null: ever."
    )
    scope: KeyScope = Field("all", description="metrics: it reads the lab's metrics, and nothing else.")


class HandOverBody(Body):
    to: Annotated[str, Field(max_length=512, description="A username.")]
    projects: bool = Field(False, description="The projects that the user owns, too.")


class CommandLoginBody(Body):
    name: Name = Field(description="What the key will be called, such as ada@machine.")


class CommandLoginSecret(Body):
    secret: Annotated[str, Field(max_length=256)]


class CommandLoginChoice(Body):
    allow: bool


class NewCommandLogin(BaseModel):
    code: str
    secret: str
    url: str = Field(description="Where people confirm the code.")
    interval: float
    expires_in: float


class CommandLoginAnswer(BaseModel):
    code: str
    name: str
    address: str
    created: float


class CommandLoginState(BaseModel):
    state: Literal["waiting", "granted"]
    username: str | None
    key: NewKeyAnswer | None


class SsoLinkBody(Body):
    subject: Annotated[str, Field(min_length=1, max_length=255)]


class SsoLinkAnswer(BaseModel):
    username: str
    issuer: str
    subject: str


class InviteBody(Body):
    role: GivenRole = "member"


class AcceptBody(Body):
    token: Annotated[str, Field(max_length=256)]
    username: Username
    password: Password


class ProjectChangeBody(Body):
    """What is left out stays as it is."""

    name: NewName | None = None
    private: bool | None = None
    archived: bool | None = None
    owner: Annotated[str, Field(max_length=512)] | None = Field(
        None, description="A username. Only its owner, or an admin of the lab, gives a project away."
    )


class RetentionBody(Body):
    """What is left out is as the lab has it; null: for ever, or any number."""

    runs_days: Annotated[int, Field(ge=1, le=retention.DAYS_MAX)] | None = None
    versions_max: Annotated[int, Field(ge=1, le=retention.VERSIONS_MAX)] | None = None
    versions_days: Annotated[int, Field(ge=1, le=retention.DAYS_MAX)] | None = None
    keep_tag: Annotated[str, Field(min_length=1, max_length=retention.TAG_CHARS_MAX)] = retention.Rule.keep_tag


class MemberBody(Body):
    role: ProjectRole


class HandedOverAnswer(BaseModel):
    runs: int
    live: int = Field(description="Runs that stay, as they are going on.")
    kept_out: int = Field(description="Runs that stay, as the other user may not add to their projects.")
    projects: int


class InviteAnswer(BaseModel):
    id: str
    role: GivenRole
    created: float
    created_by: str
    expires: float


class NewInviteAnswer(InviteAnswer):
    token: str
    url: str


class Invites(BaseModel):
    items: list[InviteAnswer]
    next: None


class MemberAnswer(BaseModel):
    id: str
    username: str
    role: ProjectRole
    disabled: bool


class Members(BaseModel):
    items: list[MemberAnswer]
    next: None


class ChangeAnswer(BaseModel):
    at: float
    who: str
    via: str
    address: str
    action: str
    subject: str
    detail: str


class Changes(BaseModel):
    items: list[ChangeAnswer]
    next: str | None
