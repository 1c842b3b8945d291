"""The uploader: the process beside the training that empties its queues into the journal and the journal into the
lab.
"""
