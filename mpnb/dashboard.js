// The live panel, drawn. Messages come in, pixels go out; what is sent back are requests: stop, resize, pin.
// It draws when a message has come, five times a second, and when somebody looks closer: the cores are the user's.
// @ts-check

/**
 * A message of `news.py`. Times are in tenths of milliseconds.
 * @typedef {object} Message
 * @property {"tick" | "whole"} kind
 * @property {number} run - which run it is of
 * @property {number} number - of the message; one more than the last, else something was missed
 * @property {string[]} kinds
 * @property {string} label
 * @property {string[]} sites - names of the cell's loops
 * @property {"idle" | "running" | "finished" | "failed" | "stopped"} status
 * @property {number} now
 * @property {number} workers - as many as it has now
 * @property {number[]} rows - the lanes to be drawn
 * @property {number} done
 * @property {number | null} total
 * @property {number | null} rate
 * @property {number | null} eta
 * @property {number} queued - iterations that wait for a worker
 * @property {number} sent - bytes to the workers
 * @property {number} home - bytes from them
 * @property {number | null} speedup
 * @property {number} ideal - what the speedup could be at best
 * @property {string} mark - before the speedup: nothing where it was measured, ≈ for an estimate, ≤ where it may be less
 * @property {number} serial_from - iterations in the kernel that the serial time is estimated from
 * @property {number[]} cores - user and system percent of each core, flat
 * @property {number[] | null} allowed - the cores that the kernel may use, where it may not use all
 * @property {number | null} quota - how many cores' worth of time its container grants
 * @property {[number, number]} own - percent of a core, and bytes, of the kernel itself
 * @property {[number, number]} memory - used and to be had, in bytes
 * @property {number[]} held - bytes of each lane's worker, -1 where unknown
 * @property {number[]} running - per lane since when it is at work, -1 where it is not
 * @property {number[]} left - per lane when its worker was let go, -1 where it was not
 * @property {number[]} deaths - lane and time of each worker that died, flat
 * @property {number[]} kernel - spans of the kernel itself, flat
 * @property {[number, number, number[]][]} lanes - lane, first span that is new, spans flat
 * @property {[number, number[]]} curve - first point that is new, points flat
 * @property {[number, number[]][]} [past] - earlier runs of the cell: workers, and their curves
 * @property {boolean} [stays]
 * @property {boolean} [pinned]
 */

/**
 * What is known of the run, shared by all views of it.
 * @typedef {object} State
 * @property {Message | null} last
 * @property {number[][]} lanes - flat spans, SPAN numbers each
 * @property {number[]} curve
 * @property {[number, number[]][]} past
 * @property {boolean} gap - a message was missed; the next snapshot mends it
 * @property {boolean} stopping
 * @property {number} wished - workers that were asked for and are not there yet; 0: none
 * @property {boolean} stays
 * @property {boolean} pinned
 * @property {boolean} lost - the kernel is gone, and the run with it
 * @property {string} note
 * @property {number} domain - time at the right edge, eased
 * @property {string} html - the static view, once the run is over
 */

const SPAN = 7; // start, length, kind, first, count, busy percent, bytes
const OPENS = 8; // in a span's kind: a chunk begins with it
const SITE = 16; // in a span's kind: the number of its site, so many times
const FAILED = 4;
const ACK_MS = 700; // then the kernel is interrupted instead
const MOST_WORKERS = 128;
const CALM = matchMedia("(prefers-reduced-motion: reduce)");

/** @returns {State} */
function fresh() {
  return {
    last: null, lanes: [], curve: [], past: [], gap: false, stopping: false, wished: 0, stays: false, pinned: false,
    lost: false, note: "", domain: 0, html: "",
  };
}

/** @param {State} state @param {Message} message */
function take(state, message) {
  const whole = message.kind === "whole";
  if (state.last && message.run !== state.last.run) {
    if (!whole) return; // of a run whose beginning is on its way
    Object.assign(state, fresh(), { pinned: state.pinned });
  }
  if (!whole && state.last && message.number !== state.last.number + 1) state.gap = true;
  if (whole) {
    state.lanes = [];
    state.curve = [];
    state.gap = false;
    state.past = message.past ?? [];
    state.stays = message.stays ?? false;
    if (!state.last) state.pinned = message.pinned ?? false;
  }
  for (const [lane, first, spans] of message.lanes) {
    const have = (state.lanes[lane] ??= []);
    have.length = Math.min(have.length, first * SPAN);
    for (const number of spans) have.push(number);
  }
  const [first, points] = message.curve;
  state.curve.length = Math.min(state.curve.length, first * 2);
  for (const number of points) state.curve.push(number);
  state.last = message;
  if (state.wished === message.workers) state.wished = 0;
  const now = message.now;
  if (message.status !== "running") {
    state.domain = Math.max(now, 1000);
    state.stopping = false;
    return;
  }
  // The right edge is where the run is expected to end; it moves gently, because expectations jump.
  const goal = message.eta === null ? now / 0.8 : Math.max(now * 1.01, now + message.eta * 1e4);
  const pace = whole || !state.domain ? 1 : CALM.matches ? (now > state.domain ? 1 : 0) : 0.25;
  state.domain = Math.max(now * 1.005, state.domain + pace * (goal - state.domain), 1000);
}

// ---------------------------------------------------------------------------------------------------------- in words

/** @param {number} tenths @returns {string} */
function duration(tenths) {
  const s = tenths / 1e4;
  if (s < 0.00095) return `${(s * 1e3).toFixed(1)} ms`;
  if (s < 0.95) return `${(s * 1e3).toFixed(0)} ms`;
  if (s < 9.95) return `${s.toFixed(1)} s`;
  if (s < 59.5) return `${s.toFixed(0)} s`;
  if (s < 3570) return `${Math.floor(Math.round(s) / 60)} min ${Math.round(s) % 60} s`;
  return `${Math.floor(Math.round(s / 60) / 60)} h ${Math.round(s / 60) % 60} min`;
}

/** @param {number} rate @returns {string} */
function perSecond(rate) {
  const digits = rate >= 100 ? 0 : rate >= 10 ? 1 : 2;
  return `${rate.toLocaleString("en", { maximumFractionDigits: digits, minimumFractionDigits: digits })}/s`;
}

/** @param {number} bytes @returns {string} */
function size(bytes) {
  let number = bytes;
  for (const unit of ["B", "kB", "MB"]) {
    if (number < 999.5) return `${number.toFixed(number < 9.95 && unit !== "B" ? 1 : 0)} ${unit}`;
    number /= 1000;
  }
  return `${number.toFixed(1)} GB`;
}

/** @param {number} count @param {string} noun */
const plural = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

/** What a block of a lane is. @param {Message} m @param {number[]} spans @param {number} i @param {number} lane */
function described(m, spans, i, lane) {
  const [, long, kind, first, many, busy, bytes] = spans.slice(i, i + SPAN);
  const what = m.kinds[kind % OPENS];
  const which =
    many > 1 ? `${many.toLocaleString("en")} iterations from ${first.toLocaleString("en")} on` : first < 0 ? "" : `iteration ${first.toLocaleString("en")}`;
  const parts = [what === "task" ? which : [{ decode: "unpacking", encode: "packing" }[what] ?? what, which].filter(Boolean).join(", ")];
  parts.push(duration(long));
  if (what === "task" && many > 1 && busy < 95) parts.push(`${busy} % of it at work`);
  parts.push(`worker ${lane + 1}`);
  if (bytes > 0) parts.push(size(bytes));
  return parts.join(" · ");
}

// ----------------------------------------------------------------------------------------------------------- drawing

/** A canvas as sharp as the screen, cleared. @param {HTMLCanvasElement} canvas */
function begin(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth;
  const height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio)) canvas.width = Math.round(width * ratio);
  if (canvas.height !== Math.round(height * ratio)) canvas.height = Math.round(height * ratio);
  const pen = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  return { pen, width, height };
}

/**
 * Time on a canvas.
 * @typedef {object} Scale
 * @property {number} from
 * @property {number} to
 * @property {number} left - pixel where it begins
 * @property {number} width
 */

/** @param {Scale} s @param {number} at */
const toX = (s, at) => s.left + ((at - s.from) / (s.to - s.from)) * s.width;
/** @param {Scale} s @param {number} x */
const toTime = (s, x) => s.from + ((x - s.left) / s.width) * (s.to - s.from);

/** @param {CanvasRenderingContext2D} pen @param {Scale} scale @param {number} y @param {string} colour */
function axis(pen, scale, y, colour) {
  const long = scale.to - scale.from;
  const raw = long / Math.max(2, scale.width / 75);
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= raw) ?? raw;
  pen.fillStyle = colour;
  pen.textBaseline = "top";
  for (let at = Math.ceil(scale.from / step) * step; at < scale.to; at += step) {
    const x = toX(scale, at);
    const seconds = at / 1e4;
    const digits = Math.max(0, Math.ceil(-Math.log10(step / 1e4) - 1e-9));
    const text = at === 0 ? "0" : scale.to < 9500 ? `${+(seconds * 1e3).toFixed(Math.max(0, digits - 3))} ms` : `${seconds.toFixed(digits)} s`;
    const half = pen.measureText(text).width / 2;
    pen.textAlign = x - half < scale.left ? "left" : "center";
    if (x + half <= scale.left + scale.width + 4 && (pen.textAlign === "center" || x - scale.left < 2)) pen.fillText(text, x, y);
  }
}

/** @typedef {Record<"task" | "data" | "check" | "failed" | "core" | "coreSystem" | "ink" | "soft" | "track" | "ground" | "font", string> & {sites: string[]}} Colours */

/** One bar a core: user time, system time on top of it; those that the kernel may not use are grey. @param {HTMLCanvasElement} canvas @param {Message} m @param {Colours} c */
function drawCores(canvas, m, c) {
  const { pen, width, height } = begin(canvas);
  const count = Math.max(1, m.cores.length / 2);
  const rows = Math.ceil(count / 32);
  const perRow = Math.ceil(count / rows);
  const labels = rows === 1 && count <= 12;
  const rowGap = 5;
  const full = (height - (labels ? 16 : 3) - rowGap * (rows - 1)) / rows;
  const pitch = Math.min(width / perRow, 46);
  const gap = pitch > 14 ? 5 : pitch > 6 ? 2 : pitch > 3 ? 1 : 0;
  const bar = pitch - gap;
  const left = (width - pitch * perRow + gap) / 2;
  const round = Math.min(3, bar / 3);
  const allowed = m.allowed && new Set(m.allowed);
  pen.font = c.font;
  for (let n = 0; n < count; n++) {
    const x = left + (n % perRow) * pitch;
    const y = Math.floor(n / perRow) * (full + rowGap);
    const user = Math.min(1, (m.cores[2 * n] ?? 0) / 100) * full;
    const system = Math.min(full - user, ((m.cores[2 * n + 1] ?? 0) / 100) * full);
    const ours = !allowed || allowed.has(n);
    pen.globalAlpha = ours ? 1 : 0.5;
    pen.save();
    pen.beginPath();
    pen.roundRect(x, y, bar, full, round);
    pen.clip();
    pen.fillStyle = c.track;
    pen.fillRect(x, y, bar, full);
    pen.fillStyle = ours ? c.coreSystem : c.soft;
    pen.fillRect(x, y + full - user - system, bar, system);
    pen.fillStyle = ours ? c.core : c.soft;
    pen.fillRect(x, y + full - user, bar, user);
    pen.restore();
    if (labels) {
      pen.fillStyle = c.soft;
      pen.textAlign = "center";
      pen.textBaseline = "top";
      pen.fillText(String(n), x + bar / 2, height - 12);
    }
  }
  pen.globalAlpha = 1;
}

/** Where the lanes lie on their canvas. @param {number} width @param {number} height @param {number} count @param {boolean} held */
function laneGrid(width, height, count, held) {
  const kernel = 9;
  const pitch = Math.min(62, (height - 16 - kernel) / Math.max(1, count));
  const gap = pitch >= 14 ? 4 : pitch >= 5 ? 1 : pitch >= 2.5 ? 0.5 : 0;
  const left = pitch >= 12 ? 18 : 0;
  const right = held && pitch >= 12 && width > 360 ? 62 : 0;
  return { kernel, pitch, gap, left, right, span: width - left - right, bar: pitch - gap };
}

/**
 * What one view shows of the lanes.
 * @typedef {object} Look
 * @property {[number, number] | null} window - from and to; null: the whole run
 * @property {{row: number, index: number} | null} cursor - the block that the keyboard is at
 * @property {[number, number] | null} drag - pixels, while a stretch is being marked
 */

/** @param {State} state @param {Look} look @param {ReturnType<typeof laneGrid>} grid @returns {Scale} */
function laneScale(state, look, grid) {
  const [from, to] = look.window ?? [0, state.domain];
  return { from, to, left: grid.left, width: grid.span };
}

/** One lane a worker, on one clock. @param {HTMLCanvasElement} canvas @param {State} state @param {Message} m @param {Colours} c @param {Look} look */
function drawLanes(canvas, state, m, c, look) {
  const { pen, width, height } = begin(canvas);
  const count = m.rows.length;
  const grid = laneGrid(width, height, count, m.held.length > 0);
  const scale = laneScale(state, look, grid);
  const perPixel = grid.span / (scale.to - scale.from);
  const end = scale.left + scale.width;
  const limit = m.memory[1] / Math.max(1, m.workers);
  const inside = (/** @type {number} */ x) => Math.min(end, Math.max(scale.left, x));
  pen.font = c.font;
  for (let i = 0; i < m.kernel.length; i += SPAN) {
    const x = inside(toX(scale, m.kernel[i]));
    const stop = inside(toX(scale, m.kernel[i] + m.kernel[i + 1]));
    pen.fillStyle = c.core;
    if (stop > x) pen.fillRect(x, 0, Math.max(0.7, stop - x - 0.7), 5);
  }
  for (let place = 0; place < count; place++) {
    const lane = m.rows[place];
    const y = grid.kernel + place * grid.pitch;
    const left = m.left[lane] ?? -1;
    const stop = left < 0 ? end : inside(toX(scale, left)); // the lane of a worker that was let go ends there
    pen.fillStyle = c.track;
    pen.fillRect(scale.left, y, stop - scale.left, grid.bar);
    if (grid.left) {
      pen.fillStyle = c.soft;
      pen.textAlign = "left";
      pen.textBaseline = "middle";
      pen.fillText(String(lane + 1), 0, y + grid.bar / 2 + 0.5);
    }
    const held = m.held[lane] ?? -1;
    if (grid.right && held >= 0 && left < 0) {
      const share = Math.min(1, held / limit);
      pen.fillStyle = c.track;
      pen.fillRect(width - grid.right + 8, y, 4, grid.bar);
      pen.fillStyle = share > 0.9 ? c.failed : share > 0.7 ? c.data : c.soft;
      pen.fillRect(width - grid.right + 8, y + grid.bar * (1 - share), 4, grid.bar * share);
      pen.fillStyle = c.soft;
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      pen.fillText(size(held), width, y + grid.bar / 2 + 0.5);
    }
    drawSpans(pen, state.lanes[lane] ?? [], y, grid, scale, perPixel, c);
    const since = m.running[lane] ?? -1;
    const edge = lastEnd(state.lanes[lane]);
    if (since >= 0 && m.now > since && m.status === "running") {
      const x = inside(toX(scale, Math.max(since, edge)));
      pen.globalAlpha = 0.42; // under way
      pen.fillStyle = c.task;
      pen.fillRect(x, y, Math.max(0, inside(toX(scale, m.now)) - x), grid.bar);
      pen.globalAlpha = 1;
    }
    for (let i = 0; i < m.deaths.length; i += 2) {
      const x = toX(scale, m.deaths[i + 1]);
      if (m.deaths[i] === lane && x >= scale.left && x <= end) cross(pen, x, y + grid.bar / 2, Math.min(5, Math.max(2, grid.bar / 3)), c);
    }
    if (look.cursor?.row === place && state.lanes[lane]) {
      const [at, long] = state.lanes[lane].slice(look.cursor.index, look.cursor.index + 2);
      const x = inside(toX(scale, at));
      pen.strokeStyle = c.ink;
      pen.lineWidth = 2;
      pen.strokeRect(x - 1, y - 1, Math.max(3, inside(toX(scale, at + long)) - x + 2), grid.bar + 2);
    }
  }
  const now = toX(scale, m.now);
  if (m.status === "running" && now >= scale.left && now <= end) {
    pen.fillStyle = c.ink;
    pen.globalAlpha = 0.5;
    pen.fillRect(now, grid.kernel - 3, 1, grid.pitch * count - grid.gap + 6);
    pen.globalAlpha = 1;
  }
  if (look.drag) {
    pen.fillStyle = c.task;
    pen.globalAlpha = 0.2;
    pen.fillRect(Math.min(...look.drag), 0, Math.abs(look.drag[1] - look.drag[0]), height - 15);
    pen.globalAlpha = 1;
  }
  axis(pen, scale, height - 12, c.soft);
}

/** @param {number[] | undefined} spans */
const lastEnd = (spans) => (spans?.length ? spans[spans.length - SPAN] + spans[spans.length - SPAN + 1] : 0);

/** @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y @param {number} r @param {Colours} c */
function cross(pen, x, y, r, c) {
  for (const [colour, width] of /** @type {[string, number][]} */ ([[c.ground, 4], [c.failed, 2]])) {
    pen.strokeStyle = colour;
    pen.lineWidth = width;
    pen.beginPath();
    pen.moveTo(x - r, y - r);
    pen.lineTo(x + r, y + r);
    pen.moveTo(x + r, y - r);
    pen.lineTo(x - r, y + r);
    pen.stroke();
  }
}

/**
 * The blocks of a lane. Those thinner than a pixel are drawn together: as dark as the time that they fill.
 * @param {CanvasRenderingContext2D} pen @param {number[]} spans @param {number} y @param {ReturnType<typeof laneGrid>} grid
 * @param {Scale} scale @param {number} perPixel @param {Colours} c
 */
function drawSpans(pen, spans, y, grid, scale, perPixel, c) {
  const end = scale.left + scale.width;
  let column = -1; // the pixel that thin blocks are gathered in
  let filled = 0;
  let colour = "";
  /** @type {number[]} */
  const borders = []; // where chunks begin
  const flush = () => {
    if (filled > 0) {
      pen.globalAlpha = Math.min(1, filled);
      pen.fillStyle = colour;
      pen.fillRect(column, y, 1, grid.bar);
    }
    filled = 0;
  };
  for (let i = 0; i < spans.length; i += SPAN) {
    const at = toX(scale, spans[i]);
    const stop = at + spans[i + 1] * perPixel;
    if (stop < scale.left) continue;
    if (at > end) break;
    const kind = spans[i + 2] % OPENS;
    const alpha = kind === 0 ? 0.35 + 0.0065 * spans[i + 5] : kind === FAILED ? 1 : kind === 1 ? 0.6 : 0.85;
    if (spans[i + 2] % SITE >= OPENS && at >= scale.left) borders.push(at);
    const paint = kind === 0 ? c.sites[Math.floor(spans[i + 2] / SITE) % c.sites.length] : kind === 2 ? c.check : kind === FAILED ? c.failed : c.data;
    if (stop - at < 1) {
      const here = Math.floor(at);
      if (here !== column) {
        flush();
        column = here;
        colour = paint;
      }
      if (kind === FAILED) colour = paint;
      filled += alpha * (stop - at);
      if (kind === FAILED) filled = 1;
      continue;
    }
    flush();
    const x = Math.max(scale.left, at);
    const long = Math.min(end, stop) - x;
    pen.globalAlpha = alpha;
    pen.fillStyle = paint;
    pen.fillRect(x, y, long, grid.bar);
    if (long > 3) {
      pen.globalAlpha = 0.6; // a border, so that blocks can be told apart
      pen.fillStyle = c.ground;
      pen.fillRect(x + long - 0.7, y, 0.7, grid.bar);
    }
  }
  flush();
  pen.globalAlpha = 0.8;
  pen.fillStyle = c.ink;
  const room = borders.length > 1 ? (borders[borders.length - 1] - borders[0]) / (borders.length - 1) : grid.span;
  for (const at of room > 12 ? borders : []) pen.fillRect(at - 0.7, y - grid.gap / 2, 1.4, grid.bar + grid.gap);
  pen.globalAlpha = 1;
}

/** The speedup so far, and that of earlier runs. @param {HTMLCanvasElement} canvas @param {State} state @param {Message} m @param {Colours} c */
function drawCurve(canvas, state, m, c) {
  const { pen, width, height } = begin(canvas);
  const bottom = height - 17;
  const points = state.curve;
  let top = m.ideal;
  for (let i = 1; i < points.length; i += 2) top = Math.max(top, points[i]);
  for (const [, past] of state.past) for (let i = 1; i < past.length; i += 2) top = Math.max(top, past[i]);
  top *= 1.16;
  const scale = { from: 0, to: state.domain, left: 0, width: width - 5 };
  const x = (/** @type {number} */ t) => toX(scale, t);
  const y = (/** @type {number} */ value) => bottom - (Math.max(0, value) / top) * (bottom - 2);
  const trace = (/** @type {number[]} */ curve) => {
    pen.beginPath();
    for (let i = 0; i < curve.length && curve[i] <= state.domain; i += 2) pen.lineTo(x(curve[i]), y(curve[i + 1]));
  };
  pen.font = c.font;
  pen.lineWidth = 1;
  pen.strokeStyle = pen.fillStyle = c.soft;
  pen.textAlign = "right";
  pen.textBaseline = "bottom";
  pen.setLineDash([5, 4]);
  pen.beginPath();
  pen.moveTo(0, y(m.ideal));
  pen.lineTo(width, y(m.ideal));
  pen.stroke();
  pen.setLineDash([]);
  pen.fillText(`ideal ${m.ideal}×`, width, y(m.ideal) - 1);
  pen.globalAlpha = 0.35;
  pen.beginPath();
  pen.moveTo(0, bottom + 0.5);
  pen.lineTo(width, bottom + 0.5);
  pen.moveTo(0, y(1));
  pen.lineTo(width, y(1));
  pen.stroke();
  pen.globalAlpha = 1;
  if (y(1) - y(m.ideal) > 30 && bottom - y(1) > 4) pen.fillText("serial 1×", width, y(1) - 1);
  axis(pen, scale, height - 12, c.soft);
  state.past.forEach(([workers, past], n) => {
    pen.globalAlpha = 0.35 + (0.4 * (n + 1)) / state.past.length; // the latest is the clearest
    pen.lineWidth = 1.2;
    pen.strokeStyle = c.soft;
    trace(past);
    pen.stroke();
    const end = past.length - 2;
    if (n < state.past.length - 1 || past[end] > state.domain || y(past[end + 1]) > bottom - 12) return;
    pen.textAlign = "right";
    pen.textBaseline = "top";
    pen.fillStyle = c.soft;
    pen.globalAlpha = 1;
    const below = y(1) - y(past[end + 1]);
    const shift = below > -18 && below < 32 ? -14 : 3; // not into the words at the serial line
    if (x(past[end]) > 90) pen.fillText(`last run, on ${workers}`, x(past[end]), y(past[end + 1]) + shift);
  });
  pen.globalAlpha = 1;
  if (points.length < 2) return;
  trace(points);
  const end = points.length - 2;
  pen.strokeStyle = c.task;
  pen.lineWidth = 2;
  pen.lineJoin = "round";
  pen.stroke();
  pen.lineTo(x(points[end]), bottom);
  pen.lineTo(x(points[0]), bottom);
  pen.closePath();
  pen.globalAlpha = 0.16;
  pen.fillStyle = c.task;
  pen.fill();
  pen.globalAlpha = 1;
  pen.beginPath();
  pen.arc(x(points[end]), y(points[end + 1]), 3.5, 0, 7);
  pen.fill();
  pen.strokeStyle = c.ground;
  pen.lineWidth = 1.5;
  pen.stroke();
}

// ------------------------------------------------------------------------------------------------------------ pieces

/** @param {string} tag @param {string} kind @param {string} [text] */
function make(tag, kind, text = "") {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  node.textContent = text;
  return node;
}

const ICONS = {
  minus: "M3 8h10",
  plus: "M3 8h10M8 3v10",
  fold: "M4 10l4-4 4 4",
  pin: "M6 2.5h4M7 2.5v4L5 9.5h6l-2-3v-4M8 9.5v4",
  whole: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
};

/** @param {keyof typeof ICONS} icon @param {string} name @param {string} kind */
function iconButton(icon, name, kind) {
  const node = /** @type {HTMLButtonElement} */ (make("button", `mpnb-icon ${kind}`));
  node.type = "button";
  node.title = name;
  node.setAttribute("aria-label", name);
  node.innerHTML = `<svg viewBox="0 0 16 16" aria-hidden="true"><path d="${ICONS[icon]}"/></svg>`;
  return node;
}

/** @param {string} name @param {string} kind @param {HTMLElement[]} more */
function part(name, kind, more) {
  const node = make("div", `mpnb-part ${kind}`);
  const title = make("div", "mpnb-title");
  const words = make("span", "", name);
  title.append(words, ...more);
  const plot = make("div", "mpnb-plot");
  const canvas = /** @type {HTMLCanvasElement} */ (make("canvas", ""));
  canvas.setAttribute("role", "img");
  plot.append(canvas);
  node.append(title, plot);
  return { node, title, words, plot, canvas };
}

/** What this browser remembers of the panel's looks. @param {string} key @param {boolean} [value] */
function remembered(key, value) {
  try {
    if (value !== undefined) localStorage.setItem(`mpnb-${key}`, String(value));
    return localStorage.getItem(`mpnb-${key}`) === "true";
  } catch {
    return value ?? false; // a front end that has no such storage, or forbids it
  }
}

export default () => {
  const state = fresh();
  /** @type {Set<() => void>} */
  const views = new Set();
  const redraw = () => views.forEach((draw) => draw());
  let waiting = 0; // for an answer: number of the request

  /** Ask for something; `unheard` is done where nobody answers in time. @param {any} model @param {object} request @param {() => void} unheard */
  function ask(model, request, unheard) {
    const mine = ++waiting;
    model.send(request);
    redraw();
    setTimeout(() => {
      if (waiting !== mine) return;
      waiting += 1;
      unheard();
      redraw();
    }, ACK_MS);
  }

  /** Ask the run to stop; where nobody hears it, interrupt the kernel. @param {any} model */
  function stop(model) {
    state.stopping = true;
    ask(model, { kind: "stop" }, () => {
      const kernel = model.widget_manager?.kernel;
      if (kernel?.interrupt) kernel.interrupt();
      else state.note = "This front end holds the request back until the cell ends: use its own interrupt button.";
    });
  }

  /** @param {any} model @param {number} by */
  function resize(model, by) {
    const m = state.last;
    if (!m) return;
    state.wished = Math.min(MOST_WORKERS, Math.max(1, (state.wished || m.workers) + by));
    ask(model, { kind: "resize", workers: state.wished }, () => {
      state.wished = 0;
      state.note = "This kernel hears the request when the cell has ended: use %pool resize, or %%parallel -n, before it.";
    });
  }

  /** @param {any} model */
  function pin(model) {
    state.pinned = !state.pinned;
    model.send({ kind: "pin", on: state.pinned });
    redraw();
  }

  return {
    /** @param {{model: any}} context */
    initialize({ model }) {
      const snapshot = () => {
        const message = model.get("snapshot");
        if (message?.kind === "static") {
          state.html = message.html; // seen only where the swap of the display was missed
          redraw();
        } else if (message?.kind && (!state.last || state.gap)) {
          take(state, message);
          redraw();
        }
      };
      /** @param {any} message */
      const news = (message) => {
        if (message.kind === "ack") waiting += 1;
        else if (message.kind === "tick" || message.kind === "whole") take(state, message);
        redraw();
      };
      const kernel = model.widget_manager?.kernel;
      /** @param {unknown} _ @param {string} status */
      const watch = (_, status) => {
        if (!["restarting", "autorestarting", "terminating", "dead"].includes(status)) return;
        state.lost = true;
        redraw();
      };
      kernel?.statusChanged?.connect(watch);
      snapshot();
      model.on("change:snapshot", snapshot);
      model.on("msg:custom", news);
      return () => {
        kernel?.statusChanged?.disconnect(watch);
        model.off("change:snapshot", snapshot);
        model.off("msg:custom", news);
      };
    },

    /** @param {{model: any, el: HTMLElement}} context */
    render({ model, el }) {
      const root = make("div", "mpnb-panel");
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", "parallel run");
      root.setAttribute("data-lm-suppress-shortcuts", "true"); // JupyterLab's own keys stay out of it
      const card = make("div", "mpnb-card");
      const head = make("div", "mpnb-head");
      const name = make("div", "mpnb-name");
      const dot = make("span", "mpnb-dot");
      const label = make("span", "");
      name.append(dot, label);
      const bar = make("div", "mpnb-bar");
      bar.setAttribute("role", "progressbar");
      bar.setAttribute("aria-label", "progress");
      const fill = make("div", "");
      bar.append(fill);
      const counts = make("div", "mpnb-count");
      const buttons = make("div", "mpnb-buttons");
      const pinned = iconButton("pin", "Keep the pictures open when the run is over", "mpnb-pin");
      const folded = iconButton("fold", "Show the progress only", "mpnb-fold");
      const button = /** @type {HTMLButtonElement} */ (make("button", "mpnb-stop", "Stop"));
      button.type = "button";
      button.title = "Stop the run; what has finished is kept";
      buttons.append(pinned, folded, button);
      head.append(name, bar, counts, buttons);
      const note = make("div", "mpnb-note");
      note.setAttribute("role", "status");
      note.hidden = true;

      const busy = make("span", "mpnb-middle");
      const cores = part("cores", "mpnb-cores", [busy]);
      const fewer = iconButton("minus", "One worker fewer, from now on", "mpnb-fewer");
      const more = iconButton("plus", "One worker more, from now on", "mpnb-more");
      const whole = iconButton("whole", "Show the whole run", "mpnb-whole");
      const stepper = make("span", "mpnb-stepper");
      stepper.append(fewer, more, whole);
      const legend = make("span", "mpnb-legend");
      const lanes = part("workers", "mpnb-lanes", [stepper, legend]);
      lanes.canvas.tabIndex = 0;
      lanes.canvas.title = "";
      const big = make("span", "mpnb-big");
      const curve = part("speedup", "mpnb-curve", [big]);
      const tip = make("div", "mpnb-tip");
      lanes.plot.append(tip);
      const body = make("div", "mpnb-body");
      body.append(cores.node, lanes.node, curve.node);
      const foot = make("div", "mpnb-foot");
      const traffic = make("span", "");
      const machine = make("span", "");
      const yardstick = make("span", "mpnb-yardstick");
      foot.append(traffic, machine, yardstick);
      const spoken = make("div", "mpnb-spoken");
      spoken.setAttribute("aria-live", "polite");
      card.append(head, note, body, foot, spoken);
      root.append(card);
      el.append(root);

      /** @type {Look} */
      const look = { window: null, cursor: null, drag: null };
      let seen = true; // whether it is on the screen

      /** @type {Colours | null} */
      let colours = null;
      const readColours = () => {
        const style = getComputedStyle(root);
        const get = (/** @type {string} */ key) => style.getPropertyValue(`--mpnb-${key}`).trim();
        colours = {
          task: get("task"), data: get("data"), check: get("check"), failed: get("failed"), core: get("core"),
          coreSystem: get("core-system"), ink: get("ink"), soft: get("soft"), track: get("track"), ground: get("ground"),
          font: `10.5px ${style.fontFamily}`,
          sites: ["task", "site-2", "site-3", "site-4"].map(get),
        };
      };

      let legendOf = "";
      /** @param {Message} m @param {Colours} c */
      const drawLegend = (m, c) => {
        const used = new Set();
        let checks = false;
        for (const spans of state.lanes) {
          for (let i = 0; i < (spans?.length ?? 0); i += SPAN) {
            if (spans[i + 2] % OPENS === 0) used.add(Math.floor(spans[i + 2] / SITE));
            else if (spans[i + 2] % OPENS === 2) checks = true;
          }
        }
        const several = used.size > 1 && new Set(m.sites).size > 1;
        /** @type {[string, string][]} */
        const words = several ? [...used].sort().map((n) => [m.sites[n] ?? "", c.sites[n % c.sites.length]]) : [["tasks", c.task]];
        words.push(["data", c.data]);
        if (checks) words.push(["checks", c.check]);
        words.push(["failed", c.failed]);
        const key = JSON.stringify(words);
        if (key === legendOf) return;
        legendOf = key;
        legend.replaceChildren();
        for (const [word, colour] of words) {
          const patch = make("i", "");
          patch.style.background = colour;
          legend.append(patch, word);
        }
      };

      let spokenAt = 0;
      const say = (/** @type {string} */ text) => (spoken.textContent = text);

      let run = -1;
      const draw = () => {
        if (state.html) {
          root.innerHTML = state.html;
          return;
        }
        const m = state.last;
        if (!m || !root.isConnected || !seen) return;
        if (!colours) readColours();
        const c = /** @type {Colours} */ (colours);
        if (m.run !== run) {
          run = m.run;
          look.window = look.cursor = look.drag = null;
        }
        const running = m.status === "running" && !state.lost;
        drawHead(m, running);
        const collapsed = root.hasAttribute("data-folded");
        if (!collapsed) drawBody(m, c, running);
        if (running && Date.now() - spokenAt > 10_000) {
          spokenAt = Date.now();
          say(`${m.label}: ${counts.textContent}`);
        }
      };

      /** @param {Message} m @param {boolean} running */
      const drawHead = (m, running) => {
        const status = state.lost ? "lost" : state.stopping ? "stopping" : m.status;
        label.textContent = m.status === "idle" ? "no run yet" : m.label;
        label.title = label.textContent;
        dot.dataset.status = status;
        dot.title = status;
        const share = m.total ? Math.min(1, m.done / m.total) : m.total === null && m.status !== "idle" ? 1 : 0;
        fill.style.width = `${(100 * share).toFixed(2)}%`;
        bar.toggleAttribute("data-unknown", m.total === null && running);
        if (m.total !== null) bar.setAttribute("aria-valuenow", String(Math.round(100 * share)));
        else bar.removeAttribute("aria-valuenow");
        const parts = [m.total === null ? "" : ` / ${m.total.toLocaleString("en")}`];
        if (running) {
          if (m.rate) parts.push(` · ${perSecond(m.rate)}`);
          if (m.eta !== null) parts.push(` · ${m.eta < 0.95 ? "under 1 s" : duration(m.eta * 1e4)} left`);
        } else if (m.status !== "idle") {
          parts.push(` · ${state.lost ? "ended with its kernel" : `${m.status} in ${duration(m.now)}`}`);
        }
        if (m.status === "idle") counts.textContent = "waiting for %%parallel";
        else counts.replaceChildren(make("b", "", m.done.toLocaleString("en")), parts.join(""));
        button.hidden = !running;
        button.disabled = state.stopping;
        button.textContent = state.stopping ? "Stopping" : "Stop";
        pinned.hidden = state.stays;
        pinned.setAttribute("aria-pressed", String(state.pinned));
        note.hidden = !state.note && !state.lost;
        note.textContent = state.lost ? "The kernel has ended or was started anew; this run is over." : state.note;
      };

      /** @param {Message} m @param {Colours} c @param {boolean} running */
      const drawBody = (m, c, running) => {
        const count = m.cores.length / 2;
        const ours = m.allowed ?? [...Array(count).keys()];
        const load = ours.reduce((sum, n) => sum + (m.cores[2 * n] ?? 0) + (m.cores[2 * n + 1] ?? 0), 0) / Math.max(1, ours.length);
        cores.words.textContent = m.allowed ? `${ours.length} of ${plural(count, "core")}` : plural(count, "core");
        busy.textContent = `${load.toFixed(0)} %`;
        const asked = state.wished && state.wished !== m.workers ? ` → ${state.wished}` : "";
        lanes.words.textContent = `${m.workers}${asked} worker${m.workers === 1 && !asked ? "" : "s"}`;
        stepper.hidden = !running && !look.window;
        fewer.hidden = more.hidden = !running;
        fewer.disabled = (state.wished || m.workers) <= 1;
        more.disabled = (state.wished || m.workers) >= MOST_WORKERS;
        whole.hidden = !look.window;
        big.textContent = m.speedup === null ? "" : `${m.mark}${m.speedup.toFixed(m.speedup < 99.95 ? 1 : 0)}×`;
        cores.canvas.setAttribute("aria-label", `load of ${plural(ours.length, "core")}, ${load.toFixed(0)} percent on average`);
        lanes.canvas.setAttribute(
          "aria-label",
          `what each of ${plural(m.workers, "worker")} does, over time; arrow keys go from block to block, plus and minus zoom, escape shows all`,
        );
        const before = state.past.length ? `; ${plural(state.past.length, "earlier run")} beside it` : "";
        curve.canvas.setAttribute("aria-label", `speedup so far ${big.textContent} of ideally ${m.ideal}${before}`);
        const queue = m.queued ? ` · ${m.queued.toLocaleString("en")} queued` : "";
        traffic.textContent = `${size(m.sent)} sent · ${size(m.home)} received${queue}`;
        const quota = m.quota === null ? "" : ` · quota ${+m.quota.toFixed(2)} cores`;
        const most = Math.max(-1, ...m.held);
        const each = most < 0 || m.rows.length < 10 ? "" : ` · workers ≤ ${size(most)} each`;
        machine.textContent = `kernel ${m.own[0]} %, ${size(m.own[1])} · memory ${size(m.memory[0])} of ${size(m.memory[1])}${each}${quota}`;
        yardstick.textContent =
          m.speedup === null ? "" : !m.mark ? "measured against --compare" : m.mark === "≤" ? "≤: workers may be slower than the kernel" : m.serial_from ? `≈ from ${plural(m.serial_from, "iteration")} in the kernel` : "≈ from the iterations' own times";
        yardstick.title = !m.mark ? "The speedup is measured: the cell also ran serially." : "%%parallel --compare measures the speedup.";
        const tall = Math.min(300, Math.max(150, 25 + 2.6 * m.rows.length));
        root.style.setProperty("--mpnb-plot", `${tall}px`);
        drawLegend(m, c);
        drawCores(cores.canvas, m, c);
        drawLanes(lanes.canvas, state, m, c, look);
        drawCurve(curve.canvas, state, m, c);
        if (look.cursor) showTip(m);
      };

      // ------------------------------------------------------------------------------------------- a closer look

      const grid = () => {
        const m = /** @type {Message} */ (state.last);
        const box = lanes.canvas.getBoundingClientRect();
        const g = laneGrid(box.width, box.height, m.rows.length, m.held.length > 0);
        return { box, g, scale: laneScale(state, look, g) };
      };

      /** Zoom by a factor around a time; the whole run is the widest. @param {number} factor @param {number} [around] */
      const zoom = (factor, around) => {
        const m = state.last;
        if (!m) return;
        const [from, to] = look.window ?? [0, state.domain];
        const at = around ?? (look.cursor ? (state.lanes[m.rows[look.cursor.row]]?.[look.cursor.index] ?? (from + to) / 2) : (from + to) / 2);
        const long = Math.max(5, (to - from) * factor);
        if (long >= state.domain) look.window = null;
        else {
          const start = Math.min(state.domain - long, Math.max(0, at - ((at - from) * long) / (to - from)));
          look.window = [start, start + long];
        }
        draw();
      };

      /** @param {number} share */
      const pan = (share) => {
        if (!look.window) return;
        const [from, to] = look.window;
        const by = Math.min(state.domain - to, Math.max(-from, share * (to - from)));
        look.window = [from + by, to + by];
        draw();
      };

      const showTip = (/** @type {Message} */ m) => {
        const cursor = look.cursor;
        const lane = cursor ? m.rows[cursor.row] : -1;
        const spans = state.lanes[lane];
        tip.style.visibility = spans && cursor ? "visible" : "hidden";
        if (!spans || !cursor) return "";
        const { box, g, scale } = grid();
        const text = described(m, spans, cursor.index, lane);
        tip.textContent = text;
        const x = Math.min(scale.left + scale.width, Math.max(scale.left, toX(scale, spans[cursor.index])));
        placeTip(box, x + 6, g.kernel + cursor.row * g.pitch - 26);
        return text;
      };

      /** @param {DOMRect} box @param {number} x @param {number} y */
      const placeTip = (box, x, y) => {
        tip.style.left = `${Math.max(0, Math.min(box.width - tip.offsetWidth, x))}px`;
        tip.style.top = `${Math.max(-4, y)}px`;
      };

      /** @param {PointerEvent} event */
      const hover = (event) => {
        const m = state.last;
        if (!m) return;
        const { box, g, scale } = grid();
        const x = event.clientX - box.left;
        if (look.drag) {
          look.drag[1] = Math.min(scale.left + scale.width, Math.max(scale.left, x));
          draw();
          return;
        }
        look.cursor = null;
        const place = Math.floor((event.clientY - box.top - g.kernel) / g.pitch);
        const lane = m.rows[place];
        const spans = state.lanes[lane];
        let text = "";
        if (spans && x >= scale.left && x <= scale.left + scale.width) {
          const at = toTime(scale, x);
          const slack = (scale.to - scale.from) / scale.width; // a pixel: thin blocks can be met, too
          let nearest = slack;
          for (let i = 0; i < spans.length; i += SPAN) {
            const away = Math.max(spans[i] - at, at - spans[i] - spans[i + 1], 0);
            if (away >= nearest && away > 0) continue;
            nearest = away;
            text = described(m, spans, i, lane);
            if (away === 0) break;
          }
        }
        tip.style.visibility = text ? "visible" : "hidden";
        if (!text) return;
        tip.textContent = text;
        placeTip(box, x + 10, event.clientY - box.top - 30);
      };

      /** @param {PointerEvent} event */
      const down = (event) => {
        if (event.button !== 0 || !state.last) return;
        const { box, scale } = grid();
        const x = event.clientX - box.left;
        if (x < scale.left || x > scale.left + scale.width) return;
        look.drag = [x, x];
        tip.style.visibility = "hidden";
        lanes.canvas.setPointerCapture(event.pointerId);
      };
      const up = () => {
        if (!look.drag) return;
        const [a, b] = look.drag.sort((one, other) => one - other);
        look.drag = null;
        const { scale } = grid();
        if (b - a > 4) look.window = [Math.max(0, toTime(scale, a)), Math.min(state.domain, toTime(scale, b))];
        draw();
      };
      const leave = () => {
        if (!look.cursor) tip.style.visibility = "hidden";
      };
      const showAll = () => {
        look.window = null;
        draw();
      };

      /** With a key held the wheel zooms, so that the page can be scrolled over it. @param {WheelEvent} event */
      const wheel = (event) => {
        if (!state.last) return;
        if (event.ctrlKey || event.metaKey || event.altKey) {
          event.preventDefault();
          const { box, scale } = grid();
          zoom(1.0016 ** event.deltaY, toTime(scale, event.clientX - box.left));
        } else if (look.window && Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
          event.preventDefault();
          pan(event.deltaX / 400);
        }
      };

      /** @param {KeyboardEvent} event */
      const key = (event) => {
        const m = state.last;
        if (!m || event.ctrlKey || event.metaKey) return;
        const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
        if (event.key === "+" || event.key === "=") zoom(0.5);
        else if (event.key === "-") zoom(2);
        else if (event.key === "0" || event.key === "Escape") {
          look.cursor = null;
          tip.style.visibility = "hidden";
          showAll();
        } else if (event.shiftKey && step) pan(step * 0.25);
        else if (step || event.key === "ArrowUp" || event.key === "ArrowDown") move(m, step ?? 0, event.key === "ArrowUp" ? -1 : event.key === "ArrowDown" ? 1 : 0);
        else return;
        event.preventDefault();
        event.stopPropagation();
      };

      /** From block to block. @param {Message} m @param {number} along @param {number} across */
      const move = (m, along, across) => {
        const was = look.cursor;
        const row = Math.min(m.rows.length - 1, Math.max(0, (was?.row ?? 0) + (was ? across : 0)));
        const spans = state.lanes[m.rows[row]] ?? [];
        if (!spans.length) return say(`worker ${m.rows[row] + 1}: nothing yet`);
        const last = spans.length - SPAN;
        let index = was?.index ?? 0;
        if (was && across) {
          const at = state.lanes[m.rows[was.row]]?.[was.index] ?? 0; // the block at about the same time
          index = 0;
          while (index < last && spans[index + SPAN] <= at) index += SPAN;
        } else if (was) index += along * SPAN;
        index = Math.min(last, Math.max(0, index));
        look.cursor = { row, index };
        if (look.window) {
          const [from, to] = look.window;
          const at = spans[index];
          if (at < from || at + spans[index + 1] > to) {
            const start = Math.min(state.domain - (to - from), Math.max(0, at - (to - from) / 3));
            look.window = [start, start + to - from];
          }
        }
        draw();
        say(showTip(m));
      };
      const blur = () => {
        look.cursor = null;
        tip.style.visibility = "hidden";
        draw();
      };

      const fold = (/** @type {boolean} */ on) => {
        root.toggleAttribute("data-folded", on);
        folded.setAttribute("aria-expanded", String(!on));
        folded.title = on ? "Show the pictures" : "Show the progress only";
        folded.setAttribute("aria-label", folded.title);
        draw();
      };
      const repaint = () => {
        colours = null;
        legendOf = "";
        draw();
      };
      const theme = new MutationObserver(repaint);
      theme.observe(document.body, { attributes: true, attributeFilter: ["class", "data-jp-theme-name", "data-vscode-theme-kind"] });
      const sizes = new ResizeObserver(draw);
      sizes.observe(root);
      const sight = new IntersectionObserver(([entry]) => {
        seen = entry.isIntersecting;
        draw();
      });
      sight.observe(root);
      const canvas = lanes.canvas;
      canvas.addEventListener("pointermove", hover);
      canvas.addEventListener("pointerdown", down);
      canvas.addEventListener("pointerup", up);
      canvas.addEventListener("pointercancel", up);
      canvas.addEventListener("pointerleave", leave);
      canvas.addEventListener("dblclick", showAll);
      canvas.addEventListener("wheel", wheel, { passive: false });
      canvas.addEventListener("keydown", key);
      canvas.addEventListener("blur", blur);
      button.addEventListener("click", () => stop(model));
      fewer.addEventListener("click", () => resize(model, -1));
      more.addEventListener("click", () => resize(model, 1));
      pinned.addEventListener("click", () => pin(model));
      whole.addEventListener("click", showAll);
      folded.addEventListener("click", () => fold(remembered("folded", !root.hasAttribute("data-folded"))));
      fold(remembered("folded"));
      views.add(draw);
      draw();

      return () => {
        views.delete(draw);
        theme.disconnect();
        sizes.disconnect();
        sight.disconnect();
        root.remove(); // with all that listens in it
      };
    },
  };
};
