"""Moving a lab from one storage to another: `hectiqlab admin move`."""
