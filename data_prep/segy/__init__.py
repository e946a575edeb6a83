"""SEG-Y and SU, both ways: recorded shots and velocity sections in, gathers and sections out.

The way of a recorded file is that of the modules: ``layout`` finds how its bytes are laid out, ``scan`` reads
all headers, ``timing`` and ``geometry`` make a time axis and positions of them, ``shots`` puts the traces
together to gathers; ``placing`` lays a survey on their line, ``regularise`` brings the samples onto it,
``direct_arrival`` measures gain and time, and ``source`` leads through these three and feeds shards.
"""

# Why this is not done with segyio, which the tests compare with:
# - Reading: it must be given what is to be found out here (byte order, SU or SEG-Y). It reads IBM numbers
#   wrongly whose fraction begins with a zero digit. It takes a pass over the file for each header value, or a
#   Python object per trace, where a scan is one pass in bounded memory, which also finds dead traces.
#   Its errors say neither where a damaged file is wrong nor how to mend it.
# - Writing: gathers take it two to three times as long, since it fills in trace headers one by one. It writes
#   in place, while a file here appears whole or not at all. It leaves other bytes in the binary header.
