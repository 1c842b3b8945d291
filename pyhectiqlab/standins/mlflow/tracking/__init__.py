"""mlflow.tracking, where frameworks import the client from."""

from ..client import MlflowClient
from ..fluent import get_tracking_uri, is_tracking_uri_set, set_tracking_uri
from . import context

__all__ = ["MlflowClient", "context", "get_tracking_uri", "is_tracking_uri_set", "set_tracking_uri"]
