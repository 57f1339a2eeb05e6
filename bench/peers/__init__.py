"""Side by side with peers on one machine: ``python -m bench.peers [TOPIC ...]``.

``cases`` says what a comparison is, ``leastsq``, ``streams``, ``subspaces``, ``studies``, ``estimators`` and
``logistic`` declare them, ``floors`` measures what the machine can do, ``measure`` takes times, ``table`` writes them
down.
"""
