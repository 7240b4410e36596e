"""``python -m morelli`` runs the command line."""

from __future__ import annotations

from morelli.cli import main

if __name__ == "__main__":
    main()
