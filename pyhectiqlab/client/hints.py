"""Hints: what to call here instead of a name that other trackers use. Said when a script asks a Run for that name."""

from __future__ import annotations

_METRICS = "metrics are logged by run.add_metrics('loss', 0.5, step=1), several by run.add_metrics({…}, step=1)"
_CONFIG = "a config is pushed by run.add_config({…}), and read back by Run.existing(name).config"
_SUMMARY = (
    "one value of a run is run.add_meta('best', 0.9); the last, least and greatest value of each metric are kept anyway"
)
_END = "run.close() ends it, as `with Run(...)` and the end of the script do by themselves"
_FILE = "a file is run.add_artifact('model.pt'), a folder run.add_directory_as_zip_artifact('results')"
_MODEL = "a model with a version is run.add_mlmodel('./checkpoints', name='net')"
_LOGS = "run.start_recording_logs() returns a logger; with capture_console=True what is printed is recorded, too"
_VIEW = "a run is read back by Run.existing(name): .metrics(), .config, .logs(), .artifacts()"

_BY_NAMES = {
    "log log_metric log_metrics log_scalar log_scalars add_metric add_scalar add_scalars track report report_scalar "
    "define_metric append extend": _METRICS,
    "config params hparams log_param log_params log_parameter log_parameters log_hyperparams log_config add_hparams "
    "connect update_config set_config": _CONFIG,
    "summary log_other log_others assign": _SUMMARY,
    "finish end end_run stop terminate join": _END,
    "log_artifact log_artifacts log_asset log_file save save_file upload upload_file upload_files track_files add_file "
    "use_artifact": _FILE,
    "log_model link_model register_model add_model": _MODEL,
    "log_text log_image log_images add_images": "texts and images are run.add_text and run.add_image",
    "log_figure log_table log_histogram": "these are run.add_figure, run.add_table and run.add_histogram",
    "tags add_tags set_tag set_tags": "a tag is run.add_tag('baseline')",
    "notes note description": "a note is run.set_note('…')",
    "log_message logs logger": _LOGS,
    "history metrics scan_history fetch get_metrics artifacts keys": _VIEW,
    "delete": "Run.existing(name).delete() deletes a run, and so does `hectiqlab delete`",
    "state": "Run.existing(name).state tells it; run.completed(), run.failed(), run.training() set it",
    "step": "a step is given with each value: run.add_metrics('loss', 0.5, step=1)",
    "dir": "a run has no folder of its own: write where you like, then run.add_artifact(path)",
}
HINTS = {name: text for names, text in _BY_NAMES.items() for name in names.split()}


def hint(name: str) -> str:
    """Return what to call instead of a name of another tracker; "" if it is none."""
    return HINTS.get(name, "")
