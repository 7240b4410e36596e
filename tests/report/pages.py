"""What a page must be, whatever it shows: closed tags, unique ids, nothing loaded, nothing run but the one script."""

from __future__ import annotations

import re
from collections.abc import Collection
from html.parser import HTMLParser

EVIL = '<script>alert("x")</script>'
VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What a browser would find in a page: its elements, ids and addresses, and that every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def check_self_contained(text: str, beside: Collection[str] = ()) -> Page:
    """Check a page; `beside` are the files that links may lead to, relative to it."""
    page = Page(text)
    ids = [attrs["id"] for _, attrs in page.tags if "id" in attrs]
    assert len(ids) == len(set(ids)), "an id occurs twice"
    for tag, attrs in page.tags:
        for key, value in attrs.items():
            if (tag, key) == ("a", "href") and value in beside:
                continue
            assert not key.startswith("on"), f"{key} would run a script"
            if key in {"src", "href", "xlink:href", "action", "data", "poster", "srcset"}:
                assert value.startswith(("#", "data:image/jpeg;base64,")), f"{key}={value[:60]} leaves the file"
                assert not value.startswith("#") or value[1:] in ids, f"{value} leads nowhere"
    assert not re.search(r"url\((?!#)|@import|https?://(?!www\.w3\.org/2000/svg)", text)
    assert len(page.all("script")) == 1
    for attrs in page.all("img"):
        assert attrs["alt"]
    for attrs in page.all("th"):
        assert attrs.get("scope") in {"col", "row"}
    return page
