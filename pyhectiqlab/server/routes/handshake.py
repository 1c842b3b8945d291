"""GET /handshake and /healthz: who this is, and whether it is well. No authentication."""

from __future__ import annotations

from fastapi import Response

from ..._version import __version__
from ...protocol import limits
from ..access.access import Anybody, TheLab
from ..http.replies import reply
from ..models import models
from .common import ApiRouter

router = ApiRouter(tags=["lab"])


@router.get("/handshake", dependencies=[Anybody], response_model=models.HandshakeAnswer)
async def handshake(lab: TheLab) -> Response:
    """Say which protocol versions this lab speaks, which lab it is, and which life of its data this is."""
    return reply(
        {
            "lab": "hectiqlab",
            "version": __version__,
            "protocol": {"min": limits.PROTOCOL_MIN, "max": limits.PROTOCOL_VERSION},
            "lab_id": lab.lab_id,
            "generation": lab.generation,
            "sso": None if lab.sso is None else {"label": lab.sso.options.name, "only": lab.sso.options.only_sso},
        }
    )
