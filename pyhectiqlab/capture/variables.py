"""Choose environment variables that tell something about a training, and never secrets."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping

from .. import settings
from ..errors import ConfigurationError
from .argv import HIDDEN, shown

CHARS_MAX = 1024  # in a value
VARIABLES_MAX = 300

KNOWN = (
    # which processors, and how they compute
    *("CUDA_*", "CUBLAS_*", "CUDNN_*", "NVIDIA_VISIBLE_DEVICES", "NVIDIA_TF32_OVERRIDE", "NVTE_*"),
    *(
        "HIP_VISIBLE_DEVICES",
        "ROCR_VISIBLE_DEVICES",
        "HSA_OVERRIDE_GFX_VERSION",
        "MIOPEN_*",
        "ZE_AFFINITY_MASK",
        "TPU_*",
    ),
    # threads and memory
    *("OMP_*", "MKL_*", "KMP_*", "OPENBLAS_*", "GOMP_CPU_AFFINITY", "NUMEXPR_*", "VECLIB_MAXIMUM_THREADS"),
    *("RAYON_NUM_THREADS", "MALLOC_*", "LD_PRELOAD"),
    # several processes and machines
    *("WORLD_SIZE", "LOCAL_WORLD_SIZE", "NCCL_*", "RCCL_*", "GLOO_*", "UCX_*", "FI_*", "ACCELERATE_*", "DEEPSPEED_*"),
    # libraries
    *("PYTORCH_*", "TORCH_*", "TORCHDYNAMO_*", "TORCHINDUCTOR_*", "TRITON_*", "HF_*", "TRANSFORMERS_*", "XFORMERS_*"),
    *("FLASH_ATTENTION_*", "VLLM_*", "BNB_*", "JAX_*", "XLA_*", "TF_*", "KERAS_*", "PL_GLOBAL_SEED", "PL_SEED_WORKERS"),
    # Python, and the job
    *("PYTHONHASHSEED", "PYTHONOPTIMIZE", "CONDA_DEFAULT_ENV", "SLURM_*", "PBS_JOBID", "LSB_JOBID"),
)
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|JWT|AUTH|COOKIE|SPANK", re.IGNORECASE)
_LOOKS_SECRET = re.compile(
    r"(?<![A-Za-z0-9])(hf_|gh[opsu]_|github_pat_|glpat-|sk-|xox[a-z]-|AKIA|eyJ)[A-Za-z0-9_\-.]{12,}"
)


def variables(environ: Mapping[str, str], more: Iterable[str] = ()) -> dict[str, str]:
    """Return the variables whose names are in KNOWN or `more`, sorted by name. A `*` at the end stands for any text.

    Variables that are named like secrets are never returned. In the values, options named like secrets, users in
    addresses and tokens of well-known services are replaced by ***. Values are cut to CHARS_MAX.
    """
    wanted = (*KNOWN, *more)
    whole, beginnings = frozenset(wanted), tuple(name[:-1] for name in wanted if name.endswith("*"))
    names = [name for name in environ if name in whole or name.startswith(beginnings)]
    chosen = sorted(name for name in names if not _SECRET.search(name))
    return {name: _value(environ[name]) for name in chosen[:VARIABLES_MAX]}


def own_variables(say: Callable[[str], None]) -> dict[str, str]:
    """Return the variables of this process that the settings allow to be stored. If a setting is not understood, call
    `say` with a line and return none.
    """
    try:
        return variables(os.environ, settings.get("variables") or ()) if settings.get("store_variables") else {}
    except ConfigurationError as e:
        say(f"environment variables are not stored: {e}")
        return {}


def _value(text: str) -> str:
    printable = text.encode(errors="replace").decode()  # os.environ has bytes that are no UTF-8 as lone surrogates
    clean = _LOOKS_SECRET.sub(HIDDEN, " ".join(shown(printable.split(" "))))
    return clean if len(clean) <= CHARS_MAX else f"{clean[: CHARS_MAX - 1]}…"
