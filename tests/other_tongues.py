"""Other tongues: a language in which every letter of ours is foreign, so that whatever was not said shows."""

from __future__ import annotations

import re
from gettext import NullTranslations
from io import BytesIO

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po

from account_health.language import Language

_WIDE = {ord(letter): ord(letter) + 0xFEE0 for letter in "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_KEPT = re.compile(r"(\{[^}]*\}|`[^`]*`)")
_WORD = re.compile(r"[A-Za-z]{2,}")
_SPAN = re.compile(r"(`+)(?:(?!\1).)+?\1")


class Wide(NullTranslations):
    """Every text in wide letters; placeholders and what stands between backticks stay."""

    def gettext(self, message: str) -> str:
        """The text in wide letters."""
        return "".join(part if at % 2 else part.translate(_WIDE) for at, part in enumerate(_KEPT.split(message)))

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        """The form for the number, in wide letters."""
        return self.gettext(msgid1 if n == 1 else msgid2)

    def pgettext(self, context: str, message: str) -> str:  # noqa: ARG002 - the base class names it
        """The word in wide letters."""
        return self.gettext(message)


WIDE = Language("wide", Wide())


def wide_catalogue(catalogue: bytes, code: str) -> bytes:
    """A catalogue of a language with one form, whose every text is in wide letters, of the texts of another one."""
    wide, made = Wide(), Catalog(locale=code)
    for message in read_po(BytesIO(catalogue)):
        ids = message.id if isinstance(message.id, (tuple, list)) else (message.id,)
        if message.id:
            said = wide.gettext(str(ids[-1]))
            made.add(message.id, (said,) if len(ids) > 1 else said, context=message.context)
    out = BytesIO()
    write_po(out, made)
    return out.getvalue()


def unsaid(text: str, *outside: str) -> list[str]:
    """The words in plain letters that stand outside code spans and are none of the texts from outside."""
    known = {word for name in outside for word in _WORD.findall(name)}
    return [word for word in _WORD.findall(_SPAN.sub("", text)) if word not in known]
