"""Where the numbers come from, in a paragraph: for speaker notes, and for what a file says of itself."""

from __future__ import annotations

from typing import Any

from coursebuild.model import Record


def provenance(record: Record) -> str:
    """One paragraph on where a slide's numbers and figures come from."""
    p: dict[str, Any] = record.provenance
    packages = p.get("packages") or {}
    versions = ", ".join(f"{name} {packages[name]}" for name in sorted(packages))
    data = "; ".join(f"{d.get('name')} ({d.get('source')}, n = {d.get('n')})" for d in p.get("data") or [])
    parts = [
        f"{p.get('script', record.slug)} (sha256 {str(p.get('script_sha256', ''))[:12]})",
        f"preset {p.get('preset')}, seed {p.get('seed')}",
        f"on {p.get('device')}, Python {p.get('python')}" + (f", {versions}" if versions else ""),
        f"data: {data}" if data else "",
        f"run on {str(p.get('date', ''))[:10]}",
    ]
    return "Where the numbers come from: " + "; ".join(part for part in parts if part) + "."
