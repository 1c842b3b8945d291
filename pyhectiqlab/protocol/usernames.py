"""Names of users: which may be taken, and when two of them are the same or look it. No I/O.

A name is kept as it was given. It belongs to one user however it is written: in capitals or not, with composed or
compatible characters, with one space or several (`folded`: NFKC and case folding, as PRECIS says for usernames). Nobody
can take a name that could be read as somebody else's (`skeleton`, after UTS 39): letters that look like those of
another script, `I`, `l` and `1`, `O` and `0`, `rn` and `m`. For the same reason a new name has letters of one script
(Latin may go with Chinese, Japanese or Korean), and no hidden characters.
"""

from __future__ import annotations

import unicodedata

_SIGNS = frozenset(" !#$%&'()*+,-.=@^_`{|}~")
_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC"})
_INVISIBLE = frozenset({0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0})
# Letters by their looks: Cyrillic, Greek, Armenian, Cherokee and rare Latin letters → ASCII. Capitals and small letters
# are apart, as a capital may look like a letter that its small form does not (Η and H, η and n).
_LOOKS = str.maketrans(
    "АВЕЅІЈКМНОРСТУХԌԚԜҮѴЗӀаеѕіјоорсухԁԛԝүѵһӏгкмтвн"
    "ΑΒΕΖΗΙΚΜΝΟΡΤΥΧανορτυχικϲϳ"
    "ՕՍԼոսօցհզՏ"
    "ᎪᏴᏟᎠᎬᎳᎻᎫᏦᏞᎷᏢᎡᏚᎢᏙ"
    "ıɑɡɩƖƽɪɴʀʟʙʜɢʏᴀᴄᴅᴇᴊᴋᴍᴏᴘꜱᴛᴜᴠᴡᴢſ",
    "ABESIJKMHOPCTYXGQWYV3laesijoopcyxdqwyvhlrkmtbh"
    "ABEZHIKMNOPTYXavoptuxikcj"
    "OULnuoghqS"
    "ABCDEWHJKLMPRSTV"
    "iagiIsInRLBHGYACDEJKMOPSTUVWZs",
)
_ALIKE = str.maketrans("I1|O0", "lllo" + "o")


def folded(name: str) -> str:
    """Return a form of the name that is the same for every way to write it."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return " ".join("".join(c for c in text if not _is_invisible(c)).split())


def skeleton(name: str) -> str:
    """Return a form of the name that is the same for names that look the same."""
    seen = unicodedata.normalize("NFKC", name).translate(_LOOKS)
    return folded(seen.translate(_ALIKE)).replace("rn", "m")


def new_username(text: str) -> str:
    """Return `text` as a new user's name (composed, NFC). Raises ValueError, which says what is wrong."""
    name = unicodedata.normalize("NFC", text)
    if name != " ".join(name.split()) or not name:
        raise ValueError("without spaces around it, and with one between words")
    if ":" in name:
        raise ValueError("without a colon, which ends it in HTTP Basic")
    if name in {".", ".."} or any(not (c in _SIGNS or _is_letter_or_digit(c)) for c in name):
        raise ValueError("of letters, digits and signs such as . - _ @ alone")
    if unicodedata.normalize("NFKC", name) != name:
        raise ValueError("of plain letters: some of these are variants of others")
    scripts = {_script(c) for c in name if unicodedata.category(c)[0] == "L"}
    if len(scripts - {"LATIN"} if "EAST ASIAN" in scripts else scripts) > 1:
        raise ValueError("of letters of one script: mixed ones are taken for others")
    return name


def _is_invisible(c: str) -> bool:
    at = ord(c)
    variants = 0xFE00 <= at <= 0xFE0F or 0x180B <= at <= 0x180F or 0xE0100 <= at <= 0xE01EF
    return at in _INVISIBLE or variants or unicodedata.category(c) == "Cf"


def _is_letter_or_digit(c: str) -> bool:
    return unicodedata.category(c) in {"Lu", "Ll", "Lt", "Lo", "Mn", "Mc", "Nd"} and not _is_invisible(c)


def _script(c: str) -> str:
    word = unicodedata.name(c, "UNKNOWN").split()[0]
    return "EAST ASIAN" if word in _EAST_ASIAN else word
