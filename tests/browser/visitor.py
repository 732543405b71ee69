"""A person before the page: a tab of the browser that notes what it fetches and what goes wrong in it."""

import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, expect

PLAYERS_OWN = "Video not playable"  # what Gradio's player says of what no browser plays
HEADING = re.compile(r"Error|[\s×()\d]")
PATIENCE_MS = 60_000  # for what takes a second or two on a machine that has nothing else to do
EMPTY_FILE = "416 (Requested Range Not Satisfiable)"  # what the player says to a clip of no bytes
WIDE, NARROW = (1280, 900), (390, 844)


class Visitor:
    """One tab with cookies of its own. `asked` are the addresses it asked for, `faults` what its console reported."""

    def __init__(self, browser: Browser, address: str, *, size: tuple[int, int] = WIDE, dark: bool = False) -> None:
        self.address = address
        self.context: BrowserContext = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light", locale="en-GB"
        )
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.asked: list[str] = []
        self.faults: list[str] = []
        self.context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._note)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        if message.type == "error" and EMPTY_FILE not in message.text:
            self.faults.append(f"{message.text} ({message.location.get('url', '')})")

    def open(self) -> float:
        """Go to the page; the seconds until a person can use it."""
        begun = time.perf_counter()
        self.page.goto(self.address)
        expect(self.page.get_by_role("button", name="Compose", exact=True)).to_be_enabled(timeout=PATIENCE_MS)
        return time.perf_counter() - begun

    def close(self) -> None:
        self.context.close()

    def strangers(self) -> set[str]:
        """Addresses asked for that are not the server's."""
        own = urlsplit(self.address).netloc
        return {
            url for url in self.asked if urlsplit(url).scheme not in {"data", "blob"} and urlsplit(url).netloc != own
        }

    # What a person does.

    def part(self, name: str) -> Locator:
        """The part of the page with this elem_id."""
        return self.page.locator(f"#{name}")

    def tab(self, words: str) -> None:
        """Open the tab whose name holds these words."""
        self.page.get_by_role("tab", name=words).click()

    def unfold(self, words: str) -> None:
        """Open what is folded away under these words."""
        self.page.get_by_role("button", name=words).click()

    def give(self, name: str, files: Path | Sequence[Path]) -> None:
        """Hand files to an upload and wait until the server has them."""
        with self.page.expect_response(lambda answer: "/upload?" in answer.url or answer.url.endswith("/upload")):
            self.part(name).locator("input[type=file]").first.set_input_files(files)

    def upload(self, clip: Path) -> None:
        """Hand over the clip to score, and wait until its pictures are shown."""
        self.give("clip", clip)
        self.wait_until(lambda: self.part("clip-analysis").locator("img, image").count() > 0, "the watched clip")

    def choose(self, name: str, words: str) -> None:
        """Take the first that a dropdown offers that begins with these words."""
        self.part(name).locator("input").first.click()
        self.page.get_by_role("option", name=re.compile(f"^{re.escape(words)}")).first.click()

    def write(self, name: str, text: str) -> None:
        """Put text or a number into a field, and leave it."""
        field = self.part(name).locator("input[type=number], input[type=text], textarea").first
        field.fill(text)
        field.blur()

    def press(self, name: str) -> None:
        """Click a button, which may bear the elem_id itself or lie within what bears it."""
        self.page.locator(f"button#{name}, #{name} button, a#{name}").first.click()

    def fetch(self, name: str, folder: Path) -> Path:
        """Press a download; the file under the name that the page gave it."""
        with self.page.expect_download() as coming:
            self.press(name)
        path = folder / coming.value.suggested_filename
        coming.value.save_as(path)
        return path

    def wait_until(self, true: Callable[[], bool], what: str, seconds: float = PATIENCE_MS / 1000) -> None:
        """Look again and again until something is true."""
        end = time.monotonic() + seconds
        while not true():
            assert time.monotonic() < end, f"{what} did not come within {seconds:.0f} s; the page says:\n{self.text()}"
            self.page.wait_for_timeout(50)

    # What a person sees.

    def text(self) -> str:
        return self.page.locator("body").inner_text()

    def complaint(self) -> str:
        """The words of the note that says what did not work, once it is there; it is put away then."""
        toasts, words = self.page.get_by_test_id("toast-body"), ""

        def told() -> bool:
            nonlocal words
            words = "\n".join(toasts.all_inner_texts()).replace(PLAYERS_OWN, "")
            return bool(HEADING.sub("", words))

        self.wait_until(told, "a complaint", PATIENCE_MS / 1000)
        self.page.evaluate("document.querySelectorAll('[data-testid=toast-close]').forEach(one => one.click())")
        self.wait_until(lambda: not toasts.count(), "the end of the complaint")
        return words

    def resize(self, size: tuple[int, int]) -> None:
        self.page.set_viewport_size({"width": size[0], "height": size[1]})
        self.page.wait_for_timeout(150)  # the layout follows with the next pictures

    def overflowing(self) -> list[str]:
        """What reaches sideways out of the window, unless it lies in something that scrolls by itself."""
        return self.page.evaluate(OVERFLOWING)

    def nameless(self) -> list[str]:
        """Inputs and buttons that the accessibility tree knows, with nothing that says what they are for."""
        session = self.context.new_cdp_session(self.page)
        nodes = session.send("Accessibility.getFullAXTree")["nodes"]
        session.detach()
        shown = (node for node in nodes if not node.get("ignored"))
        return [_role(node) for node in shown if _role(node) in OPERABLE and not _named(node)]


STAGES = (
    "Analysing the clip",
    "Fitting bars to the cuts",
    "Composing chords",
    "Shaping the dynamics",
    "Comparing candidates",
    "Arranging",
    "Rendering the instruments",
    "Mixing and writing the video",
    "Predicting the emotion of the result",
)
OPERABLE = frozenset({
    "textbox", "searchbox", "combobox", "listbox", "slider", "spinbutton", "checkbox", "radio", "switch", "button",
    "link", "tab",
})  # fmt: skip

OVERFLOWING = """() => {
    const root = document.documentElement, edge = root.clientWidth + 1, found = [];
    const scrolls = element => {
        for (let up = element.parentElement; up && up !== document.body; up = up.parentElement)
            if (/auto|scroll|hidden|clip/.test(getComputedStyle(up).overflowX)
                && up.getBoundingClientRect().right <= edge) return true;
        return false;
    };
    for (const element of document.body.querySelectorAll('*')) {
        const box = element.getBoundingClientRect();
        if (box.width && box.height && box.right > edge && element.checkVisibility({visibilityProperty: true})
            && !scrolls(element))
            found.push(`${element.tagName} #${element.id} .${element.className}: to ${Math.round(box.right)}`);
    }
    if (document.scrollingElement.scrollWidth > edge)
        found.push(`the page scrolls sideways: ${document.scrollingElement.scrollWidth} of ${edge - 1}`);
    return found;
}"""


def stages_in(someone: Visitor) -> set[str]:
    """Which stages of composing the page names now."""
    text = someone.text()
    return {stage for stage in STAGES if stage in text}


def _role(node: dict) -> str:
    return node.get("role", {}).get("value", "")


def _named(node: dict) -> bool:
    return bool(node.get("name", {}).get("value", "").strip())
