"""`replicator selftest`: copies of this process are killed at work on the real disk, and judged."""
