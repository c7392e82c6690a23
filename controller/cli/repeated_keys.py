"""Refuse words that name a key of a mapping twice; Hydra would keep the last and say nothing."""

import re
from collections.abc import Iterator, Sequence

_TOKENS = re.compile(r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|[{}\[\],:]|[^{}\[\],:'"]+""")
"""Matches quoted texts, marks of structure, and what stands between them."""
_WORD = re.compile(r"\+{0,2}(?P<key>[\w.]+)=(?P<value>\{.*\})\s*", re.DOTALL)


def refuse_repeated_keys(words: Sequence[str]) -> None:
    """Raise a ValueError for the first word whose mapping, or one inside it, has a key twice."""
    for word in words:
        found = _WORD.fullmatch(word)
        if found is None:
            continue
        seen: set[tuple[int, str]] = set()
        for mapping, name in _keys(found["value"]):
            if (mapping, name) in seen:
                raise ValueError(f"{found['key']} names '{name}' twice, got {found['value']}; give each its own name")
            seen.add((mapping, name))


def _keys(text: str) -> Iterator[tuple[int, str]]:
    """Yield every key with the number of the mapping that it is in."""
    inside: list[int] = []
    number, is_key, last = 0, False, ""
    for token in _TOKENS.findall(text):
        if token in "{[":
            number += 1
            inside.append(number if token == "{" else 0)
            is_key = token == "{"
        elif token in "}]":
            inside.pop()
            is_key = False
        elif token == ",":
            is_key = bool(inside and inside[-1])
        elif token == ":" and is_key:
            yield inside[-1], last
            is_key = False
        elif token.strip():
            last = token.strip().strip("'\"")
