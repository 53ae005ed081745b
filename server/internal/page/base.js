"use strict";
const $ = (id) => document.getElementById(id);
const now = () => performance.timeOrigin + performance.now(); // ms since 1970, finer than Date.now and monotonic
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const put = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };

// Addresses are relative to the page's own, so that it works below a proxy's path, and never contain credentials: in a page opened as
// http://user:password@host/ all relative addresses inherit those, and fetch refuses them (Chromium 156, Firefox 153, WebKit 2.50; as the Fetch
// standard requires). A token that the page was opened with is passed along.
const home = new URL(location.pathname, location.origin);
// WebKit sends those credentials only with the page itself and prompts the user at each further request, so they are sent explicitly.
const given = new URL(document.URL), base64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
const authorization = given.password ? { Authorization: "Basic " + base64(decodeURIComponent(given.username) + ":" + decodeURIComponent(given.password)) } : null;
const token = new URLSearchParams(location.search).get("token");
function url(path, query = {}) {
  const u = new URL(path, home);
  for (const [name, value] of Object.entries(token ? { ...query, token } : query)) u.searchParams.set(name, value);
  return u.href;
}

async function ask(path, { query, ...options } = {}) {
  // The header suppresses the server's Basic challenge, for which the browser would open a password dialog.
  const reply = await fetch(url(path, query), { cache: "no-store", ...options, headers: { "X-Requested-With": "page", ...authorization, ...options.headers } });
  if (reply.status === 401) { // the session has expired: the server shows its login form
    location.reload();
    await sleep(1e9);
  }
  return reply;
}

// refusal returns the message of an error reply. The server's are plain text or JSON; a proxy in front of it replies with a page.
async function refusal(reply) {
  const type = reply.headers.get("Content-Type") || "", proxy = "the proxy answers " + reply.status;
  if (reply.status === 502 || reply.status === 504) return proxy; // never the server's
  if (!/^(text\/plain|application\/json)/.test(type)) return proxy;
  const text = (await reply.text()).trim();
  try {
    return JSON.parse(text).error || proxy;
  } catch {
    return text.slice(0, 300) || proxy;
  }
}

// Preferences are stored in this browser, where it allows.
function remember(name, value) {
  try { localStorage.setItem(name, value); } catch { /* not allowed */ }
}
function recall(name) {
  try { return localStorage.getItem(name); } catch { return null; }
}
