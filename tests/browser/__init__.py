"""Tests in a real browser. A package, so that its conftest does not shadow `conftest` for the tests beside it."""
