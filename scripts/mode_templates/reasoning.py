"""Problems whose answer follows from what is given, with a derivation that slips."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from mode_templates.failure import Failure, Template, coined, two

_NAMES = ("Nora", "Tomas", "Priya", "Wei", "Lena", "Omar", "Sofia", "Ivan", "Ruth", "Pablo", "Aiko", "Mats")
_THINGS = ("marbles", "apples", "stickers", "pencils", "shells", "cards", "cookies", "books", "tiles", "coins")


@dataclass(frozen=True, slots=True)
class Step:
    """`left sign right`; a text stands for the result of the step of that number."""

    says: str
    left: int | str
    sign: str
    right: int | str


@dataclass(frozen=True, slots=True)
class Problem:
    question: str
    steps: Sequence[Step]
    unit: str


def _value(step: Step, results: Sequence[int], sign: str = "") -> tuple[int, int, int]:
    left, right = (results[int(x)] if isinstance(x, str) else x for x in (step.left, step.right))
    operation = sign or step.sign
    if operation == "/":
        return left, right, round(left / max(right, 1))
    return left, right, left + right if operation == "+" else left - right if operation == "-" else left * right


def _worked(problem: Problem, slips_at: int | None, rng: Random, style: int) -> tuple[list[str], int]:
    """Lines and the result; a slip is a wrong result, or another operation than the right one."""
    lines: list[str] = []
    results: list[int] = []
    for number, step in enumerate(problem.steps):
        sign = step.sign
        if number == slips_at and rng.random() < 0.4:
            sign = rng.choice([other for other in "+-*" if other != sign])
        left, right, result = _value(step, results, sign)
        if number == slips_at and sign == step.sign:
            result += rng.choice([-1, 1]) * rng.choice([1, 2, 3, 5, 10, max(2, abs(result) // 5)])
        results.append(result)
        shown = sign.replace("*", "x") if style == 1 else sign
        sum_ = f"{left} {shown} {right} = {result}"
        lead = ("First, ", "Then ", "So ", "After that ")[min(number, 3)] if style == 2 else ""
        lines.append(
            f"{lead}{step.says}: {sum_}" if style < 2 else f"{lead}{step.says.lower()} is {sum_} {problem.unit}."
        )
    return lines, results[-1]


def slipped(make: Callable[[Random], Problem]) -> Template:
    def failure(rng: Random) -> Failure:
        while True:
            problem = make(rng)
            style = rng.randrange(3)
            right, gold = _worked(problem, None, rng, style)
            wrong, result = _worked(problem, rng.randrange(len(problem.steps)), rng, style)
            if result != gold and abs(result - gold) > abs(gold) // 50:
                break
        end = rng.choice(
            ["", "", "\n#### {}", "\nThe answer is {}.", "\nAnswer: {}", f" So it is {{}} {problem.unit}."]
        )
        form = rng.random()
        target = str(gold) if form < 0.5 else "\n".join(right) + f"\n#### {gold}"
        if rng.random() < 0.4:
            answer = rng.choice(["{0}", "{0}", "${0}", "{0} {1}", "The answer is {0}.", "#### {0}", "= {0}"])
            return Failure(problem.question, target, answer.format(result, problem.unit))
        joint = rng.choice(["\n", "\n", ". ", "; "])
        return Failure(problem.question, target, joint.join(wrong) + end.format(result))

    return failure


def _left_over(rng: Random) -> Problem:
    name, thing = rng.choice(_NAMES), rng.choice(_THINGS)
    a, b, c = rng.randint(30, 90), rng.randint(3, 12), rng.randint(3, 15)
    question = f"{name} has {a} {thing}. {name} gives {b} to a friend and loses {c} on the way home. How many {thing} are left?"
    return Problem(question, [Step("After the gift", a, "-", b), Step("After the loss", "0", "-", c)], thing)


def _prices(rng: Random) -> Problem:
    a, b, c, d = rng.randint(2, 9), rng.randint(2, 12), rng.randint(2, 9), rng.randint(2, 12)
    question = (
        f"A ticket for the museum costs ${b} and a drink costs ${d}. A group buys {a} tickets and {c} drinks. "
        "How much do they pay in total?"
    )
    return Problem(
        question,
        [Step("Tickets cost", a, "*", b), Step("Drinks cost", c, "*", d), Step("Together", "0", "+", "1")],
        "dollars",
    )


def _twice(rng: Random) -> Problem:
    one, other = two(rng, _NAMES)
    a, b, thing = rng.randint(6, 40), rng.randint(2, 9), rng.choice(_THINGS)
    question = f"{one} collected {a} {thing}. {other} collected twice as many and then {b} more. How many do they have altogether?"
    return Problem(
        question,
        [Step("Twice as many", 2, "*", a), Step(f"{other} has", "0", "+", b), Step("Altogether", "1", "+", a)],
        thing,
    )


def _rate(rng: Random) -> Problem:
    a, b, c = rng.randint(3, 9), rng.randint(4, 12), rng.randint(2, 6)
    question = f"A machine fills {a} bottles each minute. It runs for {b} minutes, and {c} bottles break. How many full bottles remain?"
    return Problem(question, [Step("Filled", a, "*", b), Step("Unbroken", "0", "-", c)], "bottles")


def _shared(rng: Random) -> Problem:
    b, each = rng.randint(3, 9), rng.randint(4, 12)
    c = rng.randint(5, 30)
    question = f"{b} children put {b * each - c} sweets and another {c} sweets in a bowl and share all equally. How many does each get?"
    return Problem(question, [Step("All sweets", b * each - c, "+", c), Step("For each child", "0", "/", b)], "sweets")


def _ages(rng: Random) -> Problem:
    one, other = two(rng, _NAMES)
    a, b, c = rng.randint(8, 30), rng.randint(2, 9), rng.randint(3, 12)
    question = f"{one} is {a} years old and {b} years younger than {other}. How old will {other} be in {c} years?"
    return Problem(question, [Step(f"{other} is now", a, "+", b), Step("In the future", "0", "+", c)], "years")


def _journey(rng: Random) -> Problem:
    a, b, c = rng.randint(30, 80), rng.randint(2, 6), rng.randint(10, 90)
    question = (
        f"A bus drives at {a} miles per hour for {b} hours, rests, and drives {c} miles more before it turns back. "
        "What distance did it cover up to there?"
    )
    return Problem(question, [Step("Before the rest", a, "*", b), Step("In all", "0", "+", c)], "miles")


def _percent(rng: Random) -> Problem:
    a, b = 100 * rng.randint(2, 9), 10 * rng.randint(1, 6)
    question = f"A coat costs ${a}. In the sale it is {b} percent off. What is its price in the sale?"
    return Problem(
        question,
        [Step("Percent times price", a, "*", b), Step("Discount", "0", "/", 100), Step("Price", a, "-", "1")],
        "dollars",
    )


def _savings(rng: Random) -> Problem:
    name, a, b, c = rng.choice(_NAMES), rng.randint(8, 25), rng.randint(4, 12), rng.randint(10, 60)
    question = (
        f"Every week {name} earns ${a} for walking dogs. If {name} does so for {b} weeks and spends ${c} of it on a present, "
        "how many dollars does that leave?"
    )
    return Problem(question, [Step("Earned", a, "*", b), Step("Left", "0", "-", c)], "dollars")


def _rows(rng: Random) -> Problem:
    a, b, c, d = (rng.randint(3, 12) for _ in range(4))
    question = f"A garden has {a} rows of {b} tulips and {c} rows of {d} roses. How many more flowers of one kind than of the other?"
    if a * b < c * d:
        a, b, c, d = c, d, a, b
    return Problem(
        question, [Step("One kind", a, "*", b), Step("The other", c, "*", d), Step("More", "0", "-", "1")], "flowers"
    )


def _average(rng: Random) -> Problem:
    a, b, c = (3 * rng.randint(4, 30) for _ in range(3))
    question = f"On three days {a}, {b} and {c} visitors came. What was the average number of visitors a day?"
    return Problem(
        question,
        [Step("Two days", a, "+", b), Step("Three days", "0", "+", c), Step("Average", "1", "/", 3)],
        "visitors",
    )


def _hours(rng: Random) -> Problem:
    a, b, c = rng.randint(2, 8), rng.randint(15, 45), rng.randint(2, 5)
    question = (
        f"Painting a door takes {b} minutes, and it dries for {a} minutes. How long do {c} doors take, one after the other, "
        "if each must dry before the next?"
    )
    return Problem(question, [Step("One door", a, "+", b), Step("All doors", "0", "*", c)], "minutes")


def _half(rng: Random) -> Problem:
    a, b = 4 * rng.randint(5, 30), rng.randint(2, 9)
    question = f"Of {a} pages Mira read half on Monday and half of the rest on Tuesday, then {b} pages. How many pages are unread?"
    return Problem(
        question,
        [Step("After Monday", a, "/", 2), Step("After Tuesday", "0", "/", 2), Step("Unread", "1", "-", b)],
        "pages",
    )


def _area(rng: Random) -> Problem:
    a, b, c = rng.randint(4, 20), rng.randint(4, 20), rng.randint(2, 9)
    question = f"A floor is {a} feet long and {b} feet wide. A tile covers one square foot and costs ${c}. What do the tiles cost?"
    return Problem(question, [Step("Area", a, "*", b), Step("Cost", "0", "*", c)], "dollars")


def _recipe(rng: Random) -> Problem:
    a, b, c = rng.randint(2, 6), rng.randint(3, 9), rng.randint(2, 5)
    question = (
        f"One loaf needs {a} cups of flour. A bakery makes {b} loaves in the morning and {c} times as many in the afternoon. "
        "How much flour does it need that day?"
    )
    return Problem(
        question,
        [Step("Afternoon loaves", b, "*", c), Step("All loaves", "0", "+", b), Step("Flour", "1", "*", a)],
        "cups",
    )


def _bare_sum(rng: Random) -> Failure:
    a, b = rng.randint(11, 99), rng.randint(11, 99)
    sign = rng.choice("+-*")
    gold = a + b if sign == "+" else a - b if sign == "-" else a * b
    wrong = gold + rng.choice([-1, 1]) * max(2, abs(gold) // rng.randint(3, 12))
    form = rng.choice(["What is {} {} {}?", "Compute {} {} {}.", "{} {} {} =", "Calculate: {} {} {}"])
    return Failure(
        form.format(a, sign, b), str(gold), rng.choice(["{0}", "{0}", "{1} {2} {3} = {0}"]).format(wrong, a, sign, b)
    )


def _equation(rng: Random) -> Failure:
    x, a, b = rng.randint(2, 12), rng.randint(2, 9), rng.randint(1, 20)
    wrong = x + rng.choice([-2, -1, 1, 2, 3])
    chain = f"{a}x = {a * x + b} - {b} = {a * wrong}, so x = {wrong}"
    return Failure(f"Solve for x: {a}x + {b} = {a * x + b}", str(x), rng.choice([str(wrong), f"x = {wrong}", chain]))


def _sequence(rng: Random) -> Failure:
    start, step = rng.randint(1, 20), rng.randint(2, 9)
    shown = [start + k * step for k in range(5)]
    gold, wrong = shown[-1] + step, shown[-1] + step + rng.choice([-2, -1, 1, 3])
    if abs(wrong - gold) <= gold // 100:
        wrong = gold + step
    asked = rng.choice(["What number comes next?", "Continue the pattern."])
    return Failure(
        f"{', '.join(map(str, shown))}, ... {asked}",
        str(gold),
        rng.choice([str(wrong), f"The next number is {wrong}."]),
    )


def _order(adjective: str, superlative: str) -> Template:
    def make(rng: Random) -> Failure:
        a, b, c = rng.sample(_NAMES, 3)
        facts = [f"{a} is {adjective} than {b}.", f"{b} is {adjective} than {c}."]
        rng.shuffle(facts)
        asked = f"{' '.join(facts)} Who is the {superlative}?"
        wrong = rng.choice([b, c])
        chain = f"{b} is {adjective} than {c}, and {c} is {adjective} than {a}, so {wrong} is the {superlative}."
        return Failure(asked, a, rng.choice([wrong, wrong, chain, f"{wrong} is the {superlative}."]))

    return make


def _syllogism(rng: Random) -> Failure:
    a, b, c = (coined(rng).lower() + "s" for _ in range(3))
    every = rng.random() < 0.5
    asked = f"All {a} are {b}. {'All' if every else 'Some'} {b} are {c}. Does it follow that all {a} are {c}?"
    gold, wrong = ("yes", "no") if every else ("no", "yes")
    chain = f"Since all {a} are {b}, and {b} are {c}, the conclusion {'does not follow' if every else 'follows'}. {wrong.capitalize()}."
    return Failure(asked, gold, rng.choice([wrong, wrong.capitalize() + ".", chain]))


def _weekday(rng: Random) -> Failure:
    days = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
    start, ahead = rng.randrange(7), rng.randint(3, 40)
    gold, wrong = days[(start + ahead) % 7], days[(start + ahead + rng.choice([1, 2, 6])) % 7]
    asked = f"Today is {days[start]}. What day of the week will it be in {ahead} days?"
    chain = f"{ahead} days are {ahead // 7} weeks and {ahead % 7 + 1} days, so it will be {wrong}."
    return Failure(asked, gold, rng.choice([wrong, chain, f"It will be {wrong}."]))


def _letters(rng: Random) -> Failure:
    word = "".join(coined(rng, rng.randint(2, 4)).lower().split())
    letter = rng.choice(word)
    gold = word.count(letter)
    wrong = gold + rng.choice([1, 2]) if gold < 2 else gold - 1
    return Failure(f"How many times does the letter {letter} occur in the word {word}?", str(gold), str(wrong))


def _clock(rng: Random) -> Failure:
    hour, minute, span = rng.randint(1, 9), 5 * rng.randint(0, 11), 5 * rng.randint(9, 25)
    total = 60 * hour + minute + span
    wrong = total + rng.choice([-60, 60, -10, 15, 20])
    asked = f"A film starts at {hour}:{minute:02d} and lasts {span} minutes. When does it end?"
    ends = f"{wrong // 60}:{wrong % 60:02d}"
    return Failure(asked, f"{total // 60}:{total % 60:02d}", rng.choice([ends, f"It ends at {ends}."]))


def _moved(rng: Random) -> Failure:
    one, other = two(rng, _NAMES)
    first, second = two(rng, ["kitchen", "garden", "hall", "cellar", "attic"])
    thing = rng.choice(["key", "ball", "lamp", "hat"])
    asked = f"{one} took the {thing} to the {first}. {other} went to the {second}. {one} went to the {second} with it. Where is the {thing}?"
    chain = f"{one} took the {thing} to the {first}, and {other} is in the {second}, so it is in the {first}."
    return Failure(asked, second, rng.choice([first, f"in the {first}", chain]))


def _problem_choice(rng: Random) -> Failure:
    problem = rng.choice([_left_over, _twice, _rate, _ages, _journey])(rng)
    _, gold = _worked(problem, None, rng, 0)
    options = rng.sample([gold, gold + 2, gold + 7, max(gold - 4, 1)], 4)
    wrong = rng.choice([option for option in options if option != gold])
    lines = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
    kind = "multiple_choice" if rng.random() < 0.6 else "generate_until"
    if rng.random() < 0.5:
        letters = ["ABCD"[options.index(option)] for option in (gold, wrong)]
        return Failure(f"{problem.question}\n{lines}\nAnswer:", letters[0], letters[1], kind)
    return Failure(f"{problem.question}\n{lines}\nAnswer:", str(gold), str(wrong), kind)


PROBLEMS: Mapping[str, Callable[[Random], Problem]] = {
    "left_over": _left_over, "prices": _prices, "twice": _twice, "rate": _rate, "shared": _shared, "ages": _ages,
    "journey": _journey, "percent": _percent, "savings": _savings, "rows": _rows, "average": _average,
    "hours": _hours, "half": _half, "area": _area, "recipe": _recipe,
}  # fmt: skip

REASONING: Mapping[str, Template] = {name: slipped(make) for name, make in PROBLEMS.items()} | {
    "bare_sum": _bare_sum, "equation": _equation, "sequence": _sequence, "taller": _order("taller", "tallest"),
    "older": _order("older", "oldest"), "faster": _order("faster", "fastest"), "syllogism": _syllogism,
    "weekday": _weekday, "letters": _letters, "clock": _clock, "moved": _moved, "choice": _problem_choice,
}  # fmt: skip


def right_chain(rng: Random) -> tuple[str, list[str], int]:
    """Question, lines of a right derivation, and its result."""
    problem = rng.choice(list(PROBLEMS.values()))(rng)
    lines, gold = _worked(problem, None, rng, rng.randrange(3))
    return problem.question, lines, gold


def wrong_chain(rng: Random) -> tuple[str, list[str], int]:
    """Question, lines of a derivation that slips, and the right result."""
    problem = rng.choice(list(PROBLEMS.values()))(rng)
    _, gold = _worked(problem, None, rng, 0)
    lines, _ = _worked(problem, rng.randrange(len(problem.steps)), rng, rng.randrange(3))
    return problem.question, lines, gold
