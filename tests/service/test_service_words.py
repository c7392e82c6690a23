"""What the command line says of the words that the service's verbs are given."""

from pathlib import Path

import pytest

from controller.main import run
from service.home import Home
from service.settings import Serve, parted
from service.store import tokens
from service.store.database import Database


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["serve", "serve.prt=1"], "unknown key 'serve.prt'; did you mean 'serve.port'?"),
        (["serve", "serve.port=x"], "serve.port=x: Input should be a valid integer"),
        (["serve", "serve.port=70000"], "serve.port must be from 0 to 65535"),
        (["serve", "serve.slots=0"], "serve.slots must be at least 1"),
        (["serve", "serve.grace=60"], "serve.grace must be above 0 and at most 6 seconds"),
        (["serve", "serve.grace=nan"], "serve.grace must be above 0 and at most 6 seconds"),
        (["serve", "serve.home="], "serve.home must name a folder"),
        (["serve", "serve.home=a?b"], "serve.home must name a folder"),
        (["serve", "serve.home=/dev/null/x"], "serve.home /dev/null/x cannot be a folder that is written to"),
        (["serve", "serve.database=mysql://x"], "serve.database must begin with postgresql://"),
        (["serve", "serve.port=0", "serve.port=1"], "serve.port is named twice"),
        (["serve", "serve.host=256.0.0.1", "serve.port=0"], "cannot be listened on"),
        (["serve", "now"], "evalmend serve takes serve.key=value alone, got 'now'"),
        (["status"], "is no home; make it with evalmend serve serve.home=evalmend-home"),
        (["submit"], "evalmend submit needs a recipe"),
        (["submit", "seed=1"], "evalmend submit needs a recipe"),
        (["submit", "smoke", "1"], "evalmend submit takes field=value after the recipe, got '1'"),
        (["submit", "smoke", "a=1", "a=2"], "field a is named twice"),
        (["serve", "serve.names=a b"], "serve.names must be names of hosts"),
        (["token"], "is no home"),
        (["statsu"], "unknown verb 'statsu'; did you mean 'status'?"),
    ],
)
def test_bad_words_are_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], words: list[str], what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(words) == 2
    said = capfd.readouterr().err
    assert what in said
    assert said.count("\n") == 1


def test_settings_are_parted_from_other_words_and_read_by_their_type() -> None:
    command = parted(["starter", "serve.port=0", "seed=1", "serve.grace=2", "serve.slots=null", "serve.home=a=b"])
    assert command.serve == Serve(home="a=b", port=0, grace=2.0, slots=None)
    assert command.words == ("starter", "seed=1")


def test_a_token_is_given_listed_and_taken_back(
    home: Home, database: Database, capsys: pytest.CaptureFixture[str]
) -> None:
    where = f"serve.home={home.folder}"
    assert run(["token", "give", "anna", "role=approver", where]) == 0
    text = capsys.readouterr().out.strip()
    found = tokens.by_text(database, text)
    assert found is not None
    assert (found.name, found.role, found.server) == ("anna", "approver", None)
    assert run(["token", "list", where]) == 0
    assert capsys.readouterr().out == f"{found.id}  anna  approver\n"
    assert run(["token", "take", found.id, where]) == 0
    assert tokens.by_text(database, text) is None
    for words in (["take", found.id], ["give", "anna"], ["give", "a b", "role=viewer"], ["give", "anna", "role=god"]):
        assert run(["token", *words, where]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    assert tokens.listed(database) == []
