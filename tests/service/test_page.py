"""The page in a real browser: it shows what the API renders, its commands give the same, and a keyboard is enough."""

import io
import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from datagen.cli import datagen
from datagen.options import request_of
from datagen.request import resolve
from datagen.storage.verify import verify_store
from schemas.render import RenderSpec
from tests.service.browser import Visit, chromium
from tests.service.running import job_over, running
from tests.service.test_access import KEYS, TOKENS
from tests.service.test_renders import held
from tests.stores import chunks_of
from tests.waiting import wait_for

SMALL = "#property=rotation&speed=100&kind=circle&kind=line&kind=polygon&ratio=0.7&size=32&frames=4&seed=0&count=2"


READABLE: dict[str, Any] = {"bypass_csp": True}
"""For tests that read the picture: the page's own policy lets no script do so."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def visit(browser: Any, client: httpx2.Client) -> Iterator[Visit]:
    visit = Visit(browser, address(client), SMALL, **READABLE)
    visit.drawn()
    yield visit
    visit.close()


def address(client: httpx2.Client) -> str:
    return str(client.base_url).rstrip("/")


def commands(visit: Visit) -> dict[str, str]:
    blocks = visit.page.query_selector_all(".command")
    return {block.query_selector("h3").inner_text(): block.query_selector("pre").inner_text() for block in blocks}


def curl_body(visit: Visit) -> dict[str, Any]:
    words = shlex.split(commands(visit)["curl"])
    body: dict[str, Any] = json.loads(words[words.index("--json") + 1])
    return body


def frames_in(picture: bytes) -> int:
    with Image.open(io.BytesIO(picture)) as image:
        return int(getattr(image, "n_frames", 1))


def test_the_files_of_the_page_ask_for_nothing_elsewhere(client: httpx2.Client) -> None:
    for path, kind in (("/", "text/html"), ("/page/page.js", "text/javascript"), ("/page/page.css", "text/css")):
        reply = client.get(path)
        assert reply.headers["content-type"].startswith(kind)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert client.get(path, headers={"If-None-Match": reply.headers["etag"]}).status_code == 304
        assert client.head(path).headers["content-length"] == str(len(reply.content))
    assert client.get("/page/secret.txt").status_code == 404


@pytest.mark.browser
def test_the_picture_is_what_the_api_renders(visit: Visit, client: httpx2.Client) -> None:
    before = visit.drawn()
    visit.slide("ratio", 0.1)
    visit.slide("perlin", 0)
    visit.slide("speed", 250)
    visit.redrawn(before)
    body = curl_body(visit)
    assert body["spec"]["noise"] == {"ratio": 0.1, "perlin": 0}
    assert body["spec"]["property"]["angular_velocity"] == [0.125, 0.875]
    reply = client.post("/v1/sequences", json=body, headers={"Accept": "image/webp"})
    wait_for(lambda: visit.picture() == reply.content)


@pytest.mark.browser
def test_truth_is_drawn_over_it(visit: Visit, client: httpx2.Client) -> None:
    before, plain = visit.drawn(), visit.picture()
    visit.page.check("text=Flow")
    visit.redrawn(before)
    body = {**curl_body(visit), "overlay": ["flow"]}
    reply = client.post("/v1/sequences", json=body, headers={"Accept": "image/webp"})
    assert visit.picture() == reply.content != plain


@pytest.mark.browser
def test_a_late_reply_never_replaces_a_newer_one(visit: Visit) -> None:
    held_back: list[Any] = []

    def hold(route: Any) -> None:
        if '"seed":77' in (route.request.post_data or ""):
            held_back.append(route)
        else:
            route.continue_()

    before = visit.drawn()
    visit.page.route("**/v1/sequences", hold)
    visit.slide("seed", 77)
    wait_for(lambda: visit.page.evaluate("1") == 1 and len(held_back) == 1)
    visit.slide("seed", 78)
    newer = visit.redrawn(before)
    held_back[0].abort()
    visit.page.unroute("**/v1/sequences")
    visit.page.wait_for_timeout(200)
    assert visit.drawn() == newer
    assert visit.page.inner_text("#status") == ""


@pytest.mark.browser
@pytest.mark.parametrize("kinds", [("circle",), ("circle", "line", "polygon")])
@pytest.mark.parametrize("speed", [100, 40])
def test_the_commands_give_the_sequences_that_are_shown(visit: Visit, kinds: tuple[str, ...], speed: int) -> None:
    before = visit.drawn()
    for kind in ("circle", "line", "polygon"):
        visit.page.set_checked(f"input[value={kind}]", kind in kinds)
    visit.slide("speed", speed)
    visit.slide("seed", 9)
    visit.slide("gaussian", 2.5)
    visit.redrawn(before)
    shown = RenderSpec.parse(curl_body(visit)["spec"])
    assert shown.objects.kinds == kinds
    line = commands(visit)["Command line"]
    python = commands(visit)["Python"]
    assert RenderSpec.parse(json.loads(python.partition("parse(")[2].partition(")\n")[0])) == shown
    if len(kinds) == 3 and speed == 100:
        _, _, *options = shlex.split(line)
        context = datagen.commands["render"].make_context("render", options)
        own = ("n", "out", "workers", "scheduler", "service", "overwrite", "as_json")
        asked = {name: value for name, value in context.params.items() if name not in own}
        assert resolve(request_of(**asked)).spec == shown
    else:
        _, file, *_ = shlex.split(line)
        assert RenderSpec.parse(json.loads(file)) == shown


@pytest.mark.browser
def test_a_copied_command_is_the_one_that_is_shown(browser: Any, client: httpx2.Client) -> None:
    visit = Visit(browser, address(client), SMALL, permissions=["clipboard-read", "clipboard-write"])
    visit.drawn()
    visit.page.click("text=Copy >> nth=1")
    visit.page.wait_for_selector("text=curl copied.")
    assert visit.page.evaluate("navigator.clipboard.readText()") == commands(visit)["curl"]
    visit.close()


@pytest.mark.browser
def test_a_picture_can_be_stopped(visit: Visit) -> None:
    before = visit.drawn()
    assert frames_in(visit.picture()) > 1
    visit.page.click("#pause")
    still = visit.redrawn(before)
    assert frames_in(visit.picture()) == 1
    visit.page.click("text=Play")
    visit.redrawn(still)
    assert frames_in(visit.picture()) > 1


@pytest.mark.browser
def test_who_wants_no_motion_gets_none(browser: Any, client: httpx2.Client) -> None:
    visit = Visit(browser, address(client), SMALL, reduced_motion="reduce", **READABLE)
    visit.drawn()
    assert frames_in(visit.picture()) == 1
    visit.close()


@pytest.mark.browser
def test_what_is_wrong_stands_beside_its_field(visit: Visit) -> None:
    visit.slide("frames", 0)
    wrong = visit.page.wait_for_selector("p[role=alert]")
    assert wrong.inner_text() == "spec.frames is 0; give a whole number from 1 to 4096"
    assert visit.page.get_attribute("#frames", "aria-invalid") == "true"
    assert visit.page.get_attribute("#frames", "aria-describedby") == wrong.get_attribute("id")
    visit.slide("frames", 5)
    visit.page.wait_for_selector("p[role=alert]", state="detached")
    for kind in ("circle", "line", "polygon"):
        visit.page.uncheck(f"input[value={kind}]")
    assert "objects.kinds" in visit.page.wait_for_selector("#shapes p[role=alert]").inner_text()


@pytest.mark.browser
def test_a_link_shows_the_same(browser: Any, visit: Visit, client: httpx2.Client) -> None:
    before = visit.drawn()
    visit.page.select_option("#property", "mixed")
    visit.page.check("text=Mask")
    visit.page.uncheck("input[value=line]")
    visit.slide("white", 3)
    visit.redrawn(before)
    other = Visit(browser, address(client), "#" + visit.page.url.partition("#")[2], **READABLE)
    other.drawn()
    assert commands(other) == commands(visit)
    wait_for(lambda: other.picture() == visit.picture())
    other.close()


@pytest.mark.browser
def test_a_render_is_started_followed_and_cancelled(
    browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with chunks_of(1), running(tmp_path) as client:
        visit = Visit(browser, address(client), SMALL)
        visit.drawn()
        assert visit.page.inner_text("#stores") == "None is finished yet."
        visit.page.fill("#n", "40")
        visit.page.fill("#name", "a/b")
        visit.page.click("text=Render a store")
        assert "name is a/b; " in visit.page.wait_for_selector("p[role=alert]").inner_text()
        visit.page.fill("#name", "first")
        visit.page.click("text=Render a store")
        visit.page.wait_for_selector("#renders li[data-state=finished]")
        assert "finished: 40 of 40 sequences" in visit.page.inner_text("#renders")
        visit.page.wait_for_selector("#stores h3:text('first')")
        assert verify_store(tmp_path / "first.zarr").ok
        with held(monkeypatch, after=2) as go:
            visit.page.fill("#name", "second")
            visit.page.click("text=Render a store")
            wait_for(lambda: "of 40" in visit.page.inner_text("#renders li[data-id=second]"))
            visit.page.click("text=Cancel")
            wait_for(lambda: client.get("/v1/renders/second").status_code == 200)
            go.set()
            assert job_over(client, "second")["state"] == "cancelled"
        visit.page.wait_for_selector("#renders li[data-id=second][data-state=cancelled]")
        visit.page.reload()
        visit.page.wait_for_selector("#renders li[data-id=second][data-state=cancelled]")
        visit.close()


@pytest.mark.browser
def test_a_key_is_asked_for_and_kept_out_of_sight(browser: Any, tmp_path: Path) -> None:
    with running(tmp_path, keys=KEYS) as client:
        visit = Visit(browser, address(client), SMALL)
        visit.page.wait_for_selector("#key-form:visible")
        visit.page.fill("#key", "wrong")
        visit.page.press("#key", "Enter")
        visit.page.wait_for_selector("#key-form:visible")
        visit.page.fill("#key", TOKENS["renderer"])
        visit.page.press("#key", "Enter")
        visit.drawn()
        assert visit.page.is_hidden("#key-form")
        assert "$STMOE_TOKEN" in commands(visit)["curl"]
        assert TOKENS["renderer"] not in visit.page.content()
        assert visit.page.evaluate("localStorage.length + sessionStorage.length + document.cookie.length") == 0
        visit.page.click("text=Render a store")
        visit.page.wait_for_selector("#renders li[data-state=finished]")
        visit.close()


@pytest.mark.browser
def test_a_service_that_is_gone_is_said_and_tried_again(visit: Visit) -> None:
    visit.page.route("**/v1/**", lambda route: route.abort())
    visit.slide("seed", 3)
    visit.page.wait_for_selector("text=The service does not answer.")
    visit.page.unroute("**/v1/**")
    before = visit.drawn()
    visit.page.click("text=Try again")
    visit.redrawn(before)
    assert visit.page.is_hidden("#retry")
    visit.errors = [error for error in visit.errors if "ERR_FAILED" not in error]


@pytest.mark.browser
def test_a_keyboard_is_enough(browser: Any, tmp_path: Path) -> None:
    with running(tmp_path) as client:
        visit = Visit(browser, address(client), SMALL)
        before = visit.drawn()
        page = visit.page
        reached = []
        for _ in range(40):
            page.keyboard.press("Tab")
            name = page.evaluate("document.activeElement.id || document.activeElement.value")
            reached.append(name)
            match name:
                case "speed":
                    page.keyboard.press("ArrowRight")
                    before = visit.redrawn(before)
                case "flow":
                    page.keyboard.press("Space")
                    before = visit.redrawn(before)
                case "n":
                    page.keyboard.press("Enter")
                    break
        assert {"property", "speed", "circle", "ratio", "gaussian", "size", "mask", "pause"} <= set(reached)
        page.wait_for_selector("#renders li[data-state=finished]")
        assert page.input_value("#speed") == "105"
        visit.close()


@pytest.mark.browser
@pytest.mark.parametrize(
    "context",
    [{}, {"color_scheme": "dark"}, {"viewport": {"width": 360, "height": 800}}],
    ids=["light", "dark", "narrow"],
)
def test_axe_finds_nothing_serious(browser: Any, client: httpx2.Client, context: dict[str, Any]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    client.post("/v1/renders", json={"spec": {"property": "rotation", "frames": 2, "height": 16, "width": 16}, "n": 3})
    visit = Visit(browser, address(client), SMALL, bypass_csp=True, **context)  # axe is a script of the test
    visit.drawn()
    visit.page.wait_for_selector("#stores h3")
    visit.slide("frames", 0)
    visit.page.wait_for_selector("p[role=alert]")
    found = axe.run(visit.page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visit.close()
