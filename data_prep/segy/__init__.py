"""SEG-Y and SU, both ways: recorded shots and velocity sections in, gathers and sections out.

The modules process a recorded file in this order. ``layout`` finds how its bytes are laid out. ``scan`` reads
all headers; ``timing`` and ``geometry`` derive the time axis and the positions from them. ``shots`` collects
the traces into gathers. ``placing`` lays a survey on the line, ``regularise`` brings samples onto it, and
``direct_arrival`` measures gain and time shift; ``source`` runs these three steps and provides the records.
"""

# Why this is not done with segyio, which the tests compare with:
# - Reading: it must be given what is to be found out here (byte order, SU or SEG-Y). It reads IBM numbers
#   wrongly whose fraction begins with a zero digit. It takes a pass over the file for each header value, or a
#   Python object per trace, where a scan is one pass in bounded memory, which also finds dead traces.
#   Its errors say neither where a damaged file is wrong nor how to mend it.
# - Writing: gathers take it two to three times as long, since it fills in trace headers one by one. It writes
#   in place, while a file here appears whole or not at all. It leaves other bytes in the binary header.
