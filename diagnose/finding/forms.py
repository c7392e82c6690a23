"""Rewrite questions and answers from the training's form into the evaluation's.

A form rewrites rows and changes no label. A mapping that can be undone must give the row back, word for word;
extractors, which lose text, apply only where they were seen to leave the gold answers alone
(`diagnose.evidence.from_asking.mappings`). The result is None where a form does not apply to a row: it has another
shape, is in the evaluation's form already, or would read like another row. Only words count: the space around them is
kept inside an answer and not at its ends. Costs microseconds for a row.
"""

import re
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from diagnose.finding.answer_labels import as_label
from diagnose.modes.answer_text import NUMBER


class How(StrEnum):
    """Ways in which one answer is read from another."""

    UNWRAP = "unwrap"
    """Take the text between `before` and `after`."""
    WRAP = "wrap"
    """Put `before` and `after` around the answer."""
    WORDS = "words"
    """Replace every word by another one, or by itself."""
    UNMARK = "unmark"
    """Remove the letters `before` and `after` from every word."""
    LOWER = "lower"
    UPPER = "upper"
    TITLE = "title"
    FIRST_LINE = "first line"
    LAST_LINE = "last line"
    FIRST_WORD = "first word"
    LAST_WORD = "last word"
    LAST_NUMBER = "last number"
    AFTER_COLON = "what follows the last colon"
    AFTER_IS = "what follows the last “is”"


CASES = (How.LOWER, How.UPPER, How.TITLE)
ONE_TO_ONE = (How.UNWRAP, How.WRAP, How.WORDS, How.UNMARK)
"""Mappings that can be undone; the others lose text."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A fixed mapping of answers from the training's form to the evaluation's."""

    how: How
    before: str = ""
    after: str = ""
    words: tuple[tuple[str, str], ...] = ()
    """Each word and what it stands for, those that stand for themselves included."""

    def __str__(self) -> str:
        match self.how:
            case How.UNWRAP:
                return f"Leaving out “{self.before} … {self.after}”"
            case How.WRAP:
                return f"Putting “{self.before} … {self.after}” around it"
            case How.WORDS:
                changed = [f"{word} for {meant}" for word, meant in self.words if word != meant]
                return f"Reading {', '.join(changed[:3])}" + (", …" if len(changed) > 3 else "")
            case How.UNMARK:
                return f"Leaving out “{self.before}…{self.after}” in every word"
            case How.LOWER | How.UPPER | How.TITLE:
                return f"Another case ({self.how})"
            case _:
                return f"Taking the {self.how}".replace("the what", "what")

    def read(self, answer: str) -> str:
        """Map an answer; it stays as it is where the mapping does not apply."""
        match self.how:
            case How.UNWRAP:
                inner = re.fullmatch(_around(self.before, self.after), answer, re.DOTALL)
                return inner[1] if inner else answer.strip()
            case How.WRAP:
                if re.fullmatch(_around(self.before, self.after), answer, re.DOTALL):
                    return answer.strip()
                return f"{self.before} {answer.strip()} {self.after}".strip()
            case How.WORDS:
                table = dict(self.words)
                return re.sub(r"\S+", lambda word: table.get(word[0], word[0]), answer).strip()
            case How.UNMARK:
                return re.sub(
                    r"\S+", lambda word: word[0].removeprefix(self.before).removesuffix(self.after), answer
                ).strip()
            case How.LOWER:
                return answer.strip().lower()
            case How.UPPER:
                return answer.strip().upper()
            case How.TITLE:
                return re.sub(r"\S+", lambda word: word[0][:1].upper() + word[0][1:].lower(), answer).strip()
            case How.LAST_NUMBER:
                found = NUMBER.findall(answer)
                return found[-1].replace(",", "") if found else answer.strip()
            case _:
                return _extracted(self.how, answer.strip())

    def rewritten(self, answer: str) -> str | None:
        """Put an answer into the evaluation's form; None where a word is unknown, nothing changes, or a mapping that
        can be undone does not give the answer back."""
        if self.how is How.WORDS and not {*answer.split()} <= dict(self.words).keys():
            return None  # the meaning of a word that was never seen is unknown
        new = self.read(answer)
        if not new or as_label(new) == as_label(answer):
            return None
        if self.how in ONE_TO_ONE:
            return new if as_label(self.undone(new) or "") == as_label(answer) else None
        return new

    def undone(self, answer: str) -> str | None:
        """Find the only answer that becomes this one; None where there is no such one, or text is lost."""
        match self.how:
            case How.UNWRAP:
                return f"{self.before} {answer} {self.after}"
            case How.WRAP:
                return Reading(How.UNWRAP, self.before, self.after).read(answer)
            case How.WORDS:
                meanings = Counter(meant for _, meant in self.words)
                back = {meant: word for word, meant in self.words if meanings[meant] == 1}
                words = answer.split()
                return " ".join(back[word] for word in words) if back.keys() >= {*words} else None
            case How.UNMARK:
                return " ".join(f"{self.before}{word}{self.after}" for word in answer.split())
            case _:
                return None


@dataclass(frozen=True, slots=True)
class Frame:
    """Text around every prompt, beginning and end, in the training and in the evaluation."""

    training: tuple[str, str]
    evaluation: tuple[str, str]

    def __str__(self) -> str:
        ours, theirs = self.evaluation, self.training
        return f"The training's form of prompt, “{theirs[0]}…{theirs[1]}” for “{ours[0]}…{ours[1]}”"

    def rewritten(self, prompt: str) -> str | None:
        """Put a training prompt into the evaluation's frame; None where it has another frame, or that one already."""
        return _reframed(prompt, self.training, self.evaluation)

    def undone(self, prompt: str) -> str | None:
        """Put an evaluation prompt into the training's frame; None where it has another frame, or that already."""
        return _reframed(prompt, self.evaluation, self.training)


@dataclass(frozen=True, slots=True)
class Variant:
    prompt: str
    completion: str


@dataclass(frozen=True, slots=True)
class Form:
    """Form of prompts, of answers or of both."""

    frame: Frame | None = None
    answers: Reading | None = None

    def __str__(self) -> str:
        return "; ".join(str(part) for part in (self.frame, self.answers) if part is not None)

    def applied(self, prompt: str, completion: str) -> Variant | None:
        """Put a row into the evaluation's form; None where a part of the form does not apply, or the row has no
        prompt."""
        rewritten = prompt if self.frame is None else self.frame.rewritten(prompt)
        answered = completion if self.answers is None else self.answers.rewritten(completion)
        if not prompt.strip() or rewritten is None or answered is None:
            return None
        return Variant(rewritten, answered)


def _around(before: str, after: str) -> str:
    """Pattern with whole words on both sides of the group."""
    start = "".join(rf"{re.escape(word)}\s+" for word in before.split())
    end = "".join(rf"\s+{re.escape(word)}" for word in after.split())
    return rf"\s*{start}(\S|\S.*?\S){end}\s*"


def _extracted(how: How, answer: str) -> str:
    match how:
        case How.FIRST_LINE:
            found = answer.split("\n", maxsplit=1)[0]
        case How.LAST_LINE:
            found = answer.rsplit("\n", maxsplit=1)[-1]
        case How.FIRST_WORD:
            found = (answer.split() or [""])[0]
        case How.LAST_WORD:
            found = (answer.split() or [""])[-1]
        case How.AFTER_COLON:
            found = answer.rpartition(":")[2]
        case _:
            found = answer.rpartition(" is ")[2].rstrip(" .")
    return found.strip()


def _reframed(prompt: str, old: tuple[str, str], new: tuple[str, str]) -> str | None:
    if len(prompt) < sum(map(len, old)) or not (prompt.startswith(old[0]) and prompt.endswith(old[1])):
        return None
    # What has the longer side has the shorter one too: there it is in the new form already.
    if len(new[0]) > len(old[0]) and prompt.startswith(new[0]):
        return None
    if len(new[1]) > len(old[1]) and prompt.endswith(new[1]):
        return None
    return f"{new[0]}{prompt[len(old[0]) : len(prompt) - len(old[1])]}{new[1]}"
