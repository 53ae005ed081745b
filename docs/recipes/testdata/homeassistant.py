"""What Home Assistant's integrations do with the fields of mjpeg.yaml, generic.yaml and sensor.yaml, using its HTTP client, aiohttp:
mjpeg forwards the stream to browsers and fetches a still from its address; generic fetches stills."""

import asyncio
import io

import aiohttp
import yaml
from PIL import Image


async def main():
    mjpeg, generic = (yaml.safe_load(open(name + ".yaml")) for name in ("mjpeg", "generic"))
    sensor = yaml.safe_load(open("sensor.yaml"))["rest"][0]
    auth = aiohttp.BasicAuth(mjpeg["username"], mjpeg["password"])
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60)) as session:
        async with session.get(mjpeg["mjpeg_url"], auth=auth) as reply:
            reply.raise_for_status()
            assert reply.headers["Content-Type"].startswith("multipart/x-mixed-replace"), reply.headers
            data, pictures = b"", 0
            while pictures < 20:
                chunk = await reply.content.read(102400)  # as the integration does
                assert chunk, "the stream ended"
                data += chunk
                while (begin := data.find(b"\xff\xd8")) >= 0 and (end := data.find(b"\xff\xd9", begin)) >= 0:
                    Image.open(io.BytesIO(data[begin : end + 2])).load()
                    data = data[end + 2 :]
                    pictures += 1
            print("mjpeg: 20 pictures")
        for fields in (mjpeg, generic):
            async with session.get(fields["still_image_url"], auth=aiohttp.BasicAuth(fields["username"], fields["password"])) as reply:
                reply.raise_for_status()
                print("still: %dx%d" % Image.open(io.BytesIO(await reply.read())).size)
        async with session.get(generic["still_image_url"], auth=aiohttp.BasicAuth("homeassistant", "wrong")) as reply:
            print("wrong password:", reply.status)
        async with session.get(sensor["resource"], auth=aiohttp.BasicAuth(sensor["username"], sensor["password"])) as reply:
            state = await reply.json()
            print("signal:", state["signal"], "fps:", state["fps"])


asyncio.run(main())
