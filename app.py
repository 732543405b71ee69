"""Serve the page, as `video2music app` does: `python app.py --help` shows the settings."""

from video2music.studio.page import main

if __name__ == "__main__":
    main()
