"""Replicates a field station's MySQL or MariaDB to central servers, exactly once, in order."""

__version__ = "0.1.0"
