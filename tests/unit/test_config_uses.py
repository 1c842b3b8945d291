"""What a Config is good for: subclasses, conversions, files; and a large one in parts."""

from __future__ import annotations

import argparse
import copy
import dataclasses
import math
import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pyhectiqlab import Config
from pyhectiqlab.capture.plain import PART_BYTES, packed_bytes, parts
from pyhectiqlab.errors import ConfigurationError
from pyhectiqlab.protocol.limits import EVENT_BYTES_MAX
from pyhectiqlab.store.sql.meta_configs import merge


class Training(Config):
    lr = 1e-3
    betas = [0.9, 0.999]  # noqa: RUF012 (each config gets its own)

    @property
    def warm(self) -> float:
        return float(self.lr) / 10

    def describe(self) -> str:
        return f"lr {self.lr}"


@dataclasses.dataclass
class Model:
    layers: int = 4
    act: str = "gelu"


def test_it_is_used_like_an_object_and_like_a_dict() -> None:
    config = Config(hello="world", a=Config(path="./here", b=1))
    assert (config.a.path, config["a"]["b"], config.hello) == ("./here", 1, "world")
    assert dict(**config.a) == {"path": "./here", "b": 1}
    assert list(config) == ["hello", "a"] and list(config.keys()) == ["hello", "a"]
    assert "a" in config and "c" not in config and 3 not in config
    assert config == {"hello": "world", "a": {"path": "./here", "b": 1}} == config.dict
    assert type(config.dict["a"]) is dict


def test_a_typo_raises_with_the_nearest_names() -> None:
    config = Config(learning_rate=0.1, layers=2)
    with pytest.raises(AttributeError, match="did you mean 'learning_rate'"):
        _ = config.learning_rat
    with pytest.raises(KeyError, match="layers"):
        _ = config["layer"]
    assert not hasattr(config, "nothing_like_it")


def test_a_subclass_has_defaults_of_its_own_methods_and_properties() -> None:
    one, other = Training(epochs=3), Training(lr=1.0)
    assert one == {"lr": 1e-3, "betas": [0.9, 0.999], "epochs": 3}
    one.lr = 0.5
    one.betas.append(1)
    assert (one.lr, one.warm, one.describe(), other.lr, other.betas) == (0.5, 0.05, "lr 0.5", 1.0, [0.9, 0.999])


def test_a_subclass_may_have_a_constructor_of_its_own() -> None:
    class Mine(Config):
        def __init__(self, size: int = 2) -> None:
            self.size = size
            super().__init__(twice=2 * size)

    mine = Mine(4)
    assert mine == {"size": 4, "twice": 8}
    assert copy.copy(mine) == copy.deepcopy(mine) == mine and type(mine.copy()) is Mine


def test_the_name_of_a_method_is_refused_by_a_dot_and_kept_by_brackets() -> None:
    config = Config(items=3)
    assert config["items"] == 3 and list(config.items()) == [("items", 3)]
    with pytest.raises(AttributeError, match=r"config\['keys'\]"):
        config.keys = 1  # type: ignore[method-assign]


def test_a_copy_shares_no_nested_config() -> None:
    config = Training(model=Config(layers=2))
    for made in (config.copy(), copy.copy(config), copy.deepcopy(config), pickle.loads(pickle.dumps(config))):
        assert made == config and type(made) is Training
        made.model.layers = 9
    assert config.model.layers == 2


def test_it_is_made_from_namespaces_dataclasses_and_what_is_like_a_mapping() -> None:
    class Like:  # as OmegaConf and ml_collections are
        def __init__(self, **values: Any) -> None:
            self._values = values

        def keys(self) -> Any:
            return self._values.keys()

        def __getitem__(self, key: str) -> Any:
            return self._values[key]

    args = argparse.ArgumentParser().parse_args([])
    args.lr, args.model = 0.1, Model()
    assert Config.from_args(args) == {"lr": 0.1, "model": {"layers": 4, "act": "gelu"}}
    assert Config.from_dict(Model()) == {"layers": 4, "act": "gelu"}
    assert Config.from_dict(Like(a=Like(b=1))).a.b == 1
    assert type(Training.from_dict({"model": {"a": 1}}).model) is Config
    with pytest.raises(TypeError, match="SimpleNamespace"):
        Config.from_dict(SimpleNamespace(a=1))


def test_a_long_repr_has_a_line_a_parameter() -> None:
    assert repr(Config(a=1, b=Config(c="d"))) == "Config(a=1, b=Config(c='d'))"
    text = repr(Config(a="x" * 60, b=Config(c="y" * 60)))
    assert text.splitlines()[1:3] == [f"    a='{'x' * 60}',", f"    b=Config(c='{'y' * 60}'),"]


@pytest.mark.parametrize("name", ["config.json", "config.yaml", "config.yml"])
def test_values_come_back_from_a_file_as_they_went_in(tmp_path: Path, name: str) -> None:
    values = {"i": 3, "f": 1e-5, "n": None, "b": True, "s": "é 1e-3", "inf": -math.inf, "l": [1, 2.5, "x", None]}
    config = Config(values, nested=Config(deep=Config(lr=0.1)), pair=(1, 2), nan=math.nan)
    config.save(tmp_path / name)
    loaded = Config.load(tmp_path / name)
    assert math.isnan(loaded.pop("nan")) and type(loaded.b) is bool and type(loaded.nested.deep) is Config
    assert loaded == {**values, "nested": {"deep": {"lr": 0.1}}, "pair": [1, 2]}


def test_a_learning_rate_written_by_hand_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("lr: 1e-3\nname: e5\n")
    assert Config.load(tmp_path / "c.yaml") == {"lr": 1e-3, "name": "e5"}


@pytest.mark.parametrize("name", ["config.pkl", "config.json"])
def test_a_pickle_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(ValueError, match="is a pickle"):
        Config.load(tmp_path / name)


@pytest.mark.parametrize(("name", "text"), [("c.json", "{"), ("c.yaml", "a: [1"), ("c.json", "[1]"), ("c.toml", "")])
def test_a_file_that_holds_no_parameters_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=name):
        Config.load(tmp_path / name)


def test_without_pyyaml_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(ConfigurationError, match=r"\[yaml\]"):
        Config(a=1).save(tmp_path / "c.yaml")


def test_it_is_pushed_as_meta_by_path() -> None:
    meta: dict[str, Any] = {}
    run: Any = SimpleNamespace(add_meta=meta.__setitem__)
    Config(a=1, model=Config(layers=2)).push_as_meta(run, "config")
    Config(b=3).push_as_meta(run)
    assert meta == {"config/a": 1, "config/model/layers": 2, "b": 3}


# Large configs -----------------------------------------------------------------------------------------------------


def _joined(values: dict[str, Any]) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for part in parts(values):
        merge(whole, part)
    return whole


def test_a_small_config_is_one_part() -> None:
    assert list(parts({"a": {"b": 1}})) == [{"a": {"b": 1}}]
    assert list(parts({})) == [{}]


def test_the_parts_of_a_large_config_are_bounded_and_merge_to_it() -> None:
    flat: dict[str, Any] = {f"k{i}": i for i in range(100_000)}
    values = {
        "flat": flat,
        "deep": {"er": {f"n{i}": {"x": "y" * 1000} for i in range(500)}},
        "empty": {},
        "s": "z" * 900_000,
    }
    sizes = [packed_bytes(part) for part in parts(values)]
    assert _joined(values) == values
    assert 5 < len(sizes) < 30 and sorted(sizes)[-2] <= PART_BYTES + 100 and max(sizes) < EVENT_BYTES_MAX


@pytest.mark.parametrize("value", ["x" * (5 << 20), list(range(1 << 19))], ids=["bytes", "items"])
def test_a_value_that_the_lab_would_not_take_is_refused_by_name(value: Any) -> None:
    with pytest.raises(ValueError, match=r"'data\.images'"):
        list(parts({"data": {"images": value}}))
