"""The frame of all verbs: the exit statuses, and every error as one sentence on standard error.

The module of a verb is imported when the verb runs. A verb raises; it never prints an error of its own.
"""

import gc
import sys
from argparse import Namespace
from importlib import import_module

from carevouch.kernel.errors import DomainError, IntegrityFault

# A negative answer: something does not verify, or is denied.
OK, NEGATIVE, BAD_INPUT = 0, 1, 2
# The extra that brings a library which the bare verifier does without.
EXTRAS = {"jsonschema_rs": "cli", "amazon": "qldb"}


def run_verb(args: Namespace, *, is_own_process: bool) -> int:
    """Import the module of the verb and run it; the exit status.

    In a process of its own the collector never looks at the modules again, which also makes the exit faster.
    """
    try:
        module = import_module(args.module)
        if is_own_process:
            gc.freeze()
        gc.enable()
        status: int = module.run(args)
    except IntegrityFault as fault:
        status, sentence = NEGATIVE, f"refused: {fault.message}"
    except DomainError as error:
        status, sentence = BAD_INPUT, error.message
    except OSError as error:
        status, sentence = BAD_INPUT, f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except ModuleNotFoundError as error:
        library = (error.name or "").partition(".")[0]
        if library in ("", "carevouch"):
            raise
        package = f"carevouch[{EXTRAS[library]}]" if library in EXTRAS else "carevouch"
        status, sentence = BAD_INPUT, f"the library {library} is missing: pip install '{package}'"
    else:
        return status
    print(f"carevouch {args.verb}: {sentence}", file=sys.stderr)
    return status
