"""The guards of the routes: who is asking, and whether they may."""
