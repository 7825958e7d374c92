"""What the commands of enroll-registryd share: options, and how a refusal is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy.exc import SQLAlchemyError

from enrollment.core.errors import EnrollmentError
from enrollment.registry.errors import RegistryError

data_option = click.option(
    "--data", "root", required=True, type=click.Path(file_okay=False, path_type=Path), help="The registry's folder."
)
database_option = click.option(
    "--database",
    envvar="ENROLL_REGISTRY_DATABASE",
    help="SQLAlchemy URL; a SQLite file in the folder where it is not given.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@contextmanager
def told_plainly() -> Iterator[None]:
    """What is refused ends the command with one line, not a traceback."""
    try:
        yield
    except (EnrollmentError, RegistryError) as error:
        facts = "".join(f" {name}={value}" for name, value in error.facts.items())
        raise click.ClickException(f"{error} ({error.reason}{facts})") from error
    except OSError as error:
        raise click.ClickException(f"{error.strerror}: {error.filename}") from error
    except SQLAlchemyError as error:
        raise click.ClickException(f"the database cannot be used: {type(error).__name__}") from error
