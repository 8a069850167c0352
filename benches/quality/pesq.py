"""Lines of "SOURCE<TAB>HEARD" in, one MOS-LQO (ITU-T P.862.1, narrowband) a line out. 8 kHz, 16 bit, mono."""

import sys
import wave

import numpy
import pesq


def samples(path):
    with wave.open(path) as file:
        return numpy.frombuffer(file.readframes(file.getnframes()), dtype="<i2")


for line in sys.stdin:
    source, heard = (samples(path) for path in line.rstrip("\n").split("\t"))
    try:
        print(pesq.pesq(8000, source, heard, "nb"), flush=True)
    except pesq.NoUtterancesError:
        print(1.0, flush=True)
