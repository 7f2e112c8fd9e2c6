"""Words for people, on stderr: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

console = Console(stderr=True, highlight=False, soft_wrap=True)
Advance = Callable[[int, int], None]
"""Called with what is done and the total."""


def say(text: str) -> None:
    """One line for a person."""
    console.print(text, markup=False)


def warn(text: str) -> None:
    """One line that a person should not miss."""
    console.print(text, style="yellow", markup=False)


@contextmanager
def progress(title: str) -> Generator[Advance]:
    """A progress bar called `title`; without a terminal a line at the start and at the end."""
    if not sys.stderr.isatty():
        seen = [0, 0]

        def note(done: int, total: int) -> None:
            seen[:] = [done, total]

        say(f"{title} …")
        yield note
        say(f"{title}: {seen[0]} of {seen[1]}")
        return
    columns = (TextColumn("{task.description:<18}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield advance
