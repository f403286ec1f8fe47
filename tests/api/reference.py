"""What the tables of the reference pages in docs/ say, for tests that hold it against the code."""

import functools
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
NAME = re.compile(r"`([a-z0-9_.]+(?:-[a-z]+)*)`")


def names(text):
    return set(NAME.findall(text))


@functools.cache
def tables(page):
    """Every table of a page by the first cell of its head: its rows, each a list of cells."""
    found, rows = {}, None
    for line in (ROOT / page).read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            rows = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if rows is None:
            rows = found.setdefault(cells[0], [])
        elif set("".join(cells)) - set("-: "):
            rows.append(cells)
    return found


def first_names(page, head):
    """{name: row} of a table; a row may be about several."""
    return {name: row for row in tables(page)[head] for name in names(row[0])}


@functools.cache
def event_members():
    """{type: members of its data}. A row that names another type has its members, too."""
    said = {name: names(row[3]) for name, row in first_names("docs/events.md", "type").items()}
    return {
        name: {m for member in members for m in said.get(member, {member})}
        for name, members in said.items()
    }


def undocumented(events):
    """What docs/events.md lacks of these events, as texts."""
    known = event_members()
    return sorted({
        f"docs/events.md does not name {member} of {event['type']}"
        for event in events
        for member in set(event["data"]) - known.get(event["type"], set())
    })
