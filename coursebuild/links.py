"""Where a link may lead: to the web, and nowhere else."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

# What no address holds as it is: blanks, control characters, and what ends an attribute or a Markdown link.
UNSAFE = re.compile(r"""[\x00-\x20\x7f-\x9f\s<>"\\^`{|}\ud800-\udfff]""")


def web_address(text: str | None) -> str:
    """The address if it leads to the web, else "": no other scheme (javascript:, file:, data:) becomes a link."""
    address = (text or "").strip()
    try:
        parts = urlsplit(address)
        good = parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and (parts.port or True)
    except ValueError:  # "http://[", a port that is no number
        return ""
    return address if good and not UNSAFE.search(address) else ""
