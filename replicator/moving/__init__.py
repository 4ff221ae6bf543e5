"""Moving over from the old pusher: its files, its mappings, and what it has brought already."""
