"""Settings of a method as text: `obs:balance=1.2,reselect=false`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields, replace
from types import NoneType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hw.errors import UserError
from prune.methods.base import BlockMethod

_WORDS = {"none": None, "true": True, "false": False}


def with_settings(method: BlockMethod, text: str, name: str) -> BlockMethod:
    """`method` with the settings in `text`, SETTING=VALUE separated by commas.

    Args:
        name: what the user called it, for errors.

    Raises:
        UserError: on a setting that the method does not have, or a value that it cannot take.
    """
    hints = get_type_hints(type(method))
    known = [field.name for field in fields(method) if field.name != "block"]
    given: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        key, _, word = item.partition("=")
        if key not in known:
            raise UserError(
                f"method {name!r}: expected SETTING=VALUE with a setting out of "
                f"{', '.join(known)}, got {item!r}"
            )
        given[key] = _value(word)
        if not _fits(given[key], hints[key]):
            expected = str(getattr(hints[key], "__name__", hints[key])).replace("typing.", "")
            raise UserError(f"method {name!r}: {key}={word}: expected {expected}; change it")
    return replace(method, **given)


def _value(word: str) -> Any:
    if word.lower() in _WORDS:
        return _WORDS[word.lower()]
    for number in (int, float):
        with suppress(ValueError):
            return number(word)
    return word


def _fits(value: object, hint: Any) -> bool:
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    kinds = get_args(hint)
    if kinds:
        return any(_fits(value, kind) for kind in kinds)
    return type(value) in ((int, float) if hint is float else (hint or NoneType,))
