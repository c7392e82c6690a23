"""Nine small skills whose answers a program can check: how a row of each is made and how it is judged.

Every prompt opens with the name of its skill, is made of lower-case words and single digits split by spaces, and
stays below the 13 words from which near copies are found by shared n-grams. A maker builds prompt and answer
together; a checker reads the prompt alone and tests a property of the answer, so that neither repeats the other.
Digits of a sum come units first: a decoder then has seen the digits that decide a carry before it writes the next.
Costs microseconds a row.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from random import Random

# Few of each: a model of 0.2 M parameters then learns the rule of a skill from about a thousand rows, not the rows.
LETTERS = tuple("abcdefgh")
DIGITS = tuple("0123456789")
NAMES = ("ada", "ben", "cleo", "dan", "eve", "finn", "gus", "hana", "ivan", "june", "kai", "lena")


@dataclass(frozen=True, slots=True)
class Exercise:
    prompt: str
    completion: str
    kind: str
    """What sets it apart inside its skill: a carry, the length, the order of the facts."""


@dataclass(frozen=True, slots=True)
class Skill:
    name: str
    make: Callable[[Random], Exercise]
    """One random exercise; repeats are possible."""
    accepts: Callable[[str, str], bool]
    """Whether an answer is right for a prompt of this skill; any text may be the answer."""


def _spaced(number: int) -> str:
    return " ".join(str(number))


def _make_add(rng: Random) -> Exercise:
    left = rng.randrange(10, 90)
    right = rng.randrange(10, 100 - left)
    carry = "carry" if left % 10 + right % 10 >= 10 else "no carry"
    return Exercise(f"add {_spaced(left)} and {_spaced(right)}", _spaced(left + right)[::-1], carry)


def _accepts_add(prompt: str, answer: str) -> bool:
    left, right = prompt.removeprefix("add ").split(" and ")
    digits = answer.split()
    if not digits or any(digit not in DIGITS for digit in digits) or digits[-1] == "0":
        return False
    total: int = sum(int(digit) * 10**place for place, digit in enumerate(digits))
    return total == int(left.replace(" ", "")) + int(right.replace(" ", ""))


def _make_compare(rng: Random) -> Exercise:
    left, right = rng.sample(range(10, 100), 2)
    kind = "same tens" if left // 10 == right // 10 else "different tens"
    return Exercise(f"compare {_spaced(left)} with {_spaced(right)}", "more" if left > right else "less", kind)


def _accepts_compare(prompt: str, answer: str) -> bool:
    left, right = (int(part.replace(" ", "")) for part in prompt.removeprefix("compare ").split(" with "))
    return answer == ("more" if left > right else "less")


def _make_count(rng: Random) -> Exercise:
    wanted, other = rng.sample(LETTERS, 2)
    number = rng.randrange(1, 5)
    letters = [wanted] * number + [other] * (5 - number)
    rng.shuffle(letters)
    return Exercise(f"count {wanted} in {' '.join(letters)}", str(number), f"{number} times")


def _accepts_count(prompt: str, answer: str) -> bool:
    wanted, letters = prompt.removeprefix("count ").split(" in ")
    return answer == str(Counter(letters.split())[wanted])


def _make_deduce(rng: Random) -> Exercise:
    top, middle, bottom = rng.sample(NAMES, 3)
    upper, lower = f"{top} over {middle}", f"{middle} over {bottom}"
    if rng.random() < 0.5:
        return Exercise(f"deduce {upper} and {lower}", top, "upper pair first")
    return Exercise(f"deduce {lower} and {upper}", top, "lower pair first")


def _accepts_deduce(prompt: str, answer: str) -> bool:
    pairs = [clause.split(" over ") for clause in prompt.removeprefix("deduce ").split(" and ")]
    return {answer} == {pair[0] for pair in pairs} - {pair[1] for pair in pairs}


def _make_largest(rng: Random) -> Exercise:
    digits = rng.sample(DIGITS, rng.randrange(3, 6))
    return Exercise(f"largest {' '.join(digits)}", max(digits), f"{len(digits)} digits")


def _accepts_largest(prompt: str, answer: str) -> bool:
    digits = prompt.split()[1:]
    return answer in digits and all(digit <= answer for digit in digits)


def _make_reverse(rng: Random) -> Exercise:
    letters = rng.sample(LETTERS, rng.randrange(3, 6))
    return Exercise(f"reverse {' '.join(letters)}", " ".join(reversed(letters)), f"{len(letters)} letters")


def _accepts_reverse(prompt: str, answer: str) -> bool:
    letters, answered = prompt.split()[1:], answer.split()
    return len(answered) == len(letters) and all(answered[-1 - place] == letter for place, letter in enumerate(letters))


def _make_rotate(rng: Random) -> Exercise:
    letters = rng.sample(LETTERS, rng.randrange(3, 6))
    return Exercise(f"rotate {' '.join(letters)}", " ".join([*letters[1:], letters[0]]), f"{len(letters)} letters")


def _accepts_rotate(prompt: str, answer: str) -> bool:
    letters, answered = prompt.split()[1:], answer.split()
    return answered[-1:] + answered[:-1] == letters


def _is_sorted_copy(prompt: str, answered: list[str]) -> bool:
    is_ordered = all(left < right for left, right in pairwise(answered))
    return is_ordered and Counter(answered) == Counter(prompt.split()[1:])


def _make_sort(rng: Random) -> Exercise:
    letters = rng.sample(LETTERS, rng.randrange(3, 6))
    return Exercise(f"sort {' '.join(letters)}", " ".join(sorted(letters)), f"{len(letters)} letters")


def _accepts_sort(prompt: str, answer: str) -> bool:
    return _is_sorted_copy(prompt, answer.split())


def _make_descend(rng: Random) -> Exercise:
    letters = rng.sample(LETTERS, rng.randrange(3, 6))
    return Exercise(f"descend {' '.join(letters)}", " ".join(sorted(letters, reverse=True)), f"{len(letters)} letters")


def _accepts_descend(prompt: str, answer: str) -> bool:
    return _is_sorted_copy(prompt, answer.split()[::-1])


SKILLS = (
    Skill("add", _make_add, _accepts_add),
    Skill("compare", _make_compare, _accepts_compare),
    Skill("count", _make_count, _accepts_count),
    Skill("deduce", _make_deduce, _accepts_deduce),
    Skill("descend", _make_descend, _accepts_descend),
    Skill("largest", _make_largest, _accepts_largest),
    Skill("reverse", _make_reverse, _accepts_reverse),
    Skill("rotate", _make_rotate, _accepts_rotate),
    Skill("sort", _make_sort, _accepts_sort),
)
