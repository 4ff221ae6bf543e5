"""``python -m replicator``: the same as the command ``replicator``."""

from replicator.cli.main import main

if __name__ == "__main__":
    main(prog_name="replicator")
