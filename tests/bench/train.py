#!/usr/bin/env python3
"""What conf/build.sh has the program do while it counts: answers of all
sizes, and streams.

    train.py BUILD-DIRECTORY
"""
import pathlib
import sys
import tempfile

import proxies
import scenarios

SECONDS = 2
BODIES = 1024, 1024, 4096, 32768, 524288
STREAMS = dict(as_stream=1, user="chunks=50,interval_us=200")


def main():
    build = pathlib.Path(sys.argv[1])
    proxies.Bijia.program = (build / "proxy" / "bijia").resolve()
    tools = build / "tests" / "bench"
    with tempfile.TemporaryDirectory() as work:
        work = pathlib.Path(work)
        mock = proxies.Mock(tools / "bench_mock", work)
        loads = [dict(body=size) for size in BODIES] + [STREAMS]
        for tls in (False, True):
            proxy = proxies.Bijia(work, mock).start(tls=tls)
            for load in loads[:1] if tls else loads:
                one = scenarios.Load(tools / "bench_load", proxy,
                                     connections=16, warmup_ms=0,
                                     run_ms=SECONDS * 1000, **load)
                one.line()
                one.close()
            proxy.stop()
        mock.stop()


if __name__ == "__main__":
    main()
