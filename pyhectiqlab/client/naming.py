"""Names for runs that get none: an adjective, a noun and a number. All ranks of a job make up the same one."""

from __future__ import annotations

import hashlib
import os
import re

from ..base.texts import counted
from ..capture.launcher import Place, launchers_job


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words(
    "amber ample azure bold brave brisk bright broad calm candid clean clear clever cosy crisp curious daring deft "
    "dewy eager early easy fair famous fancy fast fond frank fresh gentle glad golden good grand green happy hardy "
    "honest humble jolly keen kind large lively loyal lucky mellow merry mild misty modest neat nimble noble patient "
    "plain polite proud quick quiet rapid ready robust rosy royal sandy serene sharp shiny silent silver simple sleek "
    "smooth snowy solar solid spry steady still strong subtle sunny sure swift tidy tranquil true upbeat valiant vast "
    "velvet vivid warm wise witty young"
)
NOUNS = _words(
    "acorn alder anchor arrow aspen aurora badger bay beacon bear birch bison breeze bridge brook canyon cedar cliff "
    "cloud comet coral cove crane creek dawn delta dolphin dune eagle ember falcon fern field finch fjord forest fox "
    "garden geyser glacier grove gull harbor hare hawk hazel heron hill holly island ivy juniper kite lagoon lake lark "
    "leaf lily linden lynx maple marsh meadow meteor moon moss oak ocean olive orchid osprey otter owl panda peak "
    "pearl pebble pine planet plover pond poplar prairie puffin quartz rain raven reef ridge river robin sail sequoia "
    "shore sky sparrow spring star stone stream summit swan thistle tide trail valley violet wave willow wind wolf wren"
)


_MADE_UP = re.compile(r"[a-z]+-[a-z]+-\d{5}")


def name_of(seed: bytes) -> str:
    """Return a name, the same for the same seed: one of some 900 million."""
    number = int.from_bytes(hashlib.sha256(seed).digest(), "big")
    number, adjective = divmod(number, len(ADJECTIVES))
    number, noun = divmod(number, len(NOUNS))
    return f"{ADJECTIVES[adjective]}-{NOUNS[noun]}-{10_000 + number % 90_000}"


def random_name() -> str:
    return name_of(os.urandom(16))


def is_made_up(name: str) -> bool:
    """Return whether nobody has chosen a name."""
    return _MADE_UP.fullmatch(name) is not None


def other_name(name: str) -> str:
    """Return another name, where a run of the project has this one: made up anew, or with a number added."""
    if is_made_up(name):
        return random_name()
    return f"{name}-{10_000 + int.from_bytes(os.urandom(4), 'big') % 90_000}"


def name_for(place: Place) -> tuple[str, bool]:
    """Return (a name for a run, whether it is this process's alone). The ranks of a job get the same name, also when
    their launcher starts them again. Raises ValueError if nothing tells one job from another.
    """
    if place.world_size <= 1:
        return random_name(), True
    job = launchers_job()
    if job is None:
        raise ValueError(
            f"a job of {counted(place.world_size, 'rank')} needs a name that all of them give: Run('my-run', …). "
            "Nothing in the environment tells this job from others, so they would not find the same one by themselves."
        )
    return name_of(f"{os.getuid()}/{job}".encode()), False
