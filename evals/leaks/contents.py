"""Represent a text by its content words and numbers, as a set without order, to compare texts across wordings.

Words are stems of five letters (truncation does nearly as well as a stemmer of the language; McNamee and Mayfield 2004,
"Character n-gram tokenization for European language text retrieval") without the stop words of scikit-learn; numbers
are values, in digits or words. Of code, only comments and documentation strings count: names and
statements change freely. Each term is one of 65,536 buckets, in which several words of a language lie.

Cost: 15 microseconds for a text of 45 words.
"""

import re
from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from evals.leaks.near_copies import fold, text_hashes

NUM_BUCKETS = 1 << 16
"""Number of columns for words; as many columns for numbers follow."""
NUM_TERMS = 2 * NUM_BUCKETS

_STEM = 5
"""Number of a word's first letters that count."""
_TOKEN = re.compile(r"[^\W\d_][^\W_]*|\d+(?:,\d{3})*(?:\.\d+)?")
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_FROM_TWO = (
    *("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_NUMBER_WORDS = {
    "zero": 0.0,
    **{word: float(number) for number, word in enumerate(_FROM_TWO, 2)},
    **{word: 10.0 * number for number, word in enumerate(_TENS, 2)},
    **dict.fromkeys(("half", "halves"), 1 / 2),
    **dict.fromkeys(("third", "thirds"), 1 / 3),
    **dict.fromkeys(("quarter", "quarters"), 1 / 4),
    **dict.fromkeys(("twice", "double", "doubled", "doubles", "pair", "couple"), 2.0),
    **dict.fromkeys(("thrice", "triple", "tripled", "triples"), 3.0),
    **dict.fromkeys(("quadruple", "quadrupled", "quadruples"), 4.0),
    **dict.fromkeys(("dozen", "dozens"), 12.0),
    "hundred": 1e2,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
}
"""Values of number words; "one" and "second" are left out because they seldom count."""
_CODE = re.compile(
    r"^[ \t]*(?:(?:async )?def \w+\(|(?:async )?function\b.*\(|class \w+.*[:{]$|from [\w.]+ import |import [\w.]+;?$"
    r"|#include\b|(?:const|let|var) \w+ ?=|(?:public|private|static)\b.*[({]$|fn \w+\(|func \w+\()",
    re.MULTILINE,
)
_SAID_IN_CODE = re.compile(
    r'"""((?s:.*?))"""|' r"'''((?s:.*?))'''" r"|/\*((?s:.*?))\*/|(?:^|\s)#(.*)|(?:^|\s)//(.*)", re.MULTILINE
)
_OPTION = re.compile(r"\s*\(?[A-Za-z0-9]{1,2}[).:]\s+\S")
_BEGINS_ANSWER = re.compile(
    r"^[ \t]*(?:(?:answer|solution|response|output|a)[ \t]*:|####)", re.IGNORECASE | re.MULTILINE
)
_ANSWER = re.compile(r"\s*(?:answer|a)\s*:?\s*", re.IGNORECASE)


def contents(texts: Sequence[str]) -> csr_array:
    """Terms of each text, [num_texts, NUM_TERMS], ones of float32, sorted."""
    tokens = [_TOKEN.findall(fold(said(text))) for text in texts]
    flat = list(chain.from_iterable(tokens))
    number_of = {token: k for k, token in enumerate(dict.fromkeys(flat))}
    column_of = _columns(list(number_of))
    columns = column_of[np.fromiter(map(number_of.__getitem__, flat), np.int64, len(flat))]
    lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
    keys = np.repeat(np.arange(len(texts)), lengths) * NUM_TERMS + columns
    keys = np.sort(keys[columns >= 0])
    owners, columns = np.divmod(keys[np.diff(keys, prepend=-1) > 0], NUM_TERMS)
    return of_terms(np.searchsorted(owners, np.arange(len(texts) + 1)), columns)


def of_terms(starts: NDArray[np.int64], columns: NDArray[np.int64]) -> csr_array:
    """Build the matrix of `contents` from the sorted terms of all texts; those of text k start at `starts[k]`."""
    return csr_array((np.ones(len(columns), np.float32), columns, starts), shape=(len(starts) - 1, NUM_TERMS))


def said(text: str) -> str:
    """The text itself; for code, its comments and documentation strings where it has any."""
    if not _CODE.search(text):
        return text
    comments = " ".join(part for found in _SAID_IN_CODE.findall(text) for part in found if part)
    return comments if _TOKEN.search(comments) else text


def question_with_options(text: str) -> str:
    """Question with options in lines of their own, from the line before them on, without a passage that several
    questions may share; any other text is returned whole."""
    lines = [line for line in text.splitlines() if line.strip()]
    while lines and _ANSWER.fullmatch(lines[-1]):
        lines.pop()
    first = len(lines)
    while first and _OPTION.match(lines[first - 1]):
        first -= 1
    return "\n".join(lines[first - 1 :]) if 0 < first <= len(lines) - 2 else text


def question_of(text: str) -> str:
    """Part of a plain text before a line that begins an answer; all of it where there is no such line."""
    question = _BEGINS_ANSWER.split(text, maxsplit=1)[0]
    return question if question.strip() else text


def _columns(tokens: Sequence[str]) -> NDArray[np.int64]:
    """Column of each token, [num_tokens]; -1 for stop words and single letters."""
    values = [_value(token) for token in tokens]
    names = [token[:_STEM] if value is None else repr(value) for token, value in zip(tokens, values, strict=True)]
    columns = (text_hashes(names) % np.uint64(NUM_BUCKETS)).astype(np.int64)
    is_number = np.array([value is not None for value in values], np.bool_)
    is_silent = np.array([len(token) < 2 or token in ENGLISH_STOP_WORDS for token in tokens], np.bool_)
    return np.where(is_number, NUM_BUCKETS + columns, np.where(is_silent, -1, columns))


def _value(token: str) -> float | None:
    return float(token.replace(",", "")) if token[0].isdecimal() else _NUMBER_WORDS.get(token)
