"""`hectiqlab mcp`: runs for assistants, by the Model Context Protocol over stdin and stdout."""

from __future__ import annotations

import functools
import importlib
import os
import tempfile
from collections.abc import Callable
from typing import Any

import click

from ..base.installing import install_advice

_INSTRUCTIONS = (
    "Experiments that were logged to a lab of pyhectiqlab: runs with config, metrics, logs and media. Begin with "
    "list_projects or search_runs. Nothing can be changed."
)


@click.command("mcp", short_help="Serve runs to an assistant, by the Model Context Protocol.")
@click.pass_obj
def command(profile: str | None) -> None:
    """Serve runs over stdin and stdout to a program that speaks the Model Context Protocol and starts this command.

    Its tools search runs, read configs, curves, logs, differences and media, and answer SQL queries. They have the
    rights of your key, and change nothing. It needs the package mcp.
    """
    server_class, image_class = _classes()
    if profile is not None:
        os.environ["HECTIQLAB_PROFILE"] = profile  # the tools use the profile that this names
    from ..read.tools import TOOLS

    server = server_class("hectiqlab", instructions=_INSTRUCTIONS)
    for tool in TOOLS:
        server.tool(structured_output=False)(_served(tool, image_class))
    server.run("stdio")


def _classes() -> tuple[Any, Any]:
    """Return the classes of a server and of an image, whose names changed with mcp 2. Raises ClickException."""
    for module, server in (("mcp.server.mcpserver", "MCPServer"), ("mcp.server.fastmcp", "FastMCP")):
        try:
            loaded = importlib.import_module(module)
            return getattr(loaded, server), loaded.Image
        except (ImportError, AttributeError):
            continue
    raise click.ClickException(f"This needs the package mcp: {install_advice('mcp')}")


def _served(tool: Callable[..., Any], image_class: Any) -> Callable[..., Any]:
    """Return the tool with images as images, and errors as texts that say what to do."""
    from ..read.artifacts import Artifact
    from ..read.tools import FAILURES, IMAGE_BYTES_MAX

    @functools.wraps(tool)
    def served(*args: Any, **more: Any) -> Any:
        try:
            answer = tool(*args, **more)
            if not isinstance(answer, Artifact):
                return answer
            ending = answer.name.rpartition(".")[2].lower()
            if answer.bytes > IMAGE_BYTES_MAX or ending not in ("png", "jpg", "jpeg", "gif", "webp"):
                return {"name": answer.name, "bytes": answer.bytes, "url": answer.url}
            with tempfile.TemporaryDirectory() as folder:
                data = answer.download(folder).read_bytes()
            return image_class(data=data, format="jpeg" if ending == "jpg" else ending)
        except FAILURES as e:
            return f"Error: {e}"

    return served
