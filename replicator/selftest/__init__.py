"""Kills a sandboxed copy of capture and delivery on the real disk, again and again, and judges."""
