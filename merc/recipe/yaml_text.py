"""YAML as recipes use it: what is read and written, and the limits that keep any file from taking long.

Reading and writing share one table of what a plain scalar means, so that what is written is read back as the same
value. It is YAML 1.1 without dates, and with ``2e-4`` as a number.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from merc.errors import MercError

MAX_BYTES = 4 * 1024**2
"""Size of a file."""
MAX_NODES = 10_000
"""Values of a recipe, those that aliases, references and defaults bring included."""
MAX_TEXT = 500_000
"""Characters of all texts of a recipe together, once references are filled in."""
MAX_DEPTH = 40
"""Levels of sections and lists within each other."""
MAX_DIGITS = 40
"""Characters of a number."""
MAX_KEY = 200
"""Characters of a key."""

CORE = "tag:yaml.org,2002:"
_FLOAT = re.compile(
    r"""(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
       |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
       |[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?
       |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
       |[-+]?\.(?:inf|Inf|INF)
       |\.(?:nan|NaN|NAN))\Z""",
    re.X,
)
# What no file, terminal or prompt should get: control characters but tab and line ends, and halves of characters.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def _resolvers() -> dict[Any, list[tuple[str, Any]]]:
    """What a plain scalar means, by its first character."""
    aside = (CORE + "timestamp", CORE + "float")
    table = {
        first: [one for one in some if one[0] not in aside]
        for first, some in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    for first in "-+0123456789.":
        table.setdefault(first, []).insert(0, (CORE + "float", _FLOAT))
    return table


class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads the YAML of recipes into nodes."""

    yaml_implicit_resolvers = _resolvers()


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Writes what ``Loader`` reads back as the same."""

    yaml_implicit_resolvers = _resolvers()

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: Any, text: str) -> yaml.Node:
    # Line ends other than \n are read back as blanks, unless they stand in double quotes, where they are written out.
    style = '"' if re.search("[\r\x85\u2028\u2029]", text) else None
    node: yaml.Node = dumper.represent_scalar(CORE + "str", text, style=style)
    return node


_Dumper.add_representer(str, _represent_text)
_CONSTRUCTOR = yaml.constructor.SafeConstructor()


def write_yaml(value: Any) -> str:
    """Plain data as YAML, keys in their order."""
    text: str = yaml.dump(value, Dumper=_Dumper, default_flow_style=False, allow_unicode=True, sort_keys=False)
    return text


def read_yaml(text: str, title: str) -> yaml.Node | None:
    """The nodes of one YAML document; None for an empty one. ``title`` names the text in messages.

    Raises MercError, naming the line, for what is no YAML, and for what is larger or deeper than a recipe may be.
    """
    try:
        _check_size(text, title)
        return yaml.compose(text, Loader=Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark and not title.startswith(("'", '"')) else ""
        context = f" ({error.context})" if error.context else ""
        if mark and text[mark.index : mark.index + 1] == "\t":
            raise MercError(f"{title}{place}: a tab, which YAML does not take here; indent with spaces") from error
        raise MercError(f"{title}{place}: not YAML: {error.problem}{context}") from error
    except (yaml.YAMLError, UnicodeError) as error:
        raise MercError(f"{title}: not YAML: {first_line(error)}") from error


def _check_size(text: str, title: str) -> None:
    """Go through the document without building anything: building a deep one ends the process."""
    depth = count = 0
    for event in yaml.parse(text, Loader=Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 0
                raise MercError(f"{title}, line {line}: more than {MAX_DEPTH} levels; a recipe is flatter than that")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if isinstance(event, yaml.NodeEvent):
            count += 1
            # Keys count here too.
            if count > 2 * MAX_NODES:
                raise too_many(title)


def too_many(title: str) -> MercError:
    """The error of a recipe with too many values."""
    return MercError(f"{title}: more than {MAX_NODES:,} values; a recipe is smaller than that")


def scalar(node: yaml.ScalarNode) -> Any:
    """The value of a scalar: text, whole number, number, boolean or None. Raises ValueError with what is wrong."""
    kind = node.tag.removeprefix(CORE)
    if kind in ("int", "float") and len(node.value) > MAX_DIGITS:
        raise ValueError(f"a number of {len(node.value):,} characters; a recipe's have at most {MAX_DIGITS}")
    construct = {
        "int": _CONSTRUCTOR.construct_yaml_int,
        "float": _CONSTRUCTOR.construct_yaml_float,
        "bool": _CONSTRUCTOR.construct_yaml_bool,
        "null": lambda node: None,
    }.get(kind)
    if construct is not None:
        try:
            return construct(node)  # type: ignore[no-untyped-call]
        except (ValueError, KeyError, IndexError):
            word = {"bool": "boolean"}.get(kind, "number")
            raise ValueError(f"{node.value[:80]!r} is no {word}; put it in quotes if it is a text") from None
    if unfit := unfit_character(node.value):
        raise ValueError(f"holds the character {unfit}, which no text of a recipe may hold")
    return node.value


def unfit_character(text: str) -> str:
    """The first control character or half of a character of a text, as messages show it; empty for none.

    >>> unfit_character("a\\x1b[31m"), unfit_character("two\\nlines")
    ('U+001B', '')
    """
    unfit = _UNFIT.search(text)
    return f"U+{ord(unfit.group()):04X}" if unfit else ""


def first_line(error: BaseException) -> str:
    """The first line of an exception's text."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
