"""Take the pictures of README.md from the running app.

    make run                                # in another terminal, note the password
    .venv/bin/python docs/images/take.py --password PASSWORD

Needs a Chromium on PATH and requirements-dev.txt (`make install`).
"""

import argparse
import os
import shutil
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

FOLDER = Path(__file__).parent
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1360, "height": 860}
PICTURES = {
    "incident": "/admin/incidents/incident/1/change/",
    "evidence": "/admin/evidence/evidenceitem/1/change/",
}


def sign_in(page: Page, url: str, user: str, password: str) -> None:
    page.goto(f"{url}/admin/login/")
    page.get_by_label("Username").fill(user)
    page.get_by_label("Password").fill(password)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{url}/admin/")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--user", default="responder")
    parser.add_argument("--password", required=True)
    options = parser.parse_args()
    program = next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if program is None:
        parser.exit(1, f"expected one of {', '.join(CHROMIUM_NAMES)} on PATH\n")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        page = browser.new_page(viewport=SIZE)
        sign_in(page, options.url, options.user, options.password)
        for name, path in PICTURES.items():
            page.goto(options.url + path)
            page.wait_for_load_state("networkidle")
            page.screenshot(path=FOLDER / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main()
