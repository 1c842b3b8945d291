"""Points of many keys in one request."""

from __future__ import annotations

from pyhectiqlab.testing.lab import RealLab
from pyhectiqlab.transport.http import LabClient

from .api import Api, batch, new_id


def test_points_of_many_keys_come_in_order_each_from_its_cursor(api: Api, lab: RealLab) -> None:
    run = str(api.attach(new_id())["run"]["id"])
    counts = {"a": 5, "b/c": 12, "d": 1}
    for key, n in counts.items():
        assert api.statuses(batch(run, new_id(), 1, n, key=key)) == [200]
    with LabClient(lab.url, lab.api_key) as client:
        want = {key: [s for page in client.points(run, key) for s in page.step] for key in counts}
        for limit in (1, 4, 7, 1000):
            got: dict[str, list[int]] = {}
            ends = {}
            for key, points, end in client.points_of_keys(run, [(key, None) for key in counts], limit=limit):
                got.setdefault(key, []).extend(points.step)
                ends[key] = end
            assert got == want, limit
        assert api.statuses(batch(run, new_id(), 1, 3, key="a")) == [200]
        new = [(key, list(points.step)) for key, points, _ in client.points_of_keys(run, list(ends.items()))]
    assert new == [("a", [1, 2, 3]), ("b/c", []), ("d", [])]
    wrong = {"keys": [{"key": "a", "after": "nonsense"}]}
    assert api.call("POST", f"/runs/{run}/points", 422, json=wrong)["error"]["code"] == "bad_cursor"
