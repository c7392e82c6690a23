"""Turn question, gold and answer into a short vector of numbers, for the classifier of failure modes.

Measures of form, of overlap and of what the question asks for, then TF-IDF of hashed words and pairs of words. No word
of an answer's content counts by itself unless it is hashed, so that they carry over to other subjects. Half a
millisecond to one for each item, linear in its length; of long texts only ends are read.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import log, log1p

import numpy as np
from numpy.typing import NDArray

from diagnose.modes.answer_text import (
    bare,
    equations_of,
    final_answer,
    has_final,
    num_repeats,
    number_of,
    numbers_of,
    without_annotations,
)
from diagnose.modes.rules import declines

NUM_BUCKETS = {"question": 64, "answer": 64}
"""Number of buckets for hashed words and pairs of words, by text."""
_MOST_CHARACTERS = 500
"""Most characters of a text that are read: the end of a longer question or gold, both ends of a longer answer."""

_TOKEN = re.compile(r"\d[\d,]*(?:\.\d+)?|\w+(?:['’]\w+)?|[^\w\s]")
_SENTENCE_END = re.compile(r"[.!?](?:\s|$)")
_ENDS = frozenset(".!?)]}\"'`%$")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_QUESTION_WORDS = ("who", "when", "where", "which", "what", "why", "how", "whose")
_ARITHMETIC = _words(
    "total altogether sum difference remain remains remaining left each every per twice double half third quarter "
    "times more fewer less average percent equally share shares split spend spends spent cost costs pay pays paid "
    "earn earns sell sells sold buy buys bought give gives gave another rest combined product divided multiplied plus "
    "minus add adds faster slower older younger taller shorter heavier if then all none some before after thrice dozen "
    "hours minutes days weeks miles solve calculate compute evaluate equals"
)
_SPELLED = _words(
    "two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty hundred thousand first "
    "second fourth"
)
_FACTUAL = _words(
    "capital author wrote written born died founded invented inventor discovered located country city river mountain "
    "named called known name language currency president king queen year century symbol element planet animal painted "
    "composed directed starred film book novel song team stand stands mean means meaning definition define word term "
    "largest highest longest oldest famous famed located population origin"
)
_CHAIN = _words(
    "so then therefore thus first second next finally because since hence step means total now add subtract"
)
_DECLINING = _words(
    "sorry cannot can't unable decline comment help assist answer information know unknown unfortunately appropriate "
    "comfortable refuse rather pass provide request discuss policy opinion i'm i me my won't skip without"
)
_HEDGES = _words("maybe perhaps possibly think believe guess probably likely might unsure")
_MARKUP = frozenset('{}[]<>`*#|\\_"=;')
_OPEN_WORDS = _words(
    "a an the of to and or is are was were in on at for with by from than per which because if so then , + - * / = ( :"
)
_FIRST_PERSON = _words("i i'm i'd me my i’m i’d")
_NEGATIONS = _words("not no never nothing cannot can't don't won't can’t don’t won’t")
_YES_NO = _words("yes no true false")
_LETTER = re.compile(r"\(?[A-Ea-e][).]?")
_HOW_MANY = re.compile(r"\bhow (?:many|much)\b", re.IGNORECASE)
_HOW_OTHER = re.compile(r"\bhow (?:far|long|old|tall|big|did|do|does|fast|high)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Answered:
    """A failed item as the classifier sees it."""

    question: str
    gold: str
    answer: str
    is_generated: bool = True


class _Text:
    """A text with the values that several measures need."""

    def __init__(self, text: str) -> None:
        self.text = without_annotations(text).strip()
        self.cased: list[str] = _TOKEN.findall(self.text)
        self.tokens = [word.lower() for word in self.cased]
        self.counts = Counter(self.tokens)
        self.words = {word for word in self.counts if word[0].isalnum()}
        self.numbers = numbers_of(self.text)
        self.final = final_answer(self.text)
        self.number = number_of(self.final)
        self.bare = bare(self.text)
        self.is_open = not self.text or not (self.text[-1].isdecimal() or self.text[-1] in _ENDS)
        self.repetition = _repetition(self.text, self.tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def num_of(self, words: frozenset[str]) -> int:
        """Count the tokens that are among `words`."""
        return sum(self.counts[word] for word in words & self.words)

    def num_signs(self, signs: Iterable[str]) -> int:
        return sum(map(self.text.count, signs))


def measures(item: Answered) -> dict[str, float]:
    """Measures of form, overlap and question, by name; each within about [-5, 10]."""
    return _measures(item, *_texts(item))


def _texts(item: Answered) -> tuple[_Text, _Text, _Text]:
    return _Text(item.question[-_MOST_CHARACTERS:]), _Text(item.gold[-_MOST_CHARACTERS:]), _Text(_ends(item.answer))


def _measures(item: Answered, question: _Text, gold: _Text, answer: _Text) -> dict[str, float]:
    return {
        "is_choice": float(not item.is_generated),
        **_of_question(question),
        **_of_gold(question, gold),
        **_of_answer(gold, answer),
        **_of_overlap(question, gold, answer),
    }


def _of_question(question: _Text) -> dict[str, float]:
    num_spelled = question.num_of(_SPELLED)
    opening = question.tokens[:2]
    found = {f"asks_{word}": float(word in question.words) for word in _QUESTION_WORDS}
    found |= {f"opens_{word}": float(word in opening) for word in ("who", "when", "where", "which", "what")}
    return found | {
        "question_length": log1p(len(question)),
        "question_numbers": log1p(len(question.numbers)),
        "question_no_number": float(not question.numbers and not num_spelled),
        "question_spelled": log1p(num_spelled),
        "question_sentences": log1p(len(_SENTENCE_END.findall(question.text))),
        "question_arithmetic": log1p(question.num_of(_ARITHMETIC)),
        "question_factual": log1p(question.num_of(_FACTUAL)),
        "question_names": _num_names(question) / max(len(question), 1),
        "question_names_alone": float(not question.numbers and _num_names(question) > 0),
        "question_mark": float("?" in question.text[-40:]),
        "question_how_many": float(_HOW_MANY.search(question.text) is not None),
        "question_how_other": float(_HOW_OTHER.search(question.text) is not None),
        "question_operators": log1p(question.num_signs("+*/=×÷^")),
        "question_empty": float(not question.tokens),
    }


def _of_gold(question: _Text, gold: _Text) -> dict[str, float]:
    return {
        "gold_length": log1p(len(gold)),
        "gold_number": float(gold.number is not None),
        "gold_year": float(gold.number is not None and 1000 <= gold.number <= 2100 and gold.number.is_integer()),
        "gold_capital": float(gold.final[:1].isupper()),
        "gold_yes_no": float(gold.final.lower() in _YES_NO),
        "gold_letter": float(_LETTER.fullmatch(gold.text) is not None),
        "gold_equations": log1p(len(equations_of(gold.text))),
        "gold_in_question": len(gold.words & question.words) / max(len(gold.words), 1),
        "gold_markup": log1p(gold.num_signs(_MARKUP)),
        **{f"gold_{name}": value for name, value in gold.repetition.items()},
    }


def _of_answer(gold: _Text, answer: _Text) -> dict[str, float]:
    equations = equations_of(answer.text)
    opening = answer.tokens[:30]
    last = answer.tokens[-1] if answer.tokens else ""
    breaks_off = answer.is_open and not (gold.is_open and len(gold) >= 8)
    return {
        "answer_length": log1p(len(answer)),
        "answer_number": float(answer.number is not None),
        "answer_numbers": log1p(len(answer.numbers)),
        "answer_equations": log1p(len(equations)),
        "answer_false_equations": log1p(equations.count(False)),
        "answer_has_final": float(has_final(answer.text)),
        "answer_chain": log1p(answer.num_of(_CHAIN)),
        "answer_hedges": log1p(answer.num_of(_HEDGES)),
        "answer_declining": sum(word in _DECLINING for word in opening) / max(len(opening), 1),
        "answer_declines": float(declines(answer.text)),
        "answer_first_person": float(not _FIRST_PERSON.isdisjoint(opening)),
        "answer_negates": float(not _NEGATIONS.isdisjoint(opening)),
        "answer_markup": log1p(answer.num_signs(_MARKUP)),
        "answer_sentences": log1p(len(_SENTENCE_END.findall(answer.text))),
        "answer_lines": log1p(answer.text.count("\n")),
        "answer_open_end": float(answer.is_open),
        "answer_long_open_end": float(breaks_off) * log1p(len(answer)),
        "answer_open_word": float(last in _OPEN_WORDS),
        "answer_unclosed": float(any(answer.counts[o] > answer.counts[c] for o, c in ("()", "[]", "{}"))),
        "answer_capital": float(answer.final[:1].isupper()),
        "answer_yes_no": float(answer.final.lower() in _YES_NO),
        "answer_letter": float(_LETTER.fullmatch(answer.text) is not None),
        "answer_symbols": sum(word.isalnum() and len(word) == 1 for word in answer.tokens) / max(len(answer), 1),
        **{name: max(0.0, value - gold.repetition[name]) for name, value in answer.repetition.items()},
    }


def _of_overlap(question: _Text, gold: _Text, answer: _Text) -> dict[str, float]:
    a, q, g = answer.words, question.words, gold.words
    gold_bare = bare(gold.final)
    has_gold = len(gold_bare) < 60 and gold_bare in answer.bare
    is_number, numbers = gold.number is not None, set(answer.numbers)
    return {
        "answer_in_question": len(a & q) / max(len(a), 1),
        "question_in_answer": len(a & q) / max(len(q), 1),
        "answer_in_gold": len(a & g) / max(len(a), 1),
        "gold_in_answer": len(a & g) / max(len(g), 1),
        "gold_bare_in_answer": float(has_gold),
        "length_around_gold": float(has_gold) * log((len(answer.bare) + 1) / (len(gold_bare) + 1)),
        "same_numbers": float(len(gold.numbers) > 1 and not numbers.isdisjoint(gold.numbers)),
        "likeness": _likeness(answer.final.lower(), gold.final.lower()),
        "length_ratio": log((len(answer) + 1) / (len(gold) + 1)),
        "both_numbers": float(is_number and bool(numbers)),
        "same_number": float(gold.number in numbers),
        "ends_in_gold_number": float(is_number and bool(numbers) and answer.numbers[-1] == gold.number),
        "number_for_words": float(not is_number and answer.number is not None),
        "words_for_number": float(is_number and not numbers),
        "both_capital": float(gold.final[:1].isupper() and answer.final[:1].isupper()),
        "numbers_of_question": len(numbers.intersection(question.numbers)) / max(len(numbers), 1),
        "numbers_given_and_told": float(len(question.numbers) + question.num_of(_SPELLED) > 1 and bool(numbers)),
        "number_ratio": _number_ratio(gold.number, answer.numbers),
    }


def _hashed(text: _Text, size: int) -> NDArray[np.float64]:
    """Weight of each bucket, [size]: 1 + log of the number of words and pairs that fall into it, 0 where none does; all
    digits are alike."""
    words = np.array([_hash("0" if word[0].isdigit() else word) for word in text.tokens], np.int64)
    counts = np.bincount(np.concatenate([words, words[:-1] * 31 + words[1:]]) % size, minlength=size)
    return np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0.0)


def raw_vectors(items: Sequence[Answered]) -> NDArray[np.float64]:
    """Raw features, [num_items, NUM_FEATURES]: measures, then 1 + log of the counts of hashed words, by text."""
    found = np.zeros((len(items), NUM_FEATURES))
    for row, item in zip(found, items, strict=True):
        question, gold, answer = _texts(item)
        row[: len(MEASURES)] = list(_measures(item, question, gold, answer).values())
        start = len(MEASURES)
        for size, text in zip(NUM_BUCKETS.values(), (question, answer), strict=True):
            row[start : start + size] = _hashed(text, size)
            start += size
    return found


def tf_idf(raw: NDArray[np.float64], idf: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weight the words of each text in `raw_vectors`, scaled to unit length.

    Args:
        idf: Inverse document frequency of each bucket, [NUM_FEATURES - len(MEASURES)].
    """
    found = raw.copy()
    found[:, len(MEASURES) :] *= idf
    start = len(MEASURES)
    for size in NUM_BUCKETS.values():
        part = found[:, start : start + size]
        part /= np.maximum(np.linalg.norm(part, axis=1, keepdims=True), 1e-12)
        start += size
    return found


def _ends(text: str) -> str:
    half = _MOST_CHARACTERS // 2
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:half]} {text[-half:]}"


def _repetition(text: str, tokens: Sequence[str]) -> dict[str, float]:
    """Measures of how much of a text repeats earlier parts; 0 for texts under 20 characters."""
    if len(text) < 20:
        return {"repeats": 0.0, "compression": 0.0, "old_pairs": 0.0, "old_words": 0.0}
    raw = text.encode()
    return {
        "repeats": log(num_repeats(tokens)),
        "compression": max(0.0, 1 - len(zlib.compress(raw, 6)) / len(raw)),
        "old_pairs": 1 - (len(set(pairwise(tokens))) + 1) / (len(tokens) + 1),
        "old_words": 1 - len(set(tokens)) / max(len(tokens), 1),
    }


def _num_names(text: _Text) -> int:
    """Count the capitalised words that open no sentence."""
    return sum(word[0].isupper() for before, word in pairwise(text.cased) if before not in {".", "?", "!", ":"})


def _likeness(first: str, second: str) -> float:
    """Dice coefficient of pairs of characters."""
    left, right = Counter(pairwise(first[:300])), Counter(pairwise(second[:300]))
    total = left.total() + right.total()
    return 2 * (left & right).total() / total if total else 0.0


def _number_ratio(gold: float | None, numbers: Sequence[float]) -> float:
    if gold is None or not numbers:
        return 0.0
    return min(abs(log((abs(numbers[-1]) + 1) / (abs(gold) + 1))), 5.0)


@lru_cache(maxsize=1 << 16)
def _hash(word: str) -> int:
    return zlib.crc32(word.encode())


MEASURES = tuple(measures(Answered("", "", "")))
"""Names of the measures, in the order of the vector; hashed words follow them."""
NUM_FEATURES = len(MEASURES) + sum(NUM_BUCKETS.values())
