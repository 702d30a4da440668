"""tests/api/sdk-py/suite.py [TEXT] - the cases of cases.txt with e2b of PyPI;
TEXT picks those whose name contains it."""
import sys

import git_helpers  # noqa: F401 - each adds its cases
import harness
import inside  # noqa: F401
import methods
import outside  # noqa: F401

harness.test("every method has a row")(methods.every)
harness.main(sys.argv[1] if len(sys.argv) > 1 else "", "tests/api/cases.txt")
