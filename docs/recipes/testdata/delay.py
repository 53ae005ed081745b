"""delay.py URL USER PASSWORD CA: reads pictures of a slow stream. Each must arrive before the next one is taken: nothing in between may
buffer them."""

import sys
import time

import requests

url, user, password, ca = sys.argv[1:]
ages = []
with requests.get(url, stream=True, auth=(user, password), verify=ca, timeout=20) as reply:
    reply.raise_for_status()
    body = reply.raw
    while len(ages) < 5:
        line = body.readline()
        if not line:
            raise SystemExit("the stream ended")
        if line.lower().startswith(b"x-timestamp:"):
            taken = float(line.split(b":")[1])
        if line.lower().startswith(b"content-length:"):
            length = int(line.split(b":")[1])
        if line == b"\r\n":
            body.read(length)
            ages.append(time.time() - taken)
            length = 0
# The stream has one picture every two seconds: with a proxy that waits for the next one, each would be at least that old.
ages.sort()
print("ok" if ages[len(ages) // 2] < 1.5 else "late", ["%.3f" % a for a in ages])
