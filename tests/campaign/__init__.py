"""Attacks at random: ``python -m tests.campaign [MINUTES] [--only ATTACK ...] [--seed SEED]``.

Runs are killed, disks fill up, files are damaged or forged, calls are interrupted, processes fork, and arrays of every
dtype, scale and layout go through every function. What comes out must be right, or one error that says what is wrong:
everything else is a fault. Each attempt has a seed and takes all that it does from it, but for moments of time; a
fault can be run again by ``--only ATTACK --seed SEED``. A module here is a kind of attack; see ``ATTACKS`` in each.
"""
