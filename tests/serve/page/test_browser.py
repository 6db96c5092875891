"""The page in a browser: asking, errors in words, keys, the traffic, the keyboard, and what axe-core says of it."""

import re
from base64 import b64encode

import pytest

pytest.importorskip("playwright")

from playwright.sync_api import expect

from arms.serve.memory.opening import open_memory
from tests.serve.helpers import picture, serving, settings_of
from tests.serve.page.browser import TellingRouter, chromium
from tests.serve.page.test_neighbours import folder

__all__ = ["folder"]

pytestmark = pytest.mark.slow

WITHIN_MS = 60_000
PASTE = """([text, kind]) => {
    const data = new DataTransfer();
    const bytes = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    data.items.add(new File([bytes], "made.png", {type: "image/png"}));
    const target = document.querySelector(kind === "drop" ? "#drop" : "#question");
    target.dispatchEvent(kind === "drop" ? new DragEvent("drop", {dataTransfer: data, bubbles: true})
        : new ClipboardEvent("paste", {clipboardData: data, bubbles: true}));
}"""


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def watched(started_upstream, folder, tmp_path_factory):
    """A gateway with a memory, a policy, and the dataset's pictures; of small requests."""
    place = str(tmp_path_factory.mktemp("memory") / "memory.db")
    settings = settings_of(
        started_upstream.url,
        memory=place,
        page={"pictures": str(folder)},
        policies={"thrifty": {"name": "cheapest", "tau": 0.1, "of": "cost"}},
        limits={"body_mb": 0.05, "images": 2},
    )
    with serving(settings, TellingRouter(), open_memory(place)) as gateway:
        yield gateway


@pytest.fixture
def visit(browser, upstream):
    """Opens the page of a gateway; what goes wrong in it, or comes from elsewhere, fails the test."""
    contexts, wrong = [], []

    def open_page(gateway, fragment="", **settings):
        context = browser.new_context(locale="en-GB", **settings)
        contexts.append(context)
        context.set_default_timeout(WITHIN_MS)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if "Content Security Policy" in said.text else None)
        page.on(
            "request",
            lambda one: None if one.url.startswith((gateway.url, "blob:", "data:")) else wrong.append(one.url),
        )
        page.goto(f"{gateway.url}/{fragment}", wait_until="networkidle")
        return page

    expect.set_options(timeout=WITHIN_MS)
    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def file_of(side=32, name="red.png"):
    return {"name": name, "mimeType": "image/png", "buffer": picture(side=side)}


def ask(page, question, button="Ask"):
    page.get_by_label("Question").fill(question)
    page.get_by_role("button", name=button, exact=True).click()


class TestAsk:
    def test_a_picture_and_a_question(self, visit, watched, upstream):
        page = visit(watched)
        page.get_by_label("Pictures", exact=True).set_input_files([file_of()])
        ask(page, "beta, how many?")
        rows = page.locator("#ranked tr")
        expect(rows).to_have_count(3)
        expect(rows.first).to_have_text(re.compile(r"^betachosen0\.900\$0\.\d+$"))
        expect(page.locator("#answer")).to_have_text('Zwei: "model": "x" \\ ü')
        expect(page.get_by_role("status").first).to_have_text(
            re.compile("^beta answered in .*, with 1,000 \\+ 100 tokens")
        )
        content = upstream.asked[-1][0]["messages"][0]["content"]
        assert [part["type"] for part in content] == ["text", "image_url"]

    def test_why(self, visit, watched):
        page = visit(watched)
        ask(page, "alpha?", "Only rank")
        expect(page.locator("#facts")).to_contain_text("0.125")
        expect(page.locator("#facts")).to_contain_text(
            "alpha beats beta, the best single VLM, with a chance of 80.0 %."
        )
        near, silent, gone = (page.locator("#neighbours li").nth(place) for place in range(3))
        expect(near).to_contain_text("How many?")
        expect(near).to_contain_text("Right: alpha")
        expect(near).to_contain_text("Wrong: beta, gamma")
        expect(near.get_by_role("img", name="Picture 1 of training query a/b 1")).to_be_visible()
        expect(silent).to_contain_text("(no question)")
        expect(gone).to_contain_text("is not in the folder")
        expect(page.locator("#answer-part")).to_be_hidden()

    def test_a_picture_only_dropped_or_pasted_and_removed(self, visit, watched, upstream):
        page = visit(watched)
        for kind in ("drop", "paste"):
            page.evaluate(PASTE, [b64encode(picture()).decode(), kind])
        remove = page.get_by_role("button", name="Remove made.png")
        expect(remove).to_have_count(2)
        remove.first.focus()
        page.keyboard.press("Enter")
        expect(remove).to_have_count(1)
        expect(remove).to_be_focused()
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(page.locator("#ranked tr").first).to_contain_text("gamma")  # as the picture is red
        expect(page.locator("#answer")).not_to_be_empty()
        assert [part["type"] for part in upstream.asked[-1][0]["messages"][0]["content"]] == ["image_url"]

    def test_text_only_by_another_policy_with_the_keyboard(self, visit, watched):
        page = visit(watched)
        page.get_by_label("Chosen by").select_option("arms/thrifty")
        page.get_by_label("Question").press_sequentially("alpha?")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#ranked tr.chosen")).to_contain_text("gamma")  # the cheapest
        expect(page.locator("#answer")).not_to_be_empty()

    def test_feedback_is_kept(self, visit, watched):
        page = visit(watched)
        ask(page, "alpha?")
        page.get_by_role("button", name="Right").click()
        expect(page.get_by_role("button", name="Right")).to_have_attribute("aria-pressed", "true")
        expect(page.get_by_role("status").first).to_have_text("Noted as right.")

    def test_another_vlm_answers_where_one_fails(self, visit, watched, upstream):
        upstream.how["alpha"] = "503"
        page = visit(watched)
        ask(page, "alpha?")
        expect(page.locator("#answered-by")).to_have_text(re.compile("^beta answered .*, after alpha failed\\.$"))

    def test_a_slow_answer_can_be_stopped(self, visit, watched, upstream):
        upstream.how["alpha"] = "endless"
        page = visit(watched)
        ask(page, "alpha?")
        expect(page.locator("#answer")).not_to_be_empty()
        page.get_by_role("button", name="Stop").press("Enter")
        expect(page.get_by_role("status").first).to_have_text("Stopped.")
        expect(page.get_by_role("button", name="Ask", exact=True)).to_be_focused()


class TestProblems:
    def said(self, page):
        return page.locator("#problem")

    def test_nothing_to_ask(self, visit, watched):
        page = visit(watched)
        page.get_by_role("button", name="Ask", exact=True).click()
        expect(self.said(page)).to_have_text("Give a picture, a question, or both.")
        expect(page.get_by_label("Question")).to_be_focused()

    def test_what_is_no_picture_too_large_or_too_many(self, visit, watched):
        page = visit(watched)
        field = page.get_by_label("Pictures", exact=True)
        field.set_input_files([{"name": "notes.txt", "mimeType": "text/plain", "buffer": b"text"}])
        expect(self.said(page)).to_have_text("notes.txt is no picture.")
        field.set_input_files([{**file_of(), "name": "big.png", "buffer": bytes(50_000)}])
        expect(self.said(page)).to_have_text("big.png is too large: the gateway takes 0.05 MiB in all.")
        field.set_input_files([file_of(name=f"{place}.png") for place in range(3)])
        expect(self.said(page)).to_have_text("2.png is one too many: 2 pictures at most.")

    def test_a_picture_that_does_not_open(self, visit, watched):
        page = visit(watched)
        page.get_by_label("Pictures", exact=True).set_input_files([{**file_of(), "buffer": b"no picture"}])
        ask(page, "What?")
        expect(self.said(page)).to_have_text(re.compile("^This cannot be asked: "))

    def test_nobody_answers(self, visit, watched, upstream):
        upstream.how.update(dict.fromkeys(("alpha", "beta", "gamma"), "500"))
        page = visit(watched)
        ask(page, "alpha?")
        expect(self.said(page)).to_have_text(re.compile("^No VLM answered: no VLM answered: alpha: 500"))
        expect(page.locator("#ranked tr")).to_have_count(3)

    def test_an_answer_that_breaks_off(self, visit, watched, upstream):
        upstream.how["alpha"] = "break-mid"
        page = visit(watched)
        ask(page, "alpha?")
        expect(self.said(page)).to_have_text(re.compile("^The answer broke off: "))
        expect(page.locator("#answered-by")).to_have_text("The answer of alpha is not complete.")

    def test_a_router_that_is_late_or_fails(self, visit, started_upstream):
        with serving(settings_of(started_upstream.url, decision={"limit_s": 3.0})) as gateway:
            page = visit(gateway)
            ask(page, "hang")
            expect(page.locator("#choice")).to_contain_text("it took longer than its limit. So beta is asked")
            expect(page.locator("#ranked tr").first).to_have_text("betachosenunknownunknown")
            gateway.router.release.set()
            ask(page, "fail")
            expect(page.locator("#choice")).to_contain_text("it failed. So beta is asked")

    def test_a_router_that_is_not_asked_why(self, visit, started_upstream):
        with serving(settings_of(started_upstream.url, decision={"why": False})) as gateway:
            page = visit(gateway)
            ask(page, "alpha?")
            expect(page.locator("#facts")).to_contain_text("cannot say how new a query is, or is not asked.")
            expect(page.locator("#nearest")).to_be_hidden()
            expect(page.locator("#answer")).not_to_be_empty()
            expect(page.locator("#feedback")).to_be_hidden()  # nothing is kept

    def test_a_gateway_that_is_gone(self, visit, started_upstream):
        with serving(settings_of(started_upstream.url)) as gateway:
            page = visit(gateway)
            page.wait_for_load_state("networkidle")
        ask(page, "alpha?")
        expect(self.said(page)).to_have_text("The gateway cannot be reached. Is it running?")


class TestKeys:
    def test_the_key_is_asked_for_once_and_kept_in_the_tab(self, visit, started_upstream, monkeypatch):
        monkeypatch.setenv("GATE_KEYS", "mine")
        with serving(settings_of(started_upstream.url, keys_env="GATE_KEYS")) as gateway:
            page = visit(gateway)
            dialog = page.get_by_role("dialog", name="Key")
            field = dialog.get_by_label("Key", exact=True)
            expect(field).to_be_focused()
            field.fill("not mine")
            page.keyboard.press("Enter")
            expect(dialog.get_by_role("alert")).to_have_text("A key has no spaces and no such characters.")
            field.fill("yours")
            page.keyboard.press("Enter")
            expect(dialog.get_by_role("alert")).to_have_text("This key was refused. Is it complete?")
            field.fill("mine")
            page.keyboard.press("Enter")
            expect(dialog).to_be_hidden()
            ask(page, "alpha?")
            expect(page.locator("#answer")).not_to_be_empty()
            page.reload()
            ask(page, "alpha?", "Only rank")
            expect(page.locator("#ranked tr")).to_have_count(3)
            assert page.evaluate("[sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]

    def test_without_a_key_it_says_so(self, visit, started_upstream, monkeypatch):
        monkeypatch.setenv("GATE_KEYS", "mine")
        with serving(settings_of(started_upstream.url, keys_env="GATE_KEYS")) as gateway:
            page = visit(gateway)
            expect(page.get_by_role("dialog")).to_be_visible()
            page.keyboard.press("Escape")
            expect(page.locator("#problem")).to_contain_text("No key")


class TestTraffic:
    def test_what_was_asked_is_counted_and_said_in_words(self, visit, watched):
        page = visit(watched)
        ask(page, "gamma?")
        expect(page.locator("#feedback")).to_be_visible()
        page.get_by_role("link", name="Traffic").click()
        share = page.get_by_role("img", name=re.compile(r"^Share of each VLM: .*gamma \d"))
        expect(share).to_be_visible()
        expect(page.get_by_role("img", name=re.compile(r"^Novelty: 0\.\d+ to 0\.\d+: \d+$"))).to_be_visible()
        page.get_by_text("As a table").first.click()
        expect(page.get_by_role("region", name="Table: Share of each VLM").get_by_role("row")).not_to_have_count(1)
        assert page.title() == "Traffic · ARMS"

    def test_it_is_read_anew(self, visit, watched):
        page = visit(watched, "#traffic")
        count = page.locator("#totals .big").first
        before = int(count.inner_text())
        other = visit(watched)
        ask(other, "alpha?", "Only rank")
        expect(other.locator("#ranked tr")).to_have_count(3)
        expect(count).to_have_text(str(before + 1))

    def test_a_gateway_that_keeps_nothing_says_so(self, visit, gateway):
        page = visit(gateway, "#traffic")
        expect(page.locator("#traffic-status")).to_contain_text("memory: none")
        expect(page.locator("#numbers")).to_be_hidden()


class TestForAll:
    def test_the_order_of_the_keyboard(self, visit, watched):
        page = visit(watched)
        order = []
        for _ in range(8):
            page.keyboard.press("Tab")
            order.append(page.evaluate("document.activeElement.id || document.activeElement.textContent"))
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
        skip = "Skip to the content"
        assert order == [skip, "to-ask", "to-traffic", "files", "question", "model", "send", "rank"]

    @pytest.mark.parametrize(("width", "scale"), [(320, 1), (640, 2)])
    def test_a_narrow_or_zoomed_page_needs_no_sideways_scrolling(self, visit, watched, width, scale):
        page = visit(watched, viewport={"width": width // scale, "height": 600}, device_scale_factor=scale)
        ask(page, "alpha?")
        expect(page.locator("#feedback")).to_be_visible()
        for view in ("Ask", "Traffic"):
            page.get_by_role("link", name=view, exact=True).click()
            page.wait_for_load_state("networkidle")
            assert page.evaluate("document.documentElement.scrollWidth") <= width // scale

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_nothing(self, visit, watched, scheme):
        axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
        page = visit(watched, color_scheme=scheme, reduced_motion="reduce")
        page.get_by_label("Pictures", exact=True).set_input_files([file_of()])
        ask(page, "alpha?")
        page.get_by_role("button", name="Wrong").click()
        expect(page.locator("#neighbours img")).to_be_visible()
        asked = axe.run(page)
        page.get_by_role("link", name="Traffic").click()
        expect(page.locator("#numbers")).to_be_visible()
        for summary in page.get_by_text("As a table").all():
            summary.click()
        watched_traffic = axe.run(page)
        for found in (asked, watched_traffic):
            assert found.violations_count == 0, found.generate_report()
