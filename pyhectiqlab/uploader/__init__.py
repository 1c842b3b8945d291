"""The uploader: the process beside the training that brings its events and files to the lab.

It empties the queues into the journal, and the journal into the lab.
"""
