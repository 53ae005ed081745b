// The servers that the camera's H.264 is published to, one row each.
function showPublications(s) {
  const rows = (s.publish || []).map((p) => {
    let how = "connecting…";
    if (p.connected) how = p.fps.toFixed(0) + " fps, " + rate(p.bytes_per_second);
    else if (p.error) how = p.error + (p.retry_in ? "; trying again in " + Math.ceil(p.retry_in) + " s" : "");
    if (p.connected && p.skipped) how += ", " + p.skipped + " skipped";
    return [p.url, how, p.connected || !p.error];
  });
  const list = $("publish");
  list.parentElement.hidden = rows.length === 0;
  while (list.children.length > rows.length) list.lastElementChild.remove();
  while (list.children.length < rows.length) {
    const row = document.createElement("li");
    row.append(document.createElement("code"), document.createElement("span"));
    list.append(row);
  }
  rows.forEach(([url, how, good], i) => {
    const row = list.children[i];
    row.classList.toggle("away", !good);
    for (const [node, text] of [[row.firstElementChild, url], [row.lastElementChild, how]]) {
      if (node.textContent !== text) node.textContent = text;
    }
  });
}
