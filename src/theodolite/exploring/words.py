"""What a lesson tells, in both languages, with the numbers that were measured."""

from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from theodolite.report.amounts import amount, whole


@dataclass(frozen=True)
class Told:
    """The same in English and in Chinese, as HTML that is safe to print.

    Attributes
    ----------
    en, zh : Markup
        Written here; numbers and names in it are escaped.
    """

    en: Markup
    zh: Markup

    @property
    def plain(self) -> dict[str, str]:
        """Both without tags, as the viewer takes them."""
        return {"en": self.en.striptags(), "zh": self.zh.striptags()}


def told(en: str, zh: str, **numbers: Any) -> Told:
    """Both languages, with numbers set in where ``{name}`` stands.

    Parameters
    ----------
    en, zh : str
        HTML, and trusted: written by hand.
    **numbers
        A float is shown with three digits, an int as a count, a pair as a number and
        its error, a :class:`Told` in its language; all else as text, escaped.
    """
    return Told(
        *(
            Markup(words).format(
                **{name: _shown(value, language) for name, value in numbers.items()}
            )
            for words, language in ((en, "en"), (zh, "zh"))
        )
    )


def same(text: str) -> Told:
    """Text that is the same in both languages, escaped."""
    return Told(Markup("{}").format(text), Markup("{}").format(text))


def number(value: float, error: float | None = None) -> Told:
    """A number as it is read, with five digits where no error decides how many."""
    plain = f"{value:.5g}"
    short = error is None and len(plain) > 3 and not {"e", "n"} & set(plain)
    return same(plain.replace("-", "−") if short else amount(value, error))


def _shown(value: Any, language: str) -> Any:
    if isinstance(value, Told):
        return getattr(value, language)
    if isinstance(value, int):
        return whole(value)
    if isinstance(value, float):
        return amount(value)
    return amount(*value) if isinstance(value, tuple) else value
