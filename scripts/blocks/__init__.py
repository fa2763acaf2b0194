"""Definitions that two or more days use. No work at import."""
