"""Files into the lake: what a file is, its rows in one shape, the checks of each row, and how they enter together.

Here live the readers of every kind of file, the checks, the merge with what the lake has, and `bring_in`, the one way
in, which downloads use too. Not here: what is asked of a vendor (databento/), where the bytes go (storage.py).
"""
