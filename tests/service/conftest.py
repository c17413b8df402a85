"""Fixtures of the service tests: the local cloud, on which the real stores keep their promises."""

from tests.local_cloud import cloud

__all__ = ["cloud"]
