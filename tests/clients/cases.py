"""How a client program in Python tells main.py what it found out: a line per case."""
import os
import sys
import traceback


class Skip(Exception):
    """A case that makes no sense here."""


def require(holds, why="not as expected"):
    if not holds:
        raise AssertionError(why)


def same(have, want, what="it"):
    if have != want:
        raise AssertionError(f"{what} is {have!r:.300}, not {want!r:.300}")


def one_line(text):
    return " ".join(str(text).split())[:500]


def run(cases):
    """Runs functions in order; with a second argument those whose name holds it."""
    only = sys.argv[2] if len(sys.argv) > 2 else ""
    for case in cases:
        if only not in case.__name__:
            continue
        try:
            case()
        except Skip as skip:
            print(f"skipped {case.__name__}: {one_line(skip)}", flush=True)
        except Exception as error:  # pylint: disable=broad-except # whatever went wrong is this case's failure
            at = traceback.extract_tb(error.__traceback__)
            mine = [frame.lineno for frame in at if frame.filename.endswith(os.path.basename(sys.argv[0]))]
            line = mine[-1] if mine else 0
            print(f"failed {case.__name__}: line {line}: {one_line(f'{type(error).__name__}: {error}')}", flush=True)
        else:
            print(f"passed {case.__name__}", flush=True)
