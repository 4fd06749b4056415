"""Small pieces that sentences are made of."""

from collections.abc import Mapping, Sequence
from typing import Any


def listed(parts: Sequence[str]) -> str:
    """Return names as a sentence lists them: ``"a, b and c"``."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} and {parts[-1]}"


def capital(sentence: str) -> str:
    """Return a sentence with its first letter large, the rest as it is."""
    return sentence[:1].upper() + sentence[1:]


def name_of(told: object, language: str = "en") -> str:
    """Return what may be told in several languages, in one."""
    if isinstance(told, Mapping):
        words: Mapping[str, Any] = told
        return str(words.get(language, ""))
    return str(told)
