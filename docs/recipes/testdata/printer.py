"""printer.py OCTOPRINT.yaml MOONRAKER.conf: requests the addresses in both files like those programs: OctoPrint with requests, reading the
entire reply; Mainsail's browser as an open stream."""

import configparser
import sys

import requests
import yaml

octoprint = yaml.safe_load(open(sys.argv[1]))["plugins"]["classicwebcam"]
moonraker = configparser.ConfigParser()
moonraker.read(sys.argv[2])
(webcam,) = [moonraker[s] for s in moonraker.sections() if s.startswith("webcam ")]


def snapshot(url):
    reply = requests.get(url, timeout=20)
    reply.raise_for_status()
    assert reply.headers["Content-Type"] == "image/jpeg", reply.headers
    assert reply.content[:2] == b"\xff\xd8" and reply.content[-2:] == b"\xff\xd9"
    print("ok", url)


def stream(url):
    with requests.get(url, stream=True, timeout=20) as reply:
        reply.raise_for_status()
        assert reply.headers["Content-Type"].startswith("multipart/x-mixed-replace"), reply.headers
        ends = 0
        for chunk in reply.iter_content(8192):
            ends += chunk.count(b"--frame")
            if ends > 10:
                print("ok", url)
                return
    raise SystemExit("the stream ended: " + url)


snapshot(octoprint["snapshot"])
stream(octoprint["stream"])
snapshot(webcam["snapshot_url"])
stream(webcam["stream_url"])
