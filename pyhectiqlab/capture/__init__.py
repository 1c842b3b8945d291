"""What is read from the host: processes and how they ended, launchers, values. Plain values out; nothing else of
ours is imported.
"""
