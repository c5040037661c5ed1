"""YAML out, from what JSON can hold. Only what kubectl users expect to read."""

import json
import re
from typing import Any

# Plain where it cannot be read as anything but a string (YAML 1.2 core schema, and
# 1.1's words for booleans); else a JSON string, which is YAML too.
_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

# YAML forbids or folds these inside a string; JSON does not escape them.
_ESCAPED = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff\ufffe\uffff]")


def emit(value: Any) -> str:
    return "\n".join(_block(value))


def _block(value: Any) -> list[str]:
    match value:
        case dict() if value:
            return [line for key, item in value.items() for line in _entry(key, item)]
        case list() if value:
            return [line for item in value for line in _item(item)]
        case _:
            return [_scalar(value)]


def _entry(key: str, item: Any) -> list[str]:
    name = _scalar(key)
    if isinstance(item, dict | list) and item:
        return [f"{name}:", *(f"  {line}" for line in _block(item))]
    return [f"{name}: {_scalar(item)}"]


def _item(item: Any) -> list[str]:
    first, *rest = _block(item)
    return [f"- {first}", *(f"  {line}" for line in rest)]


def _scalar(value: Any) -> str:
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value if value.lower() not in _WORDS else json.dumps(value)
    text = json.dumps(value, ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
