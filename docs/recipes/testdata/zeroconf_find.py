"""Prints the services that python-zeroconf, an independent mDNS library, finds within a minute: type, address, port, TXT."""

import time

import zeroconf

found = {}


class Listener(zeroconf.ServiceListener):
    def add_service(self, zc, kind, name):
        info = zc.get_service_info(kind, name, timeout=5000)
        if info:
            found[kind] = "%s %s:%d %s" % (kind, info.parsed_addresses(zeroconf.IPVersion.V4Only)[0], info.port, info.decoded_properties if hasattr(info, "decoded_properties") else info.properties)

    def update_service(self, zc, kind, name):
        self.add_service(zc, kind, name)

    def remove_service(self, zc, kind, name):
        pass


zc = zeroconf.Zeroconf(interfaces=["10.77.0.1"])
browser = zeroconf.ServiceBrowser(zc, ["_http._tcp.local.", "_rtsp._tcp.local."], Listener())
end = time.time() + 60
while len(found) < 2 and time.time() < end:
    time.sleep(0.1)
zc.close()
for line in found.values():
    print(line)
