"""``python -m outgrow``."""

from outgrow.cli import main

if __name__ == "__main__":
    main()
