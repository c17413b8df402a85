"""The frame of all verbs: the exit statuses, and one sentence on standard error for every error.

The module of a verb is imported when the verb runs. A verb raises errors and never prints them.
"""

import gc
import sys
from argparse import Namespace
from importlib import import_module

from carevouch.kernel.errors import DomainError, IntegrityFault

# A negative answer: a file does not verify, or a request is denied.
OK, NEGATIVE, BAD_INPUT = 0, 1, 2
# The extra that installs a library which the bare verifier does not need.
EXTRAS = {"jsonschema_rs": "cli", "amazon": "qldb"}


def run_verb(args: Namespace, *, is_own_process: bool) -> int:
    """Import the module of the verb, run it, and return the exit status.

    The garbage collector never visits the imported modules again, which makes the exit faster too.
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
