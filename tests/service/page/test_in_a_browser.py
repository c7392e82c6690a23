"""Pages in a real browser: what a person sees and does, from the link that signs in to an accepted verdict."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from builders.browsers import Opened, browser
from builders.recorded import recorded
from builders.services import Hosted, hosted, until

from service.loops.states import State
from service.store import loops

WIDTHS = (1280, 390)
PAGES = ["", "/findings", "/proposal", "/items", "/rows", "/lineage"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Hosted]:
    with hosted(tmp_path / "home") as made:
        made.start()
        yield made


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as found:
        yield found


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_has_a_serious_fault_of_access_or_is_wider_than_its_window(
    server: Hosted, chromium: Any, scheme: str
) -> None:
    recorded(server)
    for width in WIDTHS:
        with Opened(chromium, server.link(), width, scheme) as page:
            for path in ["/", "/schedules", "/looks", *(f"/loops/made-1{one}" for one in PAGES)]:
                page.go(path)
                assert page.faults() == [], (path, width, scheme)
                assert page.overflow() <= 0, (path, width)
            assert page.messages == []


@pytest.mark.slow
def test_a_person_decides_with_the_keyboard_alone_and_a_second_one_is_told_that_it_is_too_late(
    server: Hosted, chromium: Any
) -> None:
    recorded(server)
    with Opened(chromium, server.link(), 1280) as first, Opened(chromium, server.link(), 390) as second:
        for page in (first, second):
            page.go("/loops/made-1/proposal")
        first.tab_to("input[name=why]")
        first.page.keyboard.type("the rows are right")
        first.page.keyboard.press("Tab")
        first.page.keyboard.press("Enter")
        first.page.wait_for_url("**/loops/made-1")
        second.page.get_by_role("button", name="Reject").click()
        refusal = second.page.get_by_role("alert")
        refusal.wait_for()
        assert "approved" in refusal.inner_text()
        assert second.page.url.endswith("/proposal")
    answer = (server.home.runs / "made-1" / "approvals.jsonl").read_text()
    assert '"approved"' in answer
    assert "the rows are right" in answer
    assert '"rejected"' not in answer


@pytest.mark.slow
def test_a_person_approves_a_part_of_a_proposal_and_rejects_as_a_whole(server: Hosted, chromium: Any) -> None:
    for name in ("made-1", "made-2"):
        recorded(server, name)
    with Opened(chromium, server.link(), 390) as page:
        page.go("/loops/made-1/proposal")
        for box in page.page.get_by_role("checkbox").all():
            box.uncheck()
        page.page.get_by_role("button", name="Approve").click()
        refusal = page.page.get_by_role("alert")
        refusal.wait_for()
        assert "leave_out leaves nothing of 0: clean: verb = walk; 1: retrieve: verb = jump" in refusal.inner_text()
        page.page.get_by_role("checkbox", name="retrieve: verb = jump").check()
        page.page.get_by_label("Part of its draws").fill("0.5")
        page.page.get_by_role("button", name="Approve").click()
        page.page.wait_for_url("**/loops/made-1")
        page.go("/loops/made-2/proposal")
        page.page.get_by_role("checkbox", name="clean: verb = walk").uncheck()
        page.page.get_by_role("button", name="Reject").click()
        page.page.wait_for_url("**/loops/made-2")
    runs = server.home.runs
    lines = [(runs / name / "approvals.jsonl").read_text().splitlines()[-1] for name in ("made-1", "made-2")]
    told = [(json.loads(line)["decision"], json.loads(line)["change"]) for line in lines]
    assert told == [("approved", {"leave_out": [0], "scale": 0.5}), ("rejected", {"leave_out": [], "scale": 1.0})]


@pytest.mark.slow
def test_what_was_chosen_to_compare_stays_chosen_while_the_list_is_fetched_anew(server: Hosted, chromium: Any) -> None:
    recorded(server, "made-1", State.ENDED)
    recorded(server, "made-2", State.ENDED)
    with Opened(chromium, server.link(), 1280) as page:
        page.page.get_by_label("Compare made-1").check()
        with page.page.expect_response(lambda answer: "offset=0" in answer.url):
            pass
        page.page.wait_for_timeout(300)
        assert page.page.get_by_label("Compare made-1").is_checked()
        assert not page.page.get_by_label("Compare made-2").is_checked()


@pytest.mark.long
def test_the_starter_is_submitted_watched_approved_and_accepted_in_a_browser(tmp_path: Path, chromium: Any) -> None:
    home = tmp_path / "home"
    with hosted(home) as made:
        (made.home.recipes / "starter.yaml").write_text(
            "experiment: starter\nwords: [tracking.uri=none, budget.rounds=1]\nfields:\n"
            "  seed: {type: int, key: seed, min: 0, max: 999}\n"
            "  approval: {type: choice, key: controller.approval, choices: [never, ask]}\n"
        )
        made.start()
        with Opened(chromium, made.link(), 1280) as page:
            page.page.locator("details.recipe > summary", has_text="starter").click()
            form = page.page.locator("form.start", has=page.page.locator("input[value=starter]"))
            form.get_by_label("seed").fill("0")
            form.get_by_label("approval").select_option("ask")
            form.get_by_role("button", name="Start").click()
            page.page.wait_for_url(re.compile(r"/loops/starter-[0-9a-f]{8}$"))
            loop = page.page.url.rsplit("/", 1)[1]
            under_way = page.page.get_by_label("Under way")
            under_way.get_by_text("train initial").wait_for(timeout=240_000)
            widths = set()
            bar = under_way.locator(".bar i").first
            until(lambda: widths.add(bar.get_attribute("style")) or len(widths) > 2, "progress that moves")
            page.page.get_by_text("Round 0 waits for a decision").wait_for(timeout=600_000)
            until(lambda: made.service.loop(loop).state is State.WAITING, "a loop without a process")
            assert made.processes() == []
            page.page.get_by_role("link", name="Read the proposal and decide").click()
            assert page.page.locator(".item.come").count() > 0
            page.page.get_by_label("Why").fill("descend is starved")
            page.page.get_by_role("button", name="Approve").click()
            page.page.wait_for_url(f"**/loops/{loop}")
            page.page.get_by_text("confirmed on items that nothing had seen").wait_for(timeout=600_000)
            assert "Accepted" in page.page.locator(".timeline").inner_text()
            page.page.locator(".state.ended").wait_for()
            assert page.messages == []
        ended = made.service.loop(loop)
        assert ended.state is State.ENDED
        assert ended.seen is not None
        assert ended.seen["decision"] == "accepted"
        assert [one.ending for one in loops.stretches(made.database, loop)] == ["waiting", "ended"]
