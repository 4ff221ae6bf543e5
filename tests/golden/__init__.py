"""Golden cases: SQL in, JSON out; see docs/golden.md."""
