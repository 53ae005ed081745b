// The server's clock against ours, as NTP does it: the reply was made between asking and hearing; the quickest exchange says it best, and is wrong by
// half its time at most.
const clock = { offset: 0, error: Infinity, samples: [] };
async function compareClocks(times) {
  for (let i = 0; i < times && !document.hidden; i++) {
    try {
      const asked = now();
      const reply = await fetch(url("healthz"), { cache: "no-store", headers: authorization || {} });
      const heard = now();
      const server = Number(reply.headers.get("X-Time")) * 1000;
      if (server > 0) {
        const s = { error: (heard - asked) / 2, offset: server - (asked + heard) / 2 };
        // Earlier ones that contradict it are of a clock that was set, or that stood still while the machine slept.
        clock.samples = clock.samples.filter((old) => Math.abs(old.offset - s.offset) <= old.error + s.error + 1).slice(-7);
        clock.samples.push(s);
      }
    } catch { /* it is asked again */ }
    if (clock.samples.length) Object.assign(clock, clock.samples.reduce((a, b) => (b.error < a.error ? b : a)));
    await sleep(100);
  }
}
setInterval(compareClocks, 20000, 1);
