"""`video2music` and `python -m video2music`."""

from video2music.cli import main

if __name__ == "__main__":
    main()
