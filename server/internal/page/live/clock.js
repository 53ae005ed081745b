// Offset of the server's clock from ours, as in NTP: the reply was made between request and response. The quickest exchange is the most exact; its error
// is at most half its duration.
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
        // Earlier measurements that contradict it are from before a clock was set, or stood still while the machine slept.
        clock.samples = clock.samples.filter((old) => Math.abs(old.offset - s.offset) <= old.error + s.error + 1).slice(-7);
        clock.samples.push(s);
      }
    } catch { /* retried later */ }
    if (clock.samples.length) Object.assign(clock, clock.samples.reduce((a, b) => (b.error < a.error ? b : a)));
    await sleep(100);
  }
}
setInterval(compareClocks, 20000, 1);
