// QR codes (ISO/IEC 18004) for short texts: byte mode, level M, versions 1 to 10, i.e. up to 213 bytes.
const qrBlocks = [null, [10, 1, 16], [16, 1, 28], [26, 1, 44], [18, 2, 32], [24, 2, 43], [16, 4, 27], [18, 4, 31], [22, 2, 38, 2, 39], [22, 3, 36, 2, 37], [26, 4, 43, 1, 44]]; // check bytes per block; blocks, data bytes; …
const qrMarks = [null, [], [6, 18], [6, 22], [6, 26], [6, 30], [6, 34], [6, 22, 38], [6, 24, 42], [6, 26, 46], [6, 28, 50]]; // alignment pattern positions

// qr returns rows of modules, true for dark; null if the text is too long.
function qr(text) {
  const bytes = [...new TextEncoder().encode(text)];
  const room = (v) => { const [, ...b] = qrBlocks[v]; return b[0] * b[1] + (b[2] || 0) * (b[3] || 0); };
  let version = 1;
  const header = (v) => (v < 10 ? 12 : 20); // bits of mode and length
  while (version <= 10 && header(version) + 8 * bytes.length > 8 * room(version)) version++;
  if (version > 10) return null;
  const grid = qrFrame(version);
  qrFill(grid, qrCodewords(bytes, version, room(version)));
  // Choose the mask with the fewest equal neighbours.
  let best = null, least = Infinity;
  for (let mask = 0; mask < 8; mask++) {
    const rows = qrMask(grid, mask), cost = qrCost(rows);
    if (cost < least) [best, least] = [rows, cost];
  }
  return best;
}

function qrCodewords(bytes, version, room) {
  let bits = "0100" + bytes.length.toString(2).padStart(version < 10 ? 8 : 16, "0") + bytes.map((b) => b.toString(2).padStart(8, "0")).join("");
  bits = (bits + "0000").slice(0, 8 * room);
  bits = bits.padEnd(8 * Math.ceil(bits.length / 8), "0");
  const data = bits.match(/.{8}/g).map((b) => parseInt(b, 2));
  for (let pad = 0xec; data.length < room; pad ^= 0xec ^ 0x11) data.push(pad);
  const [checks, ...kinds] = qrBlocks[version], blocks = [];
  for (let k = 0; k < kinds.length; k += 2) for (let i = 0; i < kinds[k]; i++) blocks.push(data.splice(0, kinds[k + 1]));
  const sums = blocks.map((b) => qrRemainder(b, checks)), out = [];
  const weave = (lists) => { for (let i = 0; i < Math.max(...lists.map((l) => l.length)); i++) for (const l of lists) if (i < l.length) out.push(l[i]); };
  weave(blocks);
  weave(sums);
  return out;
}

// qrTimes multiplies in GF(256) with the polynomial x^8 + x^4 + x^3 + x^2 + 1.
function qrTimes(a, b) {
  let p = 0;
  for (let i = 7; i >= 0; i--) p = p << 1 ^ (p >> 7) * 0x11d ^ (b >> i & 1) * a;
  return p;
}

// qrRemainder returns a block's Reed-Solomon check bytes.
function qrRemainder(data, n) {
  let generator = [1];
  for (let i = 0, root = 1; i < n; i++, root = qrTimes(root, 2)) {
    generator = [...generator, 0].map((c, k) => c ^ (k ? qrTimes(generator[k - 1], root) : 0));
  }
  const rest = [...data, ...Array(n).fill(0)];
  data.forEach((_, i) => {
    const f = rest[i];
    generator.forEach((g, k) => { rest[i + k] ^= qrTimes(g, f); });
  });
  return rest.slice(data.length);
}

// qrFrame returns a grid of the function patterns: { dark, fixed }.
function qrFrame(version) {
  const n = 17 + 4 * version, at = (x, y, dark) => { if (x >= 0 && y >= 0 && x < n && y < n) grid[y][x] = { dark, fixed: true }; };
  const grid = Array.from({ length: n }, () => Array.from({ length: n }, () => ({ dark: false, fixed: false })));
  const square = (cx, cy, r, light) => {
    for (let y = -r; y <= r; y++) for (let x = -r; x <= r; x++) at(cx + x, cy + y, !light.includes(Math.max(Math.abs(x), Math.abs(y))));
  };
  for (let i = 0; i < n; i++) at(6, i, i % 2 === 0), at(i, 6, i % 2 === 0);
  const marks = qrMarks[version], end = marks.length - 1;
  marks.forEach((y, i) => marks.forEach((x, k) => { if (!(i === 0 && k === 0 || i === 0 && k === end || i === end && k === 0)) square(x, y, 2, [1]); }));
  for (const [x, y] of [[3, 3], [n - 4, 3], [3, n - 4]]) square(x, y, 4, [2, 4]);
  for (let i = 0; i < 9; i++) for (const [x, y] of [[8, i], [i, 8], [n - 1 - i, 8], [8, n - 1 - i]]) if (i < 8 || x < 9 && y < 9) if (!grid[y][x].fixed) at(x, y, false); // format information
  at(8, n - 8, true);
  if (version >= 7) {
    const word = qrCheck(version, 12, 0x1f25);
    for (let i = 0; i < 18; i++) at(n - 11 + i % 3, Math.floor(i / 3), word >> i & 1), at(Math.floor(i / 3), n - 11 + i % 3, word >> i & 1);
  }
  return grid;
}

// qrCheck appends the remainder of the division by a polynomial of the given degree.
function qrCheck(value, degree, polynomial) {
  let rest = value;
  for (let i = 0; i < degree; i++) rest = rest << 1 ^ (rest >> degree - 1) * polynomial;
  return value << degree | rest & (1 << degree) - 1;
}

// qrFill places the bits in double columns, up and down, from the right.
function qrFill(grid, words) {
  const n = grid.length;
  let i = 0;
  for (let right = n - 1; right > 0; right -= 2) {
    if (right === 6) right = 5; // skip the timing pattern
    for (let k = 0; k < n; k++) {
      const y = (right + 1 & 2) === 0 ? n - 1 - k : k;
      for (const x of [right, right - 1]) {
        if (grid[y][x].fixed) continue;
        grid[y][x].dark = Boolean((words[i >> 3] || 0) >> 7 - (i & 7) & 1);
        i++;
      }
    }
  }
}

const qrMasks = [
  (x, y) => (x + y) % 2, (x, y) => y % 2, (x) => x % 3, (x, y) => (x + y) % 3, (x, y) => (Math.floor(y / 2) + Math.floor(x / 3)) % 2,
  (x, y) => x * y % 2 + x * y % 3, (x, y) => (x * y % 2 + x * y % 3) % 2, (x, y) => ((x + y) % 2 + x * y % 3) % 2,
];

function qrMask(grid, mask) {
  const n = grid.length, rows = grid.map((row, y) => row.map((m, x) => (m.fixed ? Boolean(m.dark) : m.dark !== (qrMasks[mask](x, y) === 0))));
  const word = qrCheck(mask, 10, 0x537) ^ 0x5412; // level M is 00
  for (let i = 0; i < 15; i++) {
    const dark = Boolean(word >> i & 1);
    rows[i < 6 ? i : i < 8 ? i + 1 : n - 15 + i][8] = dark;
    rows[8][i < 8 ? n - 1 - i : i === 8 ? 7 : 14 - i] = dark;
  }
  rows[n - 8][8] = true;
  return rows;
}

function qrCost(rows) {
  const n = rows.length;
  let cost = 0, dark = 0;
  for (let y = 0; y < n; y++) {
    for (let x = 0; x < n; x++) {
      dark += rows[y][x];
      if (x + 1 < n && y + 1 < n && rows[y][x] === rows[y][x + 1] && rows[y][x] === rows[y + 1][x] && rows[y][x] === rows[y + 1][x + 1]) cost += 3;
    }
    for (const line of [rows[y], rows.map((row) => row[y])]) {
      for (const run of line.map((m) => (m ? "1" : "0")).join("").matchAll(/1{5,}|0{5,}|(?=10111010000|00001011101)/g)) cost += run[0] ? run[0].length - 2 : 40;
    }
  }
  return cost + 10 * Math.floor(Math.abs(dark / (n * n) - 0.5) * 20);
}
