"""Every stage of one extraction on one page, as `enrollctl explain` draws it: `python -m bench.explain IMAGE`."""

from __future__ import annotations

import bench.one_thread  # noqa: F401 - it must come before numpy

# isort: split

from pathlib import Path

import click
import cv2

from enrollment.cli.commands_explain import explain_to
from enrollment.cli.failure import EXIT_REFUSED
from enrollment.cli.output import Output
from enrollment.core.fingerprint import CANON_PPI
from enrollment.terminal import default_language


@click.command()
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--ppi", default=CANON_PPI, show_default=True, help="resolution of the image, pixels an inch")
@click.option("--out", "page", type=click.Path(path_type=Path), help="bench-results/IMAGE-explained.png if not given")
@click.option("--lang", type=click.Choice(["vi", "en"]), default=default_language, help="language of the page")
@click.option("--json", "as_json", is_flag=True, help="the figures as JSON on standard output")
@click.pass_context
def main(ctx: click.Context, image: Path, ppi: float, page: Path | None, lang: str, as_json: bool) -> None:
    """Draw every stage of extraction of a fingerprint IMAGE on one page; the times are of one thread."""
    cv2.setNumThreads(1)
    if page is None:
        page = Path("bench-results") / f"{image.stem}-explained.png"
        page.parent.mkdir(exist_ok=True)
    if not explain_to(Output.make(as_json=as_json, language=lang), image, ppi, page):
        ctx.exit(EXIT_REFUSED)


if __name__ == "__main__":
    main()
