"""What every command line of ours does alike: which language it speaks, and how a refusal ends a command.

A refusal is told on standard error and ends with status 1: a sentence with the stable reason and the facts, and under
it the technical message, which is English in either language; with the command's --json one JSON object.
"""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import click

EXIT_REFUSED: Final = 1
_LANGUAGE: Final = "enrollment.language"  # in click's meta, which a command shares with its groups
_AS_JSON: Final = "enrollment.as_json"


def default_language() -> str:
    """vi or en, from the environment as gettext would take it."""
    tag = os.environ.get("LC_ALL") or os.environ.get("LC_MESSAGES") or os.environ.get("LANG") or ""
    return "vi" if tag.lower().startswith("vi") else "en"


def harmless(text: str) -> str:
    """Text as a terminal may have it: what a device or another program said must not move its cursor."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "\N{REPLACEMENT CHARACTER}" for letter in text)


def write_for_owner_alone() -> None:
    """Until the command ends, what it writes is for whoever called it, and nobody else."""
    before = os.umask(0o077)
    click.get_current_context().call_on_close(lambda: os.umask(before))


def _remember(name: str) -> Any:
    def callback(ctx: click.Context, _option: click.Parameter, value: Any) -> Any:
        ctx.meta[name] = value
        return value

    return callback


language_option = click.option(
    "--lang",
    type=click.Choice(["vi", "en"]),
    default=default_language,
    expose_value=False,
    is_eager=True,
    callback=_remember(_LANGUAGE),
    help="Language of messages.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, callback=_remember(_AS_JSON), help="Print one JSON object."
)
json_errors_option = click.option(
    "--json", is_flag=True, expose_value=False, callback=_remember(_AS_JSON), help="A refusal as one JSON object."
)


@dataclass(frozen=True, slots=True)
class Told:
    """A refusal for people and programs. message: the technical one, in English; sentences: by language."""

    reason: str
    message: str
    facts: Mapping[str, object]
    sentences: Mapping[str, str]


class Commands(click.Group, ABC):
    """A group whose commands end with a refusal in the caller's language. Give it `language_option`."""

    @abstractmethod
    def told(self, error: Exception) -> Told | None:
        """The refusal that this exception is; None where it is a fault of ours."""

    def invoke(self, ctx: click.Context) -> Any:
        """As click.Group."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            told = self.told(error)
            if told is None:
                raise
            click.echo(_as_json(told) if ctx.meta.get(_AS_JSON) else _as_text(told, ctx.meta[_LANGUAGE]), err=True)
            ctx.exit(EXIT_REFUSED)


def _as_json(told: Told) -> str:
    facts = {name: str(value) for name, value in told.facts.items()}
    return json.dumps({"error": told.reason, "message": told.message, "facts": facts})


def _as_text(told: Told, language: str) -> str:
    facts = " ".join(f"{name}={value}" for name, value in told.facts.items())
    return harmless(f"{told.sentences[language]} [{told.reason}] {facts}".rstrip() + f"\n  {told.message}")
