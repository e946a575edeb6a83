"""The verdict on a section: how far to trust it, with a known error rate.

``seen`` and ``figures`` measure, ``cases``, ``damage`` and ``collect`` gather sections with known errors,
``monotone``, ``guarantee`` and ``calibration`` fit the verdict; ``judge``, ``verdict`` and ``contradiction``
give it.
"""
