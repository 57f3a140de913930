"""The page in a real browser: it shows what the API renders, its commands give the same, and a keyboard is enough."""

import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import httpx2
import numpy as np
import pytest
from PIL import Image

from datagen import render_sequences
from datagen.cli import datagen
from datagen.options import request_of
from datagen.overrides import NOISES, Overrides
from datagen.presets import PRESETS
from datagen.request import Request, resolve
from datagen.service import web
from datagen.storage.verify import verify_store
from schemas.render import BasicProperty, RenderSpec
from tests.service.browser import Visit, chromium
from tests.service.running import job_over, running
from tests.service.test_access import KEYS, TOKENS
from tests.service.test_renders import held
from tests.stores import chunks_of
from tests.surface import parsed
from tests.waiting import wait_for

PAGE = Path(web.__file__).parent / "page"
SMALL_SPEC = {"property": "rotation", "frames": 2, "height": 16, "width": 16}
SMALL = "#property=rotation&speed=100&kind=circle&kind=line&kind=polygon&ratio=0.7&size=32&frames=4&seed=0&count=2"

LATE = """
const ask = window.fetch;
window.fetch = async (path, how) => {
  if (!how?.body?.includes('"seed":77')) return ask(path, how);
  const reply = await ask(path, { ...how, signal: undefined });
  const data = await reply.arrayBuffer();
  await new Promise((answer) => { window.late = answer; });
  return new Response(data);
};
"""
"""Keeps the reply to one request until it is asked for, whether or not the page has given it up."""
NO_CLIPBOARD = "Object.defineProperty(navigator, 'clipboard', { value: undefined });"
"""What a browser gives to pages of plain HTTP from other machines."""
WEBP = {"Accept": "image/webp"}
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


def spec_in_python(visit: Visit) -> RenderSpec:
    return RenderSpec.parse(json.loads(commands(visit)["Python"].partition("parse(")[2].partition(")\n")[0]))


def spec_of_command(lines: str, folder: Path) -> RenderSpec:
    """Return the spec that copied lines render, by the command's own parser."""
    *before, command = lines.splitlines()
    options = shlex.split(command)[2:]
    for line in before:
        _, text, _, name = shlex.split(line)
        (folder / name).write_text(text)
        options = [str(folder / name) if option == name else option for option in options]
    context = parsed(datagen, "render", options)
    own = ("n", "out", "workers", "scheduler", "service", "overwrite", "as_json")
    asked = {name: value for name, value in context.params.items() if name not in own}
    return resolve(request_of(**asked)).spec


def frames_in(picture: bytes) -> int:
    with Image.open(io.BytesIO(picture)) as image:
        return int(getattr(image, "n_frames", 1))


def test_the_files_of_the_page_ask_for_nothing_elsewhere(client: httpx2.Client) -> None:
    kinds = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".json": "application/json"}
    files = {f"/page/{file.name}": kinds[file.suffix] for file in PAGE.iterdir()}
    assert len(files) > 3
    for path, kind in ({"/": "text/html"} | files).items():
        reply = client.get(path)
        assert reply.headers["content-type"].startswith(kind)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["cache-control"] == "no-cache"
        assert client.get(path, headers={"If-None-Match": reply.headers["etag"]}).status_code == 304
        assert client.head(path).headers["content-length"] == str(len(reply.content))
    for name in ("secret.txt", "..%2Fweb.py", "%2e%2e/web.py"):
        assert client.get(f"/page/{name}").status_code == 404
    assert not any(path.startswith("/page") for path in client.get("/openapi.json").json()["paths"])


def test_the_presets_of_the_page_are_those_of_the_command_line() -> None:
    presets = json.loads((PAGE / "presets.json").read_text())
    assert presets.keys() == set(PRESETS)
    for name in PRESETS:
        assert RenderSpec.parse(presets[name]) == resolve(Request(overrides=Overrides(), preset=name)).spec


def test_the_page_offers_every_property_and_every_noise() -> None:
    script = (PAGE / "spec.js").read_text()
    listed = {name: json.loads(values) for name, values in re.findall(r"const (\w+) = (\[[\w\", ]*\]);", script)}
    assert listed["MOTIONS"] == list(get_args(BasicProperty))
    assert listed["NOISES"] == list(NOISES)
    assert all(f'id="{noise}" name="{noise}"' in (PAGE / "index.html").read_text() for noise in NOISES)


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
    reply = client.post("/v1/sequences", json=body, headers=WEBP)
    wait_for(lambda: visit.picture() == reply.content)


@pytest.mark.browser
def test_truth_is_drawn_over_it(visit: Visit, client: httpx2.Client) -> None:
    before, plain = visit.drawn(), visit.picture()
    visit.page.check("text=Flow")
    visit.redrawn(before)
    body = {**curl_body(visit), "overlay": ["flow"]}
    reply = client.post("/v1/sequences", json=body, headers=WEBP)
    assert visit.picture() == reply.content != plain


@pytest.mark.browser
def test_a_late_reply_never_replaces_a_newer_one(browser: Any, client: httpx2.Client) -> None:
    visit = Visit(browser, address(client), SMALL, LATE, **READABLE)
    before = visit.drawn()
    visit.slide("seed", 77)
    wait_for(lambda: visit.page.evaluate("'late' in window"))
    visit.slide("seed", 78)
    newer = visit.redrawn(before)
    visit.page.evaluate("window.late()")
    visit.slide("seed", 79)  # what the late reply changes, if anything, is changed long before this picture is there
    visit.redrawn(newer)
    assert visit.picture() == client.post("/v1/sequences", json=curl_body(visit), headers=WEBP).content
    assert visit.page.inner_text("#status") == ""
    visit.close()


@pytest.mark.browser
def test_nobody_waits_for_a_picture_that_nobody_wants(visit: Visit) -> None:
    before = visit.drawn()
    given_up: list[str] = []
    visit.page.on("requestfailed", lambda request: given_up.append(request.post_data))
    visit.page.route(
        "**/v1/sequences", lambda route: None if '"seed":77' in route.request.post_data else route.continue_()
    )
    with visit.page.expect_request("**/v1/sequences"):
        visit.slide("seed", 77)
    visit.slide("seed", 78)
    visit.redrawn(before)
    assert len(given_up) == 1
    assert '"seed":77' in given_up[0]


@pytest.mark.browser
@pytest.mark.parametrize("kinds", [("circle",), ("circle", "line", "polygon")])
@pytest.mark.parametrize("speed", [100, 40])
def test_the_commands_give_the_sequences_that_are_shown(
    visit: Visit, tmp_path: Path, kinds: tuple[str, ...], speed: int
) -> None:
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
    assert spec_in_python(visit) == shown
    assert spec_of_command(line, tmp_path) == shown
    assert ("--spec" in line) == (len(kinds) < 3 or speed != 100)


@pytest.mark.browser
def test_a_preset_brings_its_own_ranges(visit: Visit, tmp_path: Path) -> None:
    before = visit.drawn()
    visit.page.select_option("#property", "dynamic-mnist")
    before = visit.redrawn(before)
    assert visit.page.input_value("#ratio") == "0"
    assert visit.page.is_disabled("#speed")
    assert visit.page.is_disabled("input[value=circle]")
    preset = Request(overrides=Overrides(size=32, frames=4), preset="dynamic-mnist")
    assert RenderSpec.parse(curl_body(visit)["spec"]) == spec_in_python(visit) == resolve(preset).spec
    visit.slide("ratio", 0.5)
    visit.slide("white", 2)
    visit.redrawn(before)
    shown = RenderSpec.parse(curl_body(visit)["spec"])
    assert shown.noise.ratio == 0.5
    assert spec_of_command(commands(visit)["Command line"], tmp_path) == shown
    visit.page.select_option("#property", "translation")
    assert visit.page.input_value("#ratio") == "0.7"
    assert visit.page.is_enabled("#speed")


@pytest.mark.browser
def test_the_speed_is_said_in_units(visit: Visit) -> None:
    said = {
        "translation": "0.16 to 0.96 px/frame",
        "rotation": "0.05 to 0.35 rad/frame",
        "mixed": "100 % of the default",
    }
    for kind, words in said.items():
        visit.page.select_option("#property", kind)
        assert visit.page.inner_text("#speed-text") == visit.page.get_attribute("#speed", "aria-valuetext") == words
    visit.slide("speed", 300)
    visit.page.select_option("#property", "intensity")
    assert visit.page.inner_text("#speed-text") == "factor 1.3 to 1.96, or 0.16 to 0.7"


@pytest.mark.browser
def test_the_python_that_is_shown_reads_the_sequences_that_are_shown(visit: Visit) -> None:
    names: dict[str, Any] = {}
    exec(commands(visit)["Python"], names)  # as a reader of the page does
    body = curl_body(visit)
    assert np.array_equal(names["frames"][:2], render_sequences(RenderSpec.parse(body["spec"]), 0, 2).frames)


@pytest.mark.browser
@pytest.mark.parametrize("script", ["", NO_CLIPBOARD], ids=["clipboard", "plain-http"])
def test_a_copied_command_is_the_one_that_is_shown(browser: Any, client: httpx2.Client, script: str) -> None:
    visit = Visit(browser, address(client), SMALL, script, permissions=["clipboard-read", "clipboard-write"])
    visit.drawn()
    visit.page.click("[aria-label='Copy curl']")
    visit.page.wait_for_selector("[role=status]:text('Copied.')")
    visit.page.focus("#name")
    visit.page.evaluate("document.getElementById('name').removeAttribute('maxlength')")
    visit.page.keyboard.press("Control+V")
    assert visit.page.input_value("#name") == commands(visit)["curl"]
    visit.slide("seed", 5)
    assert visit.page.query_selector("[role=status]:text('Copied.')") is None
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
    border, unharmed = (
        visit.page.eval_on_selector(name, "(node) => getComputedStyle(node).borderTopColor")
        for name in ("#frames", "#size")
    )
    assert border != unharmed
    assert visit.page.get_attribute("#frames", "aria-describedby") == wrong.get_attribute("id")
    visit.slide("frames", 5)
    visit.page.wait_for_selector("p[role=alert]", state="detached")
    for kind in ("circle", "line", "polygon"):
        visit.page.uncheck(f"input[value={kind}]")
    assert "objects.kinds" in visit.page.wait_for_selector("#shapes p[role=alert]").inner_text()
    visit.page.check("input[value=line]")
    visit.page.wait_for_selector("p[role=alert]", state="detached")
    visit.page.fill("#seed", str(2**53))
    assert "give at most" in visit.page.wait_for_selector("#seed ~ p[role=alert]").inner_text()
    visit.page.fill("#n", "0")
    visit.page.fill("#seed", "1")
    visit.page.wait_for_selector("p[role=alert]", state="detached")
    visit.page.click("text=Render a store")
    assert "n is 0" in visit.page.wait_for_selector("#n ~ p[role=alert]").inner_text()


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
    other.page.evaluate("(fragment) => { location.hash = fragment }", SMALL)  # as a link that is pasted
    wait_for(lambda: other.page.input_value("#property") == "rotation")
    assert other.page.is_checked("input[value=line]")
    assert not other.page.is_checked("input[value=mask]")
    assert curl_body(other)["spec"] == {"property": "rotation", "frames": 4, "height": 32, "width": 32}
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
        visit.page.wait_for_selector("#render-status:text('first is finished.')")
        visit.page.wait_for_selector("#stores h3:text('first')")
        assert f"{address(client)}/v1/stores/first/zarr" == visit.page.inner_text("#stores pre")
        assert "40 sequences" in visit.page.inner_text("#stores")
        assert verify_store(tmp_path / "first.zarr").ok
        with held(monkeypatch, after=2) as go:
            visit.page.fill("#name", "second")
            visit.page.fill("#n", "400")
            visit.page.click("text=Render a store")
            visit.page.wait_for_selector("#renders li[data-id=second] :text-matches('running: [1-9][0-9]* of 400')")
            assert 0 < visit.page.eval_on_selector("#renders li[data-id=second] progress", "(bar) => bar.value") < 400
            with visit.page.expect_response("**/v1/renders/second"):
                visit.page.click("[aria-label='Cancel second']")
            go.set()
            assert job_over(client, "second")["state"] == "cancelled"
        visit.page.wait_for_selector("#renders li[data-id=second][data-state=cancelled]")
        visit.page.reload()
        visit.page.wait_for_selector("#renders li[data-id=second][data-state=cancelled]")
        visit.close()


@pytest.mark.browser
def test_many_renders_leave_room_for_the_picture(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with chunks_of(1), running(tmp_path) as client, held(monkeypatch) as go:
        for name in "abcdefgh":
            client.post("/v1/renders", json={"spec": SMALL_SPEC, "n": 1, "name": name})
        visit = Visit(browser, address(client), SMALL)
        before = visit.drawn()
        visit.page.wait_for_selector("#renders li:nth-child(8)")
        visit.slide("seed", 4)
        visit.redrawn(before)
        go.set()
        visit.page.locator("#renders [data-state=finished]").nth(7).wait_for()
        visit.page.wait_for_selector("#stores li:nth-child(8)")
        visit.close()


@pytest.mark.browser
def test_a_stream_that_breaks_is_taken_up_again(browser: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with chunks_of(1), running(tmp_path) as client, held(monkeypatch) as go:
        visit = Visit(browser, address(client), SMALL)
        visit.drawn()
        visit.lose("**/events")
        visit.page.fill("#name", "slow")
        visit.page.fill("#n", "2")
        visit.page.click("text=Render a store")
        visit.page.wait_for_selector("#renders :text('The service does not answer.')")
        visit.find("**/events")
        visit.page.wait_for_selector("#renders :text('running: 0 of 2')")
        go.set()
        visit.page.wait_for_selector("#renders [data-state=finished]")
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
    visit.lose("**/v1/**")
    visit.slide("seed", 3)
    visit.page.wait_for_selector("text=The service does not answer.")
    visit.find("**/v1/**")
    before = visit.drawn()
    visit.page.click("text=Try again")
    visit.redrawn(before)
    assert visit.page.is_hidden("#retry")


@pytest.mark.browser
def test_a_keyboard_is_enough(browser: Any, tmp_path: Path) -> None:
    with running(tmp_path) as client:
        visit = Visit(browser, address(client), SMALL)
        before = visit.drawn()
        page = visit.page
        reached = []
        for _ in range(30):
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
                case "pause":
                    page.keyboard.press("Enter")
                    before = visit.redrawn(before)
                    assert page.inner_text("#pause") == "Play"
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
    client.post("/v1/renders", json={"spec": SMALL_SPEC, "n": 3})
    visit = Visit(browser, address(client), SMALL, **READABLE, **context)  # axe is a script of the test
    visit.drawn()
    visit.page.wait_for_selector("#stores h3")
    visit.slide("frames", 0)
    visit.page.wait_for_selector("p[role=alert]")
    found = axe.run(visit.page).response["violations"]
    assert [each["id"] for each in found if each["impact"] in ("serious", "critical")] == []
    assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    visit.close()
