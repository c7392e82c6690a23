"""Read an answer regardless of its form: the part that counts, its value as a number, how often it repeats itself.

For rules and features of failure modes; English, as far as words matter. Linear in the length of the text.
"""

import re
from collections.abc import Sequence

_LONGEST_RUN = 8
"""Longest run of words whose repetition at the end of an answer is counted."""

_FINAL = re.compile(r"(?:####|\bfinal answer\b\s*(?:is\b|:)|\banswer\b\s*(?:is\b|:)|\\boxed\{)\s*:?", re.IGNORECASE)
_ANNOTATION = re.compile(r"<<[^<>\n]*>>")
NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_FRACTION = re.compile(r"^(-?\d+)\s*/\s*(\d+)$")
_EQUATION = re.compile(
    r"(-?\d[\d,]*(?:\.\d+)?)\s*([-+*/x×÷])\s*[$€£]?(-?\d[\d,]*(?:\.\d+)?)\s*=\s*[$€£]?(-?\d[\d,]*(?:\.\d+)?)"
)
_NOT_ALPHANUMERIC = re.compile(r"[\W_]+")
_OPTION = re.compile(r"^\s*\(?([A-Ha-h])[.):]\s+(.+)$", re.MULTILINE)
_ONES = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
)
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SPELLED = (
    {word: value for value, word in enumerate(_ONES)}
    | {word: 10 * (value + 2) for value, word in enumerate(_TENS)}
    | {"hundred": 100, "thousand": 1000, "million": 1_000_000}
)


def without_annotations(text: str) -> str:
    """Remove what a calculator wrote into a worked answer, `<<3*4=12>>`."""
    return _ANNOTATION.sub("", text)


def has_final(text: str) -> bool:
    """Whether the text marks which part of it is the answer."""
    return _FINAL.search(text) is not None


def final_answer(text: str) -> str:
    """Text behind the last `####`, `answer is`, `answer:` or in the last `\\boxed{}`; else the whole text."""
    start = 0
    for mark in _FINAL.finditer(text):
        start = mark.end()
    tail = text[start:].lstrip(" *`_")
    whole = tail if start == 0 else tail.split("\n")[0].split("}")[0]
    return whole.strip().strip("*`_ ").rstrip(".").strip()


def numbers_of(text: str) -> list[float]:
    """Numbers written in digits, in their order."""
    return [_value(found) for found in NUMBER.findall(text)]


def number_of(text: str) -> float | None:
    """Value of a text that is only a number, in digits or spelled, with a sign of currency or percent at most."""
    bare = text.strip().strip("$€£%()[]{}\"'*` ").rstrip(".").strip()
    if NUMBER.fullmatch(bare):
        return _value(bare)
    fraction = _FRACTION.match(bare)
    if fraction is not None and int(fraction[2]):
        return int(fraction[1]) / int(fraction[2])
    return _spelled(bare) if len(bare) < 100 else None


def equations_of(text: str) -> list[bool]:
    """Whether each `a + b = c` in the text holds."""
    return [_holds(_value(a), sign, _value(b), _value(c)) for a, sign, b, c in _EQUATION.findall(text)]


def bare(text: str) -> str:
    """Letters and digits alone, in lower case; a text without any loses its spaces."""
    return _NOT_ALPHANUMERIC.sub("", text.casefold()) or "".join(text.split())


def options_of(question: str) -> dict[str, str]:
    """Texts of the options that a question offers, by their letter."""
    return {letter.upper(): text.strip() for letter, text in _OPTION.findall(question)}


def num_repeats(words: Sequence[str]) -> int:
    """Number of times that the run of words at the end stands there in a row, for the best length of the run."""
    best = 1
    for length in range(1, min(_LONGEST_RUN, len(words) // 2) + 1):
        run = words[-length:]
        count = 1
        while words[-length * (count + 1) : -length * count] == run:
            count += 1
        best = max(best, count)
    return best


def _value(digits: str) -> float:
    return float(digits.replace(",", ""))


def _holds(left: float, sign: str, right: float, result: float) -> bool:
    if sign in "/÷":
        return right != 0 and abs(left / right - result) <= 0.01 * max(1.0, abs(result))
    value = left + right if sign == "+" else left - right if sign == "-" else left * right
    return abs(value - result) <= 0.01 * max(1.0, min(abs(result), 10.0))


def _spelled(text: str) -> float | None:
    words = [word for word in re.split(r"[\s-]+", text.lower()) if word != "and"]
    if not words or any(word not in _SPELLED for word in words):
        return None
    total = part = 0
    for word in words:
        value = _SPELLED[word]
        if value == 100:
            part = max(part, 1) * 100
        elif value > 100:
            total, part = total + max(part, 1) * value, 0
        else:
            part += value
    return float(total + part)
