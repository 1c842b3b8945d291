"""The JSON of saved views, as models; see models.py."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from .models import Body, List, NewName, Seconds


class ViewBody(Body):
    name: NewName
    document: dict[str, Any] = Field(
        description="What the view is: any JSON object of at most 131,072 characters. The lab keeps it as it is and "
        "does not look into it."
    )
    shared: bool = Field(False, description="Everybody who can see the project sees it; else its author alone does.")


class NewViewBody(ViewBody):
    created: Seconds | None = Field(None, description="By the client's clock, as an import tells it; null: now.")
    changed: Seconds | None = Field(None, description="Likewise; null: as `created`.")


class ViewChangeBody(ViewBody):
    version: Annotated[int, Field(ge=1)] = Field(description="The version that it is changed from.")


class ViewAnswer(BaseModel):
    id: str
    name: str
    author: str
    shared: bool
    version: int = Field(description="1, and one more with each change.")
    created: float
    changed: float
    own: bool = Field(description="Whether the caller made it.")
    can_change: bool = Field(description="Whether the caller may change and delete it.")
    chars: int = Field(description="Of its document.")
    document: dict[str, Any] | None = Field(description="null in a list, unless it was asked for.")


class Views(List):
    items: list[ViewAnswer]
