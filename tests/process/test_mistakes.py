"""Mistakes at a call raise there, and nothing else of the run suffers."""

from __future__ import annotations

from .conftest import Site
from .test_ends import unique


def test_mistakes_at_a_call_raise_there_and_only_they_are_not_logged(site: Site) -> None:
    name = unique("mistakes")
    script = """
    import sys
    import numpy as np
    from pyhectiqlab import Run
    run = Run(sys.argv[1])
    def refused(kind, *args, **kwargs):
        try:
            run.add_metrics(*args, **kwargs)
        except kind as e:
            assert type(e) is kind and str(e), e
            assert "NotPlain" not in type(e.__context__).__name__, "how we found it is not a part of the traceback"
        else:
            raise AssertionError((args, kwargs))
    refused(ValueError, "", 1.0, 1)
    refused(TypeError, None, 1.0, 1)
    refused(TypeError, 3, 1.0, 1)
    refused(TypeError, ["a"], 1.0, 1)
    refused(ValueError, "k" * 1025, 1.0, 1)
    refused(ValueError, "\\udc80", 1.0, 1)
    refused(TypeError, "a", "1.0", 1)
    refused(TypeError, "a", None, 1)
    refused(TypeError, "a", [1.0], 1)
    refused(TypeError, "a", 1j, 1)
    refused(TypeError, "a", np.ones(2), 1)
    refused(ValueError, "a", 10**400, 1)
    refused(TypeError, "a", 1.0, "1")
    refused(TypeError, "a", 1.0, 1.5)
    refused(ValueError, "a", 1.0, 2**63)
    refused(ValueError, "a", 1.0, -2**63 - 1)
    refused(TypeError, {"a": 1.0, "b": "x"}, step=1)
    refused(ValueError, {"a": 1.0, "": 1.0}, step=1)
    refused(TypeError, {"a": 1.0, 3: 1.0}, step=1)
    refused(TypeError, {"a": 1.0}, 1.0, 1)
    run.add_metrics({}, step=1)
    plain, of_numpy = [1, True, 2.5], [np.float32(3), np.int8(4), np.array(5.0), np.bool_(True), np.float64("nan")]
    for i, value in enumerate([*plain, *of_numpy, float("inf"), -0.0]):
        run.add_metrics("good", value, i)
        run.add_metrics({"good2": value}, np.int64(i))
    run.add_metrics("good", 1.0, -2**63)
    run.add_metrics("good", 1.0, 2**63 - 1)
    run.add_metrics("good", 1.0, 7.0)
    run.add_metrics("k" * 1024, 1.0, 1)
    for bad in (3, ""):
        try:
            Run(bad)
        except (TypeError, ValueError):
            continue
        raise AssertionError(bad)
    run.close()
    from pyhectiqlab.errors import RunClosedError
    refused(RunClosedError, "good", 1.0, 1)
    refused(RunClosedError, {"good": 1.0}, step=1)
    assert run.close() and run.flush(30)
    """
    done = site.run(script, name)
    assert done.returncode == 0, done.stderr
    # The last one counts the other values of the dicts, beside the wrong ones.
    assert site.ended(name)["points"] == 10 + 10 + 3 + 1 + 3
    good = site.points(name, "good")
    assert [s for s, _, _ in good] == [*range(10), -(2**63), 2**63 - 1, 7]
    assert str([v for _, v, _ in good][:10]) == "[1.0, 1.0, 2.5, 3.0, 4.0, 5.0, 1.0, nan, inf, -0.0]"
