"""Fixtures of the ledger's tests."""

from tests.local_cloud import cloud

__all__ = ["cloud"]
