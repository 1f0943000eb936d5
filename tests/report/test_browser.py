"""The page in a real browser, from the file system, with everything that it does watched."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")

from playwright.sync_api import Browser, Page  # noqa: E402

from directloss.report import write_report  # noqa: E402
from directloss.report.page import plot_data  # noqa: E402
from directloss.report.schema import Results  # noqa: E402
from directloss.report.style import DARK_BACKGROUND, LIGHT_BACKGROUND, line_styles  # noqa: E402

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
NAMES = ("chromium", "chromium-browser", "google-chrome")
KINDS = ("test", "spread", "zero_gradient")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"no browser: set CHROMIUM, or put one of {', '.join(NAMES)} on the PATH")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def report(results: Results, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    (folder / "results.json").write_text(results.to_json())
    write_report(folder / "results.json", folder / "report.html")
    return folder / "report.html"


@pytest.fixture(scope="module")
def opened(browser: Browser, report: Path) -> Iterator[Page]:
    """The page; a message on its console, an error or a second request fails the last test."""
    page = browser.new_page()
    heard: list[str] = []
    page.on("console", lambda message: heard.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: heard.append(f"error: {error}"))
    page.on("request", lambda request: heard.append(f"request: {request.url}"))
    page.goto(report.as_uri())
    page.wait_for_selector("#plot-zero_gradient .scatterlayer .trace")
    yield page
    page.close()
    assert heard == [f"request: {report.as_uri()}"]


@pytest.fixture
def page(opened: Page) -> Page:
    """The page as it looks when it has just been opened on a wide, light screen."""
    opened.set_viewport_size({"width": 1400, "height": 900})
    opened.emulate_media(color_scheme="light")
    opened.get_by_label("Column").select_option(index=0)
    opened.get_by_role("button", name="show all").click()
    return opened


def drawn_lines(page: Page, kind: str) -> list[str]:
    """Names of the lines that are on the screen."""
    return page.evaluate(
        """kind => document.getElementById(`plot-${kind}`).calcdata.map(([point]) => point.trace)
            .filter(trace => trace.visible === true && trace.meta === "line").map(t => t.name)""",
        kind,
    )


def heights(page: Page, kind: str, method: str) -> list[float | None]:
    """The y values of a method's line."""
    return page.evaluate(
        """([kind, method]) => document.getElementById(`plot-${kind}`).data
            .find(trace => trace.meta === "line" && trace.name === method).y""",
        [kind, method],
    )


def test_the_table_shows_the_numbers_of_the_results(page: Page, results: Results) -> None:
    heads = page.locator("#results thead th").all_inner_texts()
    assert heads == ["method", *results.columns, "average"]
    rows = page.locator("#results tbody tr").all()
    assert len(rows) == len(results.table.rows)
    for shown, row in zip(rows, results.table.rows, strict=True):
        assert shown.locator("th").inner_text() == row.method
        cells = shown.locator("td").all()
        for cell, entry in zip(cells, [*row.cells, row.average], strict=True):
            mean, deviation = cell.inner_text().split()
            assert float(mean) / 100 == pytest.approx(entry.mean, abs=0.5e-4)
            assert float(deviation.removeprefix("±")) / 100 == pytest.approx(entry.std, abs=0.5e-4)
            weight = cell.locator(".mean").evaluate("e => getComputedStyle(e).fontWeight")
            assert (int(weight) >= 700) == entry.best


def test_every_method_is_drawn(page: Page, results: Results) -> None:
    for kind in KINDS:
        assert drawn_lines(page, kind) == results.methods
        # A band and a line each.
        assert page.locator(f"#plot-{kind} .scatterlayer .trace").count() == 2 * len(
            results.methods
        )


def test_a_legend_entry_hides_and_shows_its_method(page: Page, results: Results) -> None:
    entry = page.get_by_role("button", name="pos-ap", exact=True)
    others = [method for method in results.methods if method != "pos-ap"]
    for expected, pressed in ((others, "false"), (results.methods, "true")):
        entry.click()
        assert entry.get_attribute("aria-pressed") == pressed
        for kind in KINDS:
            assert drawn_lines(page, kind) == expected
            traces = page.locator(f"#plot-{kind} .scatterlayer .trace")
            assert traces.count() == 2 * len(expected)


def test_the_legend_works_from_the_keyboard(page: Page, results: Results) -> None:
    page.get_by_role("button", name="hide all").press("Enter")
    assert drawn_lines(page, "test") == []
    page.get_by_role("button", name=results.methods[0], exact=True).press("Space")
    assert drawn_lines(page, "test") == results.methods[:1]
    page.get_by_role("button", name="show all").press("Enter")
    assert drawn_lines(page, "test") == results.methods


def test_bands_can_be_taken_away(page: Page, results: Results) -> None:
    button = page.get_by_role("button", name="bands")
    traces = page.locator("#plot-test .scatterlayer .trace")
    for expected, pressed in ((1, "false"), (2, "true")):
        button.click()
        assert button.get_attribute("aria-pressed") == pressed
        assert traces.count() == expected * len(results.methods)


def test_the_column_chooser_changes_every_figure(page: Page, results: Results) -> None:
    data = plot_data(results)
    chooser = page.get_by_label("Column")
    labels = chooser.locator("option").all_inner_texts()
    assert labels == ["average over all", *results.columns]
    for index, label in enumerate(labels):
        chooser.select_option(label=label)
        for kind in KINDS:
            for number, method in enumerate(results.methods):
                assert heights(page, kind, method) == data["curves"][kind][index][number]["y"]


def test_zoom_shows_the_better_half(page: Page, results: Results) -> None:
    limits = "document.getElementById('plot-test')._fullLayout.yaxis.range"
    whole = page.evaluate(limits)
    zoom = page.get_by_role("button", name="zoom to the better half")
    zoom.click()
    low, high = page.evaluate(limits)
    last = sorted(heights(page, "test", method)[-1] for method in results.methods)
    assert whole[0] < last[0] < low < last[1] < last[2] < high
    zoom.click()
    assert page.evaluate(limits) == whole


def test_colours_follow_the_scheme(page: Page, results: Results) -> None:
    styles = line_styles(results.methods)
    for scheme, background in (("light", LIGHT_BACKGROUND), ("dark", DARK_BACKGROUND)):
        page.emulate_media(color_scheme=scheme)
        colours = [getattr(style, scheme) for style in styles.values()]
        page.wait_for_function(
            """([background, colours]) => {
                const { data, layout } = document.getElementById("plot-test");
                const lines = data.filter(trace => trace.meta === "line");
                return layout.paper_bgcolor === background
                    && lines.every((line, i) => line.line.color === colours[i]);
            }""",
            arg=[background, colours],
            timeout=5_000,
        )


@pytest.mark.parametrize("width", [280, 400, 1400])
def test_the_page_fits_any_width(page: Page, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.wait_for_function(
        "width => document.documentElement.scrollWidth === width", arg=width, timeout=5_000
    )


def test_a_wide_table_scrolls_under_its_first_column(page: Page) -> None:
    page.set_viewport_size({"width": 280, "height": 800})
    region = page.get_by_role("region", name="Results: test average precision")
    name, value = region.locator("tbody th").first, region.locator("tbody td").first
    before = name.bounding_box(), value.bounding_box()
    region.evaluate("e => { e.scrollLeft = 20 }")
    after = name.bounding_box(), value.bounding_box()
    assert before[0] == after[0]
    assert before[1] is not None and after[1] is not None
    assert after[1]["x"] == before[1]["x"] - 20


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_an_edge_shadow_says_that_columns_are_hidden(page: Page, scheme: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.emulate_media(color_scheme=scheme)
    region = page.locator(".scroll", has=page.locator("#behind"))
    hidden = region.evaluate("e => e.scrollWidth - e.clientWidth")
    assert hidden > 0
    region.scroll_into_view_if_needed()

    def right_edge() -> bytes:
        box = region.bounding_box()
        assert box is not None
        edge = {"x": box["x"] + box["width"] - 3, "y": box["y"] + 4, "width": 3, "height": 8}
        return page.screenshot(clip=edge)

    at_first = right_edge()
    region.evaluate("e => { e.scrollLeft = e.scrollWidth }")
    at_last = right_edge()
    region.evaluate("e => { e.scrollLeft = 0 }")
    assert at_first != at_last
    assert at_first == right_edge()


def test_accessible_names(page: Page) -> None:
    assert page.locator("html").get_attribute("lang") == "en"
    assert page.get_by_role("heading", level=1).count() == 1
    for table in page.get_by_role("table").all():
        assert table.locator("caption").inner_text()
        assert table.locator("th:not([scope])").count() == 0
    for figure in page.get_by_role("figure").all():
        assert figure.locator("figcaption").inner_text()
