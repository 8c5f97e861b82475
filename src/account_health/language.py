"""Language: every sentence a person reads, said in the language that is being spoken.

Code is written in English, and the English text is the id of its translations: `say("{name} is not connected.",
name=...)`. Another language is a gettext catalogue, `languages/CODE.po`, and nothing else. What is spoken is a property
of the call: the edges (a tool, a command) say so with `speaking`, and everything below them, tasks and threads
included, says its sentences in that language. Ids, JSON keys and text from outside are never translated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from babel import Locale

ENGLISH = "en"
NOTHING: Mapping[str, object] = MappingProxyType({})
_FOLDER = Path(__file__).parent / "languages"


class UnknownLanguage(ValueError):  # noqa: N818 - UnknownLanguage says it all
    """There is no catalogue for a language; `known` are the codes there are."""

    def __init__(self, code: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no language {code!r}; there is {', '.join(known)}")
        self.known = known


@dataclass(frozen=True)
class Language:
    """A language: its code, its translations, and how it writes numbers and dates (None: as our own code does)."""

    code: str
    translations: NullTranslations
    locale: Locale | None = None


_ENGLISH = Language(ENGLISH, NullTranslations())
_SPOKEN: ContextVar[Language] = ContextVar("language", default=_ENGLISH)


def spoken() -> Language:
    """The language that is being spoken."""
    return _SPOKEN.get()


@contextmanager
def speaking(what: str | Language) -> Iterator[None]:
    """Within it everything is said in this language, by its code or itself; empty: in the one that is spoken already.

    Raises UnknownLanguage for a code without a catalogue.
    """
    token = _SPOKEN.set((language(what) if isinstance(what, str) else what) if what else spoken())
    try:
        yield
    finally:
        _SPOKEN.reset(token)


def languages() -> tuple[str, ...]:
    """The codes of the languages there are, English first."""
    return (ENGLISH, *sorted(path.stem for path in _FOLDER.glob("*.po")))


@lru_cache(maxsize=16)
def language(code: str) -> Language:
    """The language of a code such as `fr` or `fr-CA`, which is French with Canada's numbers and dates."""
    known = languages()
    file = nearest(code, known)
    if file == ENGLISH:
        return _ENGLISH
    if not file:
        raise UnknownLanguage(code, known)
    return read(code, (_FOLDER / f"{file}.po").read_bytes())


def nearest(code: str, known: Iterable[str]) -> str:
    """The most particular of the known languages that a code belongs to, `pt_BR` before `pt`; empty if none does."""
    there = {name.lower(): name for name in known}
    parts = code.replace("-", "_").lower().split("_")
    found = ("_".join(parts[:length]) for length in range(len(parts), 0, -1))
    return next((there[name] for name in found if name in there), "")


def read(code: str, catalogue: bytes) -> Language:
    """The language of a gettext catalogue (the bytes of a .po file); raises UnknownLanguage for a code that is none.

    Babel is imported here, because English needs none of it.
    """
    from babel import Locale, UnknownLocaleError
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    try:
        locale = Locale.parse(code.replace("-", "_"))
    except (UnknownLocaleError, ValueError) as err:
        raise UnknownLanguage(code, languages()) from err
    compiled = BytesIO()
    write_mo(compiled, read_po(BytesIO(catalogue), locale=locale))
    compiled.seek(0)
    return Language(str(locale), GNUTranslations(compiled), locale)


class Said(str):
    """A sentence that knows how it was made, so that one that was kept can be said again in another language."""

    __slots__ = ("_code", "_many", "_number", "_one", "_values")
    _one: str
    _many: str
    _number: float
    _values: Mapping[str, object]
    _code: str

    @classmethod
    def of(cls, one: str, many: str = "", number: float = 1, values: Mapping[str, object] = NOTHING) -> Self:
        """The sentence in the language that is spoken."""
        text = phrase(one, many, number)
        said = cls(text.format_map({name: again(value) for name, value in values.items()}) if values else text)
        said._one, said._many, said._number, said._values = one, many, number, values
        said._code = spoken().code
        return said

    def again(self) -> str:
        """The same in the language that is spoken now."""
        return self if self._code == spoken().code else Said.of(self._one, self._many, self._number, self._values)


class _Dressed(Said):
    """A sentence in another form, e.g. as a quote."""

    __slots__ = ("_bare", "_dress")
    _bare: str
    _dress: Callable[[str], str]

    @classmethod
    def made(cls, text: Said, dress: Callable[[str], str]) -> Self:
        """The sentence as `dress` makes it."""
        said = cls(dress(text))
        said._bare, said._dress = text, dress
        return said

    def again(self) -> str:
        """The same form of what the sentence is now."""
        return dressed(retold(self._bare), self._dress)


def dressed(text: str, dress: Callable[[str], str]) -> str:
    """The text as `dress` makes it, which can be said again if the text can."""
    return _Dressed.made(text, dress) if isinstance(text, Said) else dress(text)


def say(text: str, /, **values: object) -> str:
    """The text in the language that is spoken, its placeholders filled: `say("No {table}", table=...)`.

    A text without a translation stays as it is. Without values nothing is filled in, so braces stand for themselves.
    """
    return Said.of(text, values=values)


def count(one: str, many: str, number: float, /, **values: object) -> str:
    """One of two texts by a number, or one of as many as the language has; `{n}` is the number, unless `n` is given."""
    return Said.of(one, many, number, {"n": number, **values})


def phrase(one: str, many: str = "", number: float = 1) -> str:
    """The translation of a text, its placeholders not filled; with `many` the form that goes with the number."""
    translations = spoken().translations
    if not many:
        return translations.gettext(one) if one else ""
    if spoken().locale is None:
        return translations.ngettext(one, many, 1 if number == 1 else 2)
    return translations.ngettext(one, many, int(abs(number)))


def word(context: str, text: str) -> str:
    """A word whose translation depends on where it stands: `word("severity", "high")`; empty stays empty."""
    return spoken().translations.pgettext(context, text) if text else ""


def together(*texts: str) -> str:
    """Sentences one after the other, as one that can be said again."""
    return joined(filter(None, texts), " ")


def joined(texts: Iterable[str], between: str) -> str:
    """The texts in a row, as one that can be said again."""
    parts = {f"part_{at}": text for at, text in enumerate(texts)}
    return Said.of(between.join(f"{{{part}}}" for part in parts), values=parts)


def clauses(texts: Iterable[str]) -> str:
    """Clauses in one sentence, parted by semicolons as the language writes them; can be said again."""
    parts = {f"part_{at}": text for at, text in enumerate(texts)}
    return Said.of("{between}".join(f"{{{part}}}" for part in parts), values={**parts, "between": say("; ")})


def all_of(texts: Iterable[str]) -> str:
    """`a and b and c`, as one that can be said again."""
    parts = {f"part_{at}": text for at, text in enumerate(texts)}
    return Said.of(" {and} ".join(f"{{{part}}}" for part in parts), values={**parts, "and": say("and")})


def mark(text: str) -> str:
    """The text itself: tells the catalogues about one that is said elsewhere, out of a table of texts."""
    return text


def forms(one: str, many: str) -> tuple[str, str]:
    """Both forms of a text as they are: like `mark`, for one that `count` says elsewhere."""
    return one, many


def again(value: object) -> object:
    """A value as the language that is spoken has it: sentences that were kept are said again, the rest is as it was."""
    return value.again() if isinstance(value, Said) else value


def retold(text: str) -> str:
    """A text that may have been kept since another language was spoken."""
    return text.again() if isinstance(text, Said) else text


def figure(value: float, places: int = 0, *, trim: bool = False) -> str:
    """A number with so many decimals, thousands separated as the language does it; `trim` takes zeros off its end.

    >>> figure(1234.5, 1), figure(3.04, 1, trim=True)
    ('1,234.5', '3')
    """
    text = f"{value:,.{places}f}"
    text = text.rstrip("0").rstrip(".") if trim and places else text
    text = text.removeprefix("-") if not float(text.replace(",", "")) else text
    locale = spoken().locale
    if locale is None:
        return text
    from babel.numbers import format_decimal

    decimals = len(text.partition(".")[2])
    return format_decimal(text.replace(",", ""), "#,##0" + ("." + "0" * decimals if decimals else ""), locale)


def written(day: date) -> str:
    """A calendar day: ISO 8601 in English, otherwise as the language writes it, e.g. `30 octobre 2026`."""
    locale = spoken().locale
    if locale is None:
        return day.isoformat()
    from babel.dates import format_date

    text = format_date(day, "long", locale)
    # Some languages count the first of a month, which no date pattern can say: 1er octobre.
    return word("first of a month", "1") + text[1:] if text.startswith("1 ") else text


def written_minute(instant: datetime) -> str:
    """A naive UTC instant to the minute, with its zone."""
    return say("{day} {time} UTC", day=written(instant.date()), time=f"{instant:%H:%M}")


def money(amount: float, currency: str) -> str:
    """Whole units of a currency by its code: `USD 12,000` in English, `12 000 USD` in French."""
    if not currency or spoken().locale is None:
        return f"{currency} {figure(amount)}".strip()
    from babel.numbers import format_currency

    return format_currency(round(amount), currency, "#,##0\xa0¤¤", spoken().locale, currency_digits=False)
