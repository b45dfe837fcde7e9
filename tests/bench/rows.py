"""How a bench prints its figures: a JSON object a row, and one object with all of them on the last line."""

import json
import operator
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]


def row(kind: str, count: int, figure: float | None, floor: float, aim: float, **more: object) -> Row:
    """``count``: emails, texts or runs that the figure rests on. ``met``: how far it is from what is asked for."""
    rounded = None if figure is None else round(figure, 4)
    return {
        "kind": kind,
        "count": count,
        "figure": rounded,
        "floor": floor,
        "aim": aim,
        "met": met(rounded, floor, aim),
        **more,
    }


def share_row(kind: str, share: dict[str, Any], floor: float, aim: float, **more: object) -> Row:
    """A share with its counts, as ``Report.figures`` gives it; one of nothing has no figure."""
    figure = share["count"] / share["of"] if share["of"] else None
    return row(kind, share["of"], figure, floor, aim, part=share["count"], **more)


def met(figure: float | None, floor: float, aim: float) -> str:
    """ "aim", "floor" or "neither"; where the aim lies below the floor, less is better."""
    if figure is None:
        return "neither"
    if floor == aim:
        return "aim" if figure == aim else "neither"
    better = operator.le if aim < floor else operator.ge
    if better(figure, aim):
        return "aim"
    return "floor" if better(figure, floor) else "neither"


def print_rows(rows: Iterable[Row], **about: object) -> None:
    """``about`` is said of every row: the command, the seed."""
    printed = []
    for one in rows:
        printed.append({**one, **about})
        print(json.dumps(printed[-1], ensure_ascii=False), flush=True)
    print(json.dumps({one["kind"]: {k: v for k, v in one.items() if k != "kind"} for one in printed}))
