"""The client: what runs in the training process between `Run` and the queue. See README.md."""
