"""`video2music app`: serve the page. Its settings are those of `python app.py`, declared in `studio.serving`."""

import typer

from video2music.errors import OptionError

# The settings are read by `studio.serving`, which prints their help, too.
CONTEXT_SETTINGS = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def app(context: typer.Context) -> None:
    """Serve the page; `video2music app --help` lists its address, limits and queue."""
    try:
        from video2music.studio import page
    except ModuleNotFoundError as error:
        if error.name != "gradio":  # a fault of this program, which must not read as a missing extra
            raise
        raise OptionError("the page needs Gradio: pip install 'video2music[app]'") from None
    page.main(context.args, program="video2music app")
