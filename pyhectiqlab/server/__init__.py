"""The lab: an HTTP service over the stores. `serve.py` runs it, `app.py` is its HTTP face, `lab.py` what it owns."""
