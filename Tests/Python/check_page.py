"""Opens a report's page in headless Chromium and counts what it shows: no console error, no request to a network, every plot drawn,
nothing that is cut off, at three widths, light, dark and in print. usage: check_page.py PAGE... [--screenshots FOLDER] [--axe FILE]

Chromium is driven over its DevTools pipe; `./bootstrap --checks` installs it (Debian's chromium-headless-shell).
"""

import argparse
import base64
import fcntl
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

WIDTHS = (400, 1200, 3840)
LOOKS = ("light", "dark", "print")
HEAVIEST = 1_500_000  # bytes of a page besides Plotly
PATIENCE = 90  # seconds for a page to draw all its plots


class Browser:
    """Headless Chromium at the other end of two pipes, messages ended by NUL."""

    def __init__(self):
        program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
        if program is None:
            sys.exit("check_page: no Chromium; ./bootstrap --checks installs it")
        self.profile = tempfile.TemporaryDirectory(prefix="check-page-")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()

        def place():
            # out of the way first: either may be 3 or 4 already
            ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.process = subprocess.Popen(
            [
                program, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu-sandbox", "--use-angle=swiftshader",
                "--enable-unsafe-swiftshader", "--no-first-run", "--hide-scrollbars", f"--user-data-dir={self.profile.name}",
            ],
            preexec_fn=place, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(theirs_in)
        os.close(theirs_out)
        self.out, self.incoming = ours_out, os.fdopen(ours_in, "rb", buffering=0)
        self.rest, self.count, self.events = b"", 0, []

    def _next(self):
        while b"\0" not in self.rest:
            piece = self.incoming.read(1 << 20)
            if not piece:
                sys.exit("check_page: Chromium has gone")
            self.rest += piece
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.out, data):]
        while True:
            answer = self._next()
            if answer.get("id") == self.count:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def close(self):
        self.call("Browser.close")
        self.process.wait(timeout=20)
        self.profile.cleanup()


class View:
    """A page at one width, in one look."""

    def __init__(self, browser, page, width, look):
        self.browser, self.page, self.width, self.look = browser, page, width, look
        target = browser.call("Target.createTarget", url="about:blank")["targetId"]
        self.target = target
        self.session = browser.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        browser.events.clear()
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
        self.call(
            "Emulation.setEmulatedMedia", media="print" if look == "print" else "screen",
            features=[{"name": "prefers-color-scheme", "value": "dark" if look == "dark" else "light"}])
        self.call("Page.navigate", url=page.resolve().as_uri())
        self.wait("document.readyState === 'complete'")

    def call(self, method, **parameters):
        return self.browser.call(method, self.session, **parameters)

    def ask(self, expression):
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait(self, expression):
        end = time.monotonic() + PATIENCE
        while not self.ask(expression):
            if time.monotonic() > end:
                return False
            time.sleep(0.1)
        return True

    def faults(self, axe=None):
        """What is wrong with it, in words."""
        found = []
        # as a reader would: down the page, plot by plot
        self.ask(
            """(async () => {
              for (const plot of document.querySelectorAll('.plot')) {
                plot.scrollIntoView();
                await new Promise(done => requestAnimationFrame(() => setTimeout(done, 20)));
              }
              window.scrollTo(0, 0);
            })()""")
        if self.is_batch():
            return self.sorting() + self.layout(axe) + self.events()
        if self.ask("typeof figures === 'undefined' ? 0 : figures.length") == 0:
            return ["it has no plots"] + self.events()
        complete = "figures.every(f => document.getElementById(f.id).querySelector('.main-svg'))"
        if not self.wait(complete):
            found.append("not drawn: " + self.ask("figures.filter(f => !document.getElementById(f.id).querySelector('.main-svg')).map(f => f.id).join(', ')"))
        found += self.ask(
            """figures.filter(f => (document.getElementById(f.id)._fullData || []).length !== f.data.length)
              .map(f => f.id + ': some of its traces are not drawn')""")
        found += self.ask(
            """[...document.querySelectorAll('.plot')].filter(p => { const b = p.getBoundingClientRect(), s = p.querySelector('.main-svg');
              return s && (s.getBoundingClientRect().width > b.width + 1 || b.width < 100 || s.getBoundingClientRect().height < 100); })
              .map(p => p.id + ': is drawn larger than its place, or hardly at all')""")
        found += self.ask(
            """[...document.querySelectorAll('.molecule svg')].filter(s => s.getBoundingClientRect().width < 100).map(() => 'a molecule is not drawn')""")
        heading = self.ask("document.querySelector('main h2').textContent")
        if heading != "Verdict":
            found.append(f"it opens with '{heading}' and not with the verdict")
        return found + self.layout(axe) + self.events()

    def is_batch(self):
        return self.ask("document.querySelector('th[data-place]') !== null")

    def sorting(self):
        """A page of a batch: each heading sorts its column, up and then down."""
        return self.ask(
            """(() => {
              const faults = [];
              for (const head of document.querySelectorAll('th[data-place]')) {
                const place = Number(head.dataset.place);
                for (const way of ['ascending', 'descending']) {
                  head.querySelector('button').click();
                  if (head.getAttribute('aria-sort') !== way) faults.push('does not sort: ' + head.textContent);
                  const cells = [...document.querySelectorAll('tbody tr')].map(row => row.cells[place].dataset.value);
                  const numbers = cells.filter(v => v !== undefined && v !== '').map(Number);
                  const sorted = [...numbers].sort((a, b) => way === 'ascending' ? a - b : b - a);
                  if (numbers.join() !== sorted.join()) faults.push(head.textContent + ' is not sorted: ' + numbers);
                }
              }
              return faults;
            })()""")

    def layout(self, axe):
        """What any page must keep to."""
        found = []
        wide = self.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if wide > 0:
            found.append(f"the page is {wide} px wider than the window")
        if self.look == "print":
            found += self.ask(
                """[...document.querySelectorAll('.scroll')].filter(s => s.scrollWidth > s.clientWidth + 1)
                  .map(s => 'on paper this table is cut off: ' + s.getAttribute('aria-label'))""") if self.width != 400 else []
        else:
            found += self.ask(
                """[...document.querySelectorAll('table')].filter(t => { const s = t.closest('.scroll');
                  return !s || s.tabIndex !== 0 || s.getBoundingClientRect().right > innerWidth + 1
                    || (s.scrollWidth > s.clientWidth + 1 && getComputedStyle(s).overflowX !== 'auto'); })
                  .map(t => 'a table does not scroll inside itself: ' + t.caption.textContent)""")
        contrast = self.ask(
            """(() => {
              const light = colour => { const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map(v => v / 255)
                .map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4); return .2126 * r + .7152 * g + .0722 * b; };
              const paper = light(getComputedStyle(document.body).backgroundColor);
              const texts = [document.body, ...document.querySelectorAll('.cure, figcaption, .kind, a, .grave h3, .plot .xtick text, .plot .legendtext')];
              return [paper, Math.min(...texts.map(t => { const s = getComputedStyle(t), c = light(t instanceof SVGElement ? s.fill : s.color);
                return (Math.max(c, paper) + .05) / (Math.min(c, paper) + .05); }))];
            })()""")
        if (contrast[0] < 0.2) != (self.look == "dark"):
            found.append(f"its background is not {self.look}")
        if contrast[1] < 4.5:
            found.append(f"some text has a contrast of {contrast[1]:.1f} to the background (4.5 are the least)")
        found += self.ask(
            """(ids => [...new Set(ids.filter((id, k) => ids.indexOf(id) !== k))].map(id => 'two elements are called ' + id))(
              [...document.querySelectorAll('body [id]:not(.plot *)')].map(e => e.id))""")
        found += self.ask(
            "[...document.querySelectorAll('nav a, .skip')].filter(a => !document.getElementById(decodeURIComponent(a.hash.slice(1)))).map(a => 'leads nowhere: ' + a.hash)")
        if axe:
            self.ask(axe + "; 0")
            found += self.ask(
                """axe.run(document, { exclude: [['.plot']] }).then(r => r.violations.map(v =>
                  'axe: ' + v.id + ' (' + v.impact + '): ' + v.nodes.slice(0, 3).map(n => n.target.join(' ')).join('; ')))""")
        return found

    def events(self):
        found = []
        for event in self.browser.events:
            method, told = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                found.append("exception: " + json.dumps(told["exceptionDetails"])[:300])
            elif method == "Runtime.consoleAPICalled" and told["type"] in ("error", "assert", "warning"):
                found.append("console: " + " ".join(str(a.get("value", a.get("description"))) for a in told["args"])[:300])
            elif method == "Log.entryAdded" and told["entry"]["level"] == "error":
                found.append("log: " + told["entry"]["text"][:300])
            elif method == "Network.requestWillBeSent":
                url = told["request"]["url"]
                if not url.startswith(("data:", "blob:")) and url.split("#")[0] != self.page.resolve().as_uri():
                    found.append("asks for " + url[:200])
        return found

    def screenshot(self, file, tall):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        height = min(size["height"], tall)
        picture = self.call(
            "Page.captureScreenshot", captureBeyondViewport=True,
            clip={"x": 0, "y": 0, "width": self.width, "height": height, "scale": 1})
        file.write_bytes(base64.b64decode(picture["data"]))

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)


def weight(page):
    """Bytes of the page without its largest script, which is Plotly."""
    text = page.read_text()
    scripts = [part.split("</script>")[0] for part in text.split("<script>")[1:]]
    plotly = max((len(script.encode()) for script in scripts), default=0)
    if plotly < 1_000_000:
        return len(text.encode())
    return len(text.encode()) - plotly


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="+", type=pathlib.Path)
    parser.add_argument("--screenshots", type=pathlib.Path, help="keep a picture of each view in this folder")
    parser.add_argument("--tall", type=int, default=8000, help="pixels of a picture at most")
    parser.add_argument("--axe", type=pathlib.Path, help="axe.min.js, to check accessibility too")
    options = parser.parse_args()
    axe = options.axe.read_text() if options.axe else None
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    browser, wrong, plots = Browser(), 0, 0
    for page in options.pages:
        heavy = weight(page)
        if heavy > HEAVIEST:
            print(f"{page}: {heavy:,} bytes besides Plotly (at most {HEAVIEST:,})")
            wrong += 1
        for look in LOOKS:
            for width in WIDTHS:
                view = View(browser, page, width, look)
                faults = view.faults(axe)
                plots = view.ask("typeof figures === 'undefined' ? 0 : figures.length")
                if options.screenshots:
                    view.screenshot(options.screenshots / f"{page.parent.name}-{page.stem}-{look}-{width}.png", options.tall)
                view.close()
                for fault in faults:
                    print(f"{page.name} at {width} px, {look}: {fault}")
                wrong += len(faults)
        print(f"{page.name}: {plots} plots in {len(LOOKS) * len(WIDTHS)} views, {heavy:,} bytes besides Plotly")
    browser.close()
    if wrong:
        sys.exit(f"check_page: {wrong} faults")


if __name__ == "__main__":
    main()
