"""enrollctl explain: how an impression became a template, on one page; needs no daemon."""

from __future__ import annotations

from pathlib import Path

import click
from PIL import Image

from enrollment.cli.explain import captions
from enrollment.cli.explain.examining import explain as examine_file
from enrollment.cli.explain.examining import figures
from enrollment.cli.explain.page import draw_page
from enrollment.cli.failure import EXIT_REFUSED
from enrollment.cli.output import Output
from enrollment.cli.session import Session
from enrollment.core.errors import EnrollmentError
from enrollment.core.fingerprint import CANON_PPI


def explain_to(out: Output, image: Path, resolution_ppi: float, page: Path) -> bool:
    """Write the page and tell the figures; False where the image was refused, which is told as well."""
    try:
        found = examine_file(image, resolution_ppi)
    except EnrollmentError as error:
        out.say(
            f"{image} cannot be explained: {error} [{error.reason}]",
            f"không thể phân tích {image}: {error} [{error.reason}]",
            style="red",
        )
        out.value({"error": {"reason": error.reason, "facts": error.facts}})
        return False
    try:
        Image.fromarray(draw_page(found, out.language)).save(page, format="PNG")
    except OSError as error:
        raise click.FileError(str(page), hint=error.strerror or str(error)) from error
    quality = found.examination.quality
    out.value({"page": str(page), **figures(found)})
    out.say(
        f"quality {quality.score}, {len(found.examination.template)} minutiae, {sum(found.ms.values()):.1f} ms: {page}",
        f"chất lượng {quality.score}, {len(found.examination.template)} điểm đặc trưng,"
        f" {sum(found.ms.values()):.1f} ms: {page}",
    )
    for hint in quality.hints:
        out.say(captions.hint(hint, "en"), captions.hint(hint, "vi"), style="yellow")
    return True


@click.command()
@click.argument("image", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--ppi", default=CANON_PPI, show_default=True, help="Resolution of the image, pixels an inch.")
@click.option(
    "--out", "page", type=click.Path(path_type=Path), help="The page, a PNG; IMAGE-explained.png here if not given."
)
@click.pass_context
def explain(ctx: click.Context, image: Path, ppi: float, page: Path | None) -> None:
    """Draw every stage of extraction of a fingerprint IMAGE on one page, with its quality; works without enrolld."""
    session = ctx.find_object(Session)
    if session is None:
        raise click.UsageError("call it as a command of enrollctl")
    if not explain_to(session.out, image, ppi, page or Path(f"{image.stem}-explained.png")):
        ctx.exit(EXIT_REFUSED)
