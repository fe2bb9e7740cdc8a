"""The report's page in a real browser."""

import io
import json

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from tests.support.mini_benchmark import MINI
from tests.support.report_data import (
    EVALUATION,
    NASTY,
    recorded_episode,
    recorded_step,
    recording,
    training_run,
)
from tests.vlm_agent.conftest import BROWSER
from vlm_agent.data.trajectory_writer import TrajectoryWriter
from vlm_agent.evaluation.benchmark import Player, run_benchmark
from vlm_agent.reporting import ReportConfig, write_report
from vlm_agent.reporting.benchmark_page import write_benchmark_page

WIDE = {"width": 1300, "height": 900}
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Two runs of one group, an evaluation, and four episodes: won, failed, illegal, hostile."""
    folder = tmp_path_factory.mktemp("report")
    for seed, rates in enumerate(([0.0, 0.5, 1.0], [0.5, 0.5, 0.5])):
        training_run(folder / f"seed{seed}", rates, seed=seed)
    (folder / "eval.jsonl").write_text(json.dumps(EVALUATION))
    illegal = [recorded_step(), recorded_step("nonsense", parsed_action=None, penalty=1.0)]
    recording(
        folder / "episodes",
        [
            recorded_episode([recorded_step(), recorded_step(), recorded_step(reward=-1.0)]),
            recorded_episode(won=False, number=1),
            recorded_episode(illegal, won=False, number=2),
            recorded_episode([recorded_step(words, words) for words in NASTY], number=3),
        ],
    )
    return write_report(ReportConfig((str(folder),), str(folder / "out")))


@pytest.fixture
def open_page(browser, report):
    """Opens the page; at the end, there must have been no error and no request."""
    contexts, problems = [], []

    def show(viewport=WIDE, fragment="", **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("request", lambda request: problems.append(request.url))
        page.goto(report.as_uri() + fragment)
        assert problems.pop(0).startswith("file:")
        return page

    yield show
    for context in contexts:
        context.close()
    assert [each for each in problems if not each.startswith("data:")] == []


def test_everything_is_there(open_page):
    page = open_page()
    assert page.title() == "Agent report"
    assert page.locator("#evaluations tbody tr").count() == 1
    assert page.locator("#trained tbody tr").count() == 2
    assert page.locator("#curves .chart polyline").count() >= 3
    assert page.locator("[data-metric='rollout/success_rate'] .band").count() == 1
    assert (
        page.locator("#configuration code").all_inner_texts()[0].startswith("vlm-agent ppo --env")
    )
    assert page.locator("#list button").count() == 4
    image = page.locator(".sight img")
    assert image.evaluate("image => image.complete && image.naturalWidth") == 12


def test_a_picture_that_differs_in_a_part_is_shown_whole(browser, tmp_path):
    white = np.full((60, 80, 3), 255, np.uint8)
    marked = white.copy()
    marked[40:50, 50:70] = (200, 0, 0)
    writer = TrajectoryWriter(tmp_path / "run")
    steps = [recorded_step(pictures=[writer.save_picture(each)]) for each in (white, marked)]
    writer.write(recorded_episode(steps))
    writer.close()
    page = browser.new_page(viewport=WIDE)
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    path = write_report(ReportConfig((str(tmp_path),), str(tmp_path / "out")))
    page.goto(path.as_uri() + "#episode=0&step=1")
    assert page.locator(".tile svg image").count() == 2
    picture = page.get_by_role("img", name="what the agent saw")
    assert picture.locator("image").count() == 2
    box = picture.bounding_box()
    assert box["width"] / box["height"] == pytest.approx(80 / 60, rel=0.05)
    seen = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("RGB")).astype(int)
    height, width, _ = seen.shape
    for left, top, colour in [(60, 45, (200, 0, 0)), (45, 45, (255,) * 3), (60, 30, (255,) * 3)]:
        found = seen[int((top + 0.5) * height / 60), int((left + 0.5) * width / 80)]
        assert np.abs(found - colour).max() < 8
    page.keyboard.press("ArrowLeft")
    assert page.locator(".sight img").count() == 1
    assert problems == []
    page.close()


def test_a_curve_tells_its_values(open_page):
    page = open_page()
    chart = page.locator("[data-metric='rollout/success_rate']")
    chart.scroll_into_view_if_needed()
    box = chart.locator("svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + box["height"] / 2)
    tip = chart.locator(".tip")
    assert tip.inner_text().split("\n") == ["300 steps", "seed*: 75% [50%, 100%]"]
    chart.locator("svg").press("ArrowLeft")
    assert tip.inner_text().startswith("200 steps")
    page.mouse.move(0, 0)
    assert tip.is_hidden()
    page.get_by_role("button", name="seed* (2 seeds)").click()
    assert chart.locator("polyline").count() == 0


def test_keys_lead_through_steps_and_episodes(open_page):
    page = open_page(fragment="#episodes")
    place = page.locator("#place")
    page.locator("#stage").scroll_into_view_if_needed()
    seen = []
    for key in ("ArrowRight", "End", "ArrowRight", "Home", "ArrowDown", "ArrowDown", "ArrowUp"):
        page.keyboard.press(key)
        chosen = page.locator("#list [aria-current]").get_attribute("data-index")
        seen.append((chosen, place.inner_text()))
    assert seen == [
        ("0", "step 2 of 3"),
        ("0", "step 3 of 3"),
        ("0", "step 3 of 3"),
        ("0", "step 1 of 3"),
        ("1", "step 1 of 1"),
        ("2", "step 1 of 2"),
        ("1", "step 1 of 1"),
    ]
    page.locator("#search").fill("x")
    page.locator("#search").press("Home")  # stays in the text
    assert "episode=1" in page.url


def test_a_link_leads_to_a_step(open_page):
    page = open_page(fragment="#episode=2&step=1")
    assert page.locator("#place").inner_text() == "step 2 of 2"
    played = page.locator("[data-fact='Played']").inner_text()
    assert played == "on (at random: the reply names no action)"


@pytest.mark.parametrize(
    ("outcome", "indices"),
    [("won", 2), ("failed", 2), ("illegal", 1), ("misread", 4), ("all", 4)],
)
def test_filters(open_page, outcome, indices):
    page = open_page()
    page.locator(f"[data-outcome={outcome}]").click()
    assert page.locator("#list button").count() == indices
    assert page.locator("#count").inner_text() == f"{indices} of 4 episodes"
    page.locator("#search").fill("no reply holds this")
    assert page.locator("#stage").inner_text() == "No episode fits."
    page.locator("#search").fill("NONSENSE")
    assert page.locator("#list button").count() == (
        outcome in ("failed", "illegal", "misread", "all")
    )


def test_tokens_are_coloured_by_part_and_probability(open_page):
    page = open_page()
    tokens = page.locator("#reply .token")
    assert [each.get_attribute("class") for each in tokens.all()] == [
        "token thought",
        "token action",
    ]
    colours = [each.evaluate("e => getComputedStyle(e).backgroundColor") for each in tokens.all()]
    assert len(set(colours)) == 2
    assert page.locator("#token-legend .token").count() == 10
    tokens.nth(1).hover()
    assert page.locator("#token").inner_text() == "action · token 2 · p = 0.082"
    assert page.locator("#reply").inner_text() == recorded_step()["reply"]


def test_hostile_replies_stay_text(open_page):
    page = open_page(fragment="#episode=3&step=0")
    for words in NASTY[:-1]:
        shown = page.locator("#reply").text_content()
        assert shown[:5] == words[:5]
        assert len(shown) <= 20_000
        page.keyboard.press("ArrowRight")
    assert page.title() == "Agent report"
    assert page.locator("#reply").text_content() == "This player writes no reply."
    page.keyboard.press("ArrowLeft")
    page.get_by_role("button", name="Show all 1,500,000 characters").click()
    assert len(page.locator("#reply").text_content()) == 1_500_000


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark(open_page, scheme):
    page = open_page(color_scheme=scheme)
    other = {"light": "Dark", "dark": "Light"}[scheme]

    def brightness():
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour[4:-1].split(",")))

    before = brightness()
    assert (before > 384) == (scheme == "light")
    page.get_by_role("button", name=other, exact=True).click()
    assert (brightness() > 384) == (scheme == "dark")


def test_it_fits_a_phone(open_page):
    page = open_page(PHONE, is_mobile=True, has_touch=True)
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.locator("#next").tap()
    assert page.locator("#place").inner_text() == "step 2 of 3"
    reply = page.locator("#reply").bounding_box()
    assert reply["width"] > 300
    assert reply["x"] + reply["width"] < PHONE["width"]


def test_a_benchmark_is_drawn(browser, tmp_path):
    trained = [{"env": "gym_cards/NumberLineLong-v0", "env_kwargs": {}}]
    player = Player("<b>me</b>", "random", "random", trained_on=trained)
    record = run_benchmark(player, MINI, MINI.tasks, tmp_path / "me.json")
    path = write_benchmark_page(MINI, [record], tmp_path / "index.html")
    page = browser.new_page(viewport=PHONE)
    problems = []
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.as_uri())
    assert page.title() == "Benchmark mini-1"
    assert page.locator("#nav a").all_inner_texts() == ["Means", "Tasks", "Players"]
    means = page.locator("#means tbody tr")
    assert means.nth(0).locator("td").first.inner_text() == "<b>me</b>"
    assert means.nth(1).locator("td").nth(1).inner_text() == "2 of 3 tasks"
    assert page.locator("#tasks h3").all_inner_texts() == ["NumberLine", "Blackjack"]
    rows = page.locator("#tasks tbody tr")
    assert rows.count() == len(MINI.tasks)
    assert rows.nth(1).locator("td").first.inner_text() == "<b>me</b> *"
    for image in page.locator(".task img").all():
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 300
    scale = page.locator("#tasks .whisker").first
    assert "random 27.6%, limit 100%" in scale.get_attribute("aria-label")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert problems == []
    page.close()
