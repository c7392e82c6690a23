"""A report's page, taken apart."""

import re
from html.parser import HTMLParser

from controller.results.page.words import numbers

VOID = {"meta", "br", "line", "circle", "link", "input"}


class Page(HTMLParser):
    """Elements, their attributes and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += data.replace(numbers.NBSP, " ")


def flat(html: str) -> str:
    """The visible text of a page in one line."""
    return re.sub(r"\s+", " ", Page(html).text)
