"""Fixtures of the contract tests."""

from tests.local_cloud import cloud

__all__ = ["cloud"]
